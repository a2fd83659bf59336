"""The session store, free of any framework."""

from __future__ import annotations

import hashlib
import logging
import pickle
import time
import traceback
from contextlib import suppress

import pytest

from kt_cache import NEVER
from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import ConfigError, EncodeError, KTError, SessionConflict
from kt_cache.serializers import KT_JSON, KT_PICKLE
from kt_cache.sessions import SessionStore
from kt_cache.transport import PoolConfig
from tests.support.recording import read_request
from tests.support.threads import run_threads

ID = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y42"
STRANGE_IDS = {
    "empty": "",
    "very long": "x" * 1_000_000,
    "not ASCII": "sitzung-☃-é",
    "lone surrogate": "bad-\ud800-id",
    "another lone surrogate": "bad-\udfff-id",
    "NUL and lines": "a\x00b\r\n\tc",
    "like a prefix": "kt-session-",
    "like a path": "../../etc/passwd",
}


class TestLife:
    def test_create_load_save_delete(self, sessions):
        """A session is made once, read, saved, and is gone after its deletion."""
        assert sessions.load(ID) is None
        assert not sessions.exists(ID)
        assert sessions.create(ID, {}, 60) is not None
        assert sessions.exists(ID)
        assert sessions.load(ID).data == {}
        assert sessions.save(ID, {"user": 7, "list": [1, None, "ü"]}, 60) is not None
        assert sessions.load(ID).data == {"user": 7, "list": [1, None, "ü"]}
        assert sessions.delete(ID) is True
        assert sessions.delete(ID) is False
        assert sessions.load(ID) is None

    def test_create_of_a_taken_id(self, sessions):
        """Creating a session under an id in use fails and leaves the session alone."""
        assert sessions.create(ID, {"a": 1}, 60)
        assert sessions.create(ID, {"a": 2}, 60) is None
        assert sessions.load(ID).data == {"a": 1}

    def test_create_over_unreadable(self, sessions, store):
        """A record that nobody can read gives way if the caller says so; no other one does."""
        key = sessions.record_key(ID)
        store.set(key, b"no session", 60)
        assert sessions.create(ID, {"a": 1}, 60) is None
        origin = sessions.create(ID, {"a": 1}, 60, over_unreadable=True)
        assert sessions.load(ID).data == {"a": 1}
        assert sessions.create(ID, {"a": 2}, 60, over_unreadable=True) is None
        assert sessions.save(ID, {"a": 3}, 60, origin) is not None
        assert sessions.load(ID).data == {"a": 3}
        assert sessions.delete(ID)
        assert sessions.create(ID, {"a": 4}, 60, over_unreadable=True) is not None
        assert sessions.load(ID).data == {"a": 4}

    def test_create_over_unreadable_without_time(self, sessions, store):
        """A session whose time is over leaves nothing, and does not fail."""
        store.set(sessions.record_key(ID), b"no session", 60)
        assert sessions.create(ID, {"a": 1}, -1, over_unreadable=True) is not None
        assert not sessions.exists(ID)

    def test_create_is_atomic(self, sessions):
        """Of 16 who create the same id at the same moment exactly one does."""
        for number in range(20):
            one_id = f"{ID}{number}"
            results = run_threads(16, lambda me, i=one_id: sessions.create(i, {"by": me}, 60))
            (winner,) = [me for me, made in enumerate(results) if made]
            assert sessions.load(one_id).data == {"by": winner}

    def test_save_never_revives(self, sessions):
        """Saving a session that is not there, or not any more, fails and stores nothing."""
        assert sessions.save(ID, {"a": 1}, 60) is None
        sessions.create(ID, {"a": 1}, 60)
        sessions.delete(ID)
        assert sessions.save(ID, {"a": 1}, 60) is None
        assert sessions.store.keys(b"") == []

    @pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "never loaded"])
    def test_save_meets_delete(self, sessions, loaded):
        """However saves and a deletion interleave, a deleted session stays deleted."""
        for number in range(15):
            one_id = f"{ID}{number}"
            made = sessions.create(one_id, {}, 60) if loaded else None
            if not loaded:
                sessions.create(one_id, {}, 60)

            def work(me, one_id=one_id, origin=made):
                if me == 0:
                    assert sessions.delete(one_id)
                    return
                while True:
                    with suppress(SessionConflict):
                        origin = sessions.save(one_id, {"by": me}, 60, origin)
                        if origin is None:
                            return

            run_threads(5, work)
            assert sessions.load(one_id) is None

    @pytest.mark.parametrize("lifetime", [0, -1, -0.001])
    def test_no_time_left(self, sessions, lifetime):
        """A lifetime of zero or below stores nothing and ends what is there."""
        assert sessions.create(ID, {"a": 1}, lifetime) is not None
        assert sessions.load(ID) is None
        sessions.create(ID, {"a": 1}, 60)
        assert sessions.create(ID, {"a": 2}, lifetime) is None
        assert sessions.load(ID).data == {"a": 1}
        assert sessions.save(ID, {"a": 2}, lifetime) is not None
        assert sessions.load(ID) is None
        assert sessions.save(ID, {"a": 2}, lifetime) is None

    def test_lifetime_reaches_the_server(self, sessions):
        """The server is told the lifetime, and each save starts it anew."""
        sessions.create(ID, {}, 100)
        key, client = sessions.record_key(ID), sessions.store.client
        assert abs(client.expire_time(key) - time.time() - 100) < 5
        sessions.save(ID, {}, 1_000)
        assert abs(client.expire_time(key) - time.time() - 1_000) < 5
        assert client.expire_time(key) != NEVER

    def test_unencodable_data(self, sessions):
        """Data that cannot be stored is an error and leaves the stored session alone."""
        sessions.create(ID, {"a": 1}, 60)
        for lifetime in (60, 0):
            with pytest.raises(EncodeError):
                sessions.save(ID, {"a": {1, 2}}, lifetime)
        assert sessions.load(ID).data == {"a": 1}
        with pytest.raises(EncodeError):
            sessions.create("other", {"a": {1, 2}}, 60)
        assert not sessions.exists("other")


