"""Sessions that go on under a new id."""

from __future__ import annotations

import asyncio

import pytest

from kt_cache.cache import Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.signing import Signer
from kt_cache.errors import (
    CircuitOpen,
    ConnectError,
    EncodeError,
    OutcomeUnknown,
    PoolTimeout,
    RemoteProtocolError,
    ServerError,
    SessionConflict,
    SessionUnavailable,
)
from kt_cache.sessions import SessionStore
from tests.support.failing import dead_port

__all__ = ["dead_port"]

ID = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y42"
NEW = "n3wn3wn3wn3wn3wn3wn3wn3wn3wn3w42"


def loaded(sessions, data):
    sessions.create(ID, data, 60)
    return sessions.load(ID)


class TestMove:
    def test_the_data_goes_along(self, sessions):
        """The session is found under the new id alone, with what was changed and the lifetime."""
        data, origin = loaded(sessions, {"a": 1})
        data["b"] = 2
        origin = sessions.move(ID, NEW, data, 1_000, origin)
        assert sessions.load(ID) is None
        found = sessions.load(NEW)
        assert found.data == {"a": 1, "b": 2}
        assert 990 < found.origin.seconds_left <= 1_000
        assert sessions.save(NEW, {"a": 3}, 60, origin)
        assert sessions.load(NEW).data == {"a": 3}

    def test_round_trips(self, open_sessions, recorded_store, proxy):
        """Two: one makes the new record, one removes the earlier."""
        sessions = open_sessions(recorded_store)
        data, origin = loaded(sessions, {"a": 1})
        proxy.forget()
        assert sessions.move(ID, NEW, data, 60, origin)
        assert proxy.trips == 2

    @pytest.mark.parametrize("mode", ["merge", "error", "last-write"])
    def test_ended_meanwhile(self, open_sessions, store, mode):
        """A session that was ended does not go on under another id."""
        sessions = open_sessions(store, mode=mode)
        data, origin = loaded(sessions, {"a": 1})
        sessions.delete(ID)
        assert sessions.move(ID, NEW, data, 60, origin) is None
        assert sessions.load(NEW) is None
        assert sessions.load(ID) is None

    def test_moved_twice_at_once(self, sessions):
        """Of two that move one session only the first does."""
        data, origin = loaded(sessions, {"a": 1})
        assert sessions.move(ID, NEW, data, 60, origin)
        assert sessions.move(ID, "another", data, 60, origin) is None
        assert sessions.load("another") is None

    def test_unreadable_meanwhile(self, sessions):
        """What somebody else made unreadable counts as gone."""
        data, origin = loaded(sessions, {"a": 1})
        sessions.store.client.set_bytes(sessions.record_key(ID), b"broken")
        assert sessions.move(ID, NEW, data, 60, origin) is None
        assert sessions.load(NEW) is None

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            ("merge", {"mine": 1, "yours": 1}),
            ("error", {"mine": 1, "yours": 1}),
            ("last-write", {"a": 1, "mine": 1}),
        ],
    )
    def test_changed_meanwhile(self, open_sessions, store, mode, expected):
        """Changes of others go along, as with a save."""
        sessions = open_sessions(store, mode=mode)
        data, origin = loaded(sessions, {"a": 1})
        others = sessions.load(ID)
        sessions.save(ID, {"yours": 1}, 60, others.origin)
        data["mine"] = 1
        origin = sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(NEW).data == data == expected
        assert sessions.save(NEW, {"b": 1}, 60, origin)
        assert sessions.load(NEW).data == {"b": 1}

    def test_same_key(self, open_sessions, store):
        """In the mode error it is refused, and the session stays where it is."""
        sessions = open_sessions(store, mode="error")
        data, origin = loaded(sessions, {"a": 1})
        sessions.save(ID, {"a": 2}, 60, sessions.load(ID).origin)
        data["a"] = 3
        with pytest.raises(SessionConflict, match="'a'"):
            sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(ID).data == {"a": 2}
        assert sessions.load(NEW) is None

    def test_signed(self, store):
        """A signature covers the key, so the session is signed for the new one."""
        sessions = SessionStore(store, Codec("json", signer=Signer(["a key of this site"])))
        data, origin = loaded(sessions, {"a": 1})
        others = sessions.load(ID)
        sessions.save(ID, {"a": 1, "yours": 1}, 60, others.origin)
        data["mine"] = 1
        assert sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(NEW).data == {"a": 1, "mine": 1, "yours": 1}

    def test_a_taken_id(self, sessions):
        """An id that somebody has is not taken over, and nothing happens to either session."""
        data, origin = loaded(sessions, {"a": 1})
        sessions.create(NEW, {"b": 1}, 60)
        with pytest.raises(SessionConflict, match="taken"):
            sessions.move(ID, NEW, data, 60, origin)
        assert [sessions.load(each).data for each in (ID, NEW)] == [{"a": 1}, {"b": 1}]

    def test_unencodable_data(self, sessions):
        """Data that cannot be stored is an error and leaves the session where it is."""
        _, origin = loaded(sessions, {"a": 1})
        with pytest.raises(EncodeError):
            sessions.move(ID, NEW, {"a": {1}}, 60, origin)
        assert sessions.load(ID).data == {"a": 1}
        assert sessions.load(NEW) is None

    @pytest.mark.parametrize("mode", ["merge", "error"])
    def test_no_time_left(self, open_sessions, store, mode):
        """A lifetime of zero ends the session."""
        sessions = open_sessions(store, mode=mode)
        data, origin = loaded(sessions, {"a": 1})
        sessions.move(ID, NEW, data, 0, origin)
        assert sessions.load(ID) is None
        assert sessions.load(NEW) is None