class TestIds:
    @pytest.mark.parametrize("name", STRANGE_IDS)
    def test_any_text_is_an_id(self, sessions, name):
        """Ids of any length and with any characters work, and are told apart."""
        session_id = STRANGE_IDS[name]
        for number, other in enumerate(STRANGE_IDS.values()):
            sessions.create(other, {"number": number}, 60)
        position = list(STRANGE_IDS).index(name)
        assert sessions.load(session_id).data == {"number": position}
        assert sessions.save(session_id, {"number": -1}, 60)
        assert sessions.load(session_id).data == {"number": -1}
        assert sessions.delete(session_id)
        assert not sessions.exists(session_id)
        assert len(sessions.store.keys(b"")) == len(STRANGE_IDS) - 1

    def test_record_key(self):
        """A record's key is a SHA-256 of the id, always of one length."""
        expected = b"kt-session-" + hashlib.sha256(ID.encode()).hexdigest().encode()
        assert SessionStore.record_key(ID) == expected
        assert {len(SessionStore.record_key(other)) for other in STRANGE_IDS.values()} == {75}

    def test_id_appears_nowhere(self, recorded_store, proxy, caplog):
        """No listing, no byte to the server, no log line and no error holds a session's id."""
        caplog.set_level(logging.DEBUG)
        sessions = SessionStore(recorded_store, Codec(KT_JSON))
        sessions.create(ID, {"a": 1}, 60)
        sessions.save(ID, {"a": 2}, 60)
        sessions.load(ID)
        sessions.exists(ID)
        shown = [repr(recorded_store.keys(b"")), repr(sessions)]
        recorded_store.client.set_bytes(sessions.record_key(ID), b"broken")
        assert sessions.load(ID) is None
        assert len(caplog.records) == 1
        elsewhere = KyotoStore(recorded_store.config, db=9)
        nowhere = KyotoStore(PoolConfig(port=9, connect_timeout=0.3, call_timeout=0.5))
        failures = 0
        for broken in (elsewhere, nowhere):
            ghost = SessionStore(broken, Codec(KT_JSON))
            for call in (
                lambda ghost=ghost: ghost.create(ID, {}, 60),
                lambda ghost=ghost: ghost.save(ID, {}, 60),
                lambda ghost=ghost: ghost.load(ID),
                lambda ghost=ghost: ghost.exists(ID),
                lambda ghost=ghost: ghost.delete(ID),
                lambda: sessions.save(ID, {"a": {1}}, 60),
            ):
                try:
                    call()
                except KTError as error:
                    failures += 1
                    shown += ["".join(traceback.format_exception(error)), repr(error), str(error)]
        assert failures >= 8
        sessions.delete(ID)
        wire = proxy.requests
        named = [row.key for request in wire for row in read_request(request)]
        assert named.count(sessions.record_key(ID)) >= 6
        shown += [caplog.text, *(record.getMessage() for record in caplog.records)]
        assert ID not in "\n".join(shown)
        assert ID.encode() not in b"".join([*wire, *named])


class TestFailures:
    @pytest.mark.parametrize(
        "record",
        [
            b"",
            b"garbage 4111",
            b"\x82",
            b'\x82{"card": "4111"',
            b"\x82[4111]",
            b'\x82"4111"',
            b"\x82null",
            b"4111",
            b"-4111",
            b"\x81" + pickle.dumps({"card": "4111"}),
            b"\x01" + bytes(8) + b"\x82{4111",
        ],
        ids=range(11),
    )
    def test_corrupt_record(self, sessions, record, caplog):
        """A record that is no session is a missing one and one log line without its content."""
        sessions.store.client.set_bytes(sessions.record_key(ID), record)
        with caplog.at_level(logging.DEBUG):
            assert sessions.load(ID) is None
        (line,) = caplog.records
        assert (line.name, line.levelno) == ("kt_cache.sessions", logging.WARNING)
        text = logging.Formatter().format(line)
        assert "4111" not in text
        assert ID not in text

    def test_one_line_for_many(self, sessions, caplog):
        """A visitor who comes with such a session again and again does not fill the log."""
        for record in (b"broken", b"\x82[]"):
            sessions.store.client.set_bytes(sessions.record_key(ID), record)
            for _ in range(5):
                assert sessions.load(ID) is None
        assert len(caplog.records) == 1

    def test_serializer_is_configured_not_found(self, store):
        """Sessions of a pickle configuration are not read by a JSON one, nor the other way."""
        pickled, plain = SessionStore(store, Codec(KT_PICKLE)), SessionStore(store, Codec(KT_JSON))
        pickled.create("one", {"a": 1}, 60)
        plain.create("two", {"a": 1}, 60)
        assert plain.load("one") is None
        assert pickled.load("two") is None
        assert pickled.load("one").data == plain.load("two").data == {"a": 1}


def test_caches_and_sessions_do_not_meet(store, sessions):
    """No cache key is a session's record, whatever prefix, version or key."""
    sessions.create(ID, {"a": 1}, 60)
    digest = sessions.record_key(ID).decode()
    for prefix in ("kt-session-", digest):
        with pytest.raises(ConfigError):
            Cache(store, Codec(), prefix=prefix)
    for prefix in ("", "kt-session", "kt"):
        cache = Cache(store, Codec(), prefix=prefix)
        cache.set(digest, "cache", 60)
        cache.set("", "cache", 60)
        cache.clear()
    assert sessions.load(ID).data == {"a": 1}