class TestFailures:
    @pytest.mark.parametrize("on_failure", ["raise", "read-only"])
    def test_no_server(self, open_sessions, sessions, dead_port, on_failure):
        """Without a server it raises, whatever the option says: who asks must know."""
        data, origin = loaded(sessions, {"a": 1})
        config = type(sessions.store.config)(port=dead_port, connect_timeout=0.3)
        lost = open_sessions(KyotoStore(config), on_failure=on_failure)
        with pytest.raises(SessionUnavailable):
            lost.move(ID, NEW, data, 60, origin)
        found = lost.load(ID) if on_failure == "read-only" else None
        if found is not None:
            with pytest.raises(SessionUnavailable, match="could not be loaded"):
                sessions.move(ID, NEW, found.data, 60, found.origin)
        assert sessions.load(ID).data == {"a": 1}
        assert sessions.load(NEW) is None

    @pytest.mark.parametrize("sent", [True, False])
    def test_unknown_outcome(self, store, sent):
        """If nobody can tell who removed the earlier record, no session comes of it."""

        class Unsure(KyotoStore):
            def pop(self, key):
                if sent:
                    super().pop(key)
                raise OutcomeUnknown("the connection broke")

        sessions = SessionStore(Unsure(store.config), Codec("json"))
        data, origin = loaded(sessions, {"a": 1})
        with pytest.raises(SessionUnavailable):
            sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(NEW) is None
        assert (sessions.load(ID) is None) is sent

    @pytest.mark.parametrize(
        "error", [ConnectError, PoolTimeout, ServerError, RemoteProtocolError, CircuitOpen]
    )
    def test_no_ghost(self, open_sessions, store, error):
        """A session that cannot leave its earlier id is left under that alone."""

        class Failing(KyotoStore):
            def pop(self, key):
                raise error("down")

            async def apop(self, key):
                raise error("down")

        sessions = open_sessions(Failing(store.config))
        data, origin = loaded(sessions, {"a": 1})
        with pytest.raises(SessionUnavailable):
            sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(ID).data == {"a": 1}
        assert sessions.load(NEW) is None

    def test_no_ghost_of_a_merged_session(self, store):
        """Nor does one stay that could not be stored with what others changed."""

        class Failing(KyotoStore):
            fails = False

            def swap_record(self, key, token, *args):
                if token is not None and self.fails:
                    raise ConnectError("down")
                return super().swap_record(key, token, *args)

        sessions = SessionStore(Failing(store.config), Codec("json"))
        data, origin = loaded(sessions, {"a": 1})
        sessions.save(ID, {"a": 2}, 60, sessions.load(ID).origin)
        sessions.store.fails = True
        with pytest.raises(SessionUnavailable):
            sessions.move(ID, NEW, data, 60, origin)
        assert sessions.load(NEW) is None

    def test_perhaps_made(self, store):
        """A new record that was made, though nobody was told so, goes again, too."""

        class Unsure(KyotoStore):
            is_unsure = False

            def swap_record(self, *args):
                token = super().swap_record(*args)
                if self.is_unsure:
                    raise OutcomeUnknown("the connection broke")
                return token

            def get_record(self, key):
                if self.is_unsure:
                    raise ConnectError("down")
                return super().get_record(key)

        sessions = SessionStore(Unsure(store.config), Codec("json"))
        data, origin = loaded(sessions, {"a": 1})
        sessions.store.is_unsure = True
        with pytest.raises(SessionUnavailable):
            sessions.move(ID, NEW, data, 60, origin)
        sessions.store.is_unsure = False
        assert sessions.load(NEW) is None
        assert sessions.load(ID).data == {"a": 1}

    def test_cancelled(self, store):
        """A move that is cancelled leaves no session under the new id."""
        began = asyncio.Event()

        class Slow(KyotoStore):
            async def apop(self, key):
                began.set()
                await asyncio.sleep(60)

        async def cancelled():
            sessions = SessionStore(Slow(store.config), Codec("json"))
            await sessions.acreate(ID, {"a": 1}, 60)
            data, origin = await sessions.aload(ID)
            moving = asyncio.ensure_future(sessions.amove(ID, NEW, data, 60, origin))
            await asyncio.wait_for(began.wait(), 30)
            moving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await moving
            for _ in range(100):
                if await sessions.aload(NEW) is None:
                    break
                await asyncio.sleep(0.05)
            return await sessions.aload(NEW), await sessions.aload(ID)

        new, old = asyncio.run(cancelled())
        assert new is None
        assert old.data == {"a": 1}
