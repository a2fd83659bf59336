"""Connections that break, servers that are slow or gone: what is stored, and what is said."""

from __future__ import annotations

import logging
import time

import pytest

from kt_cache import EmbeddedServer
from kt_cache.cache import Codec, FailurePolicy
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.tolerant import apply_policy
from kt_cache.errors import OutcomeUnknown, SessionConflict, SessionUnavailable
from kt_cache.sessions import SessionOptions, SessionStore
from kt_cache.testing import FaultProxy
from kt_cache.transport import PoolConfig
from tests.support.failing import dead_port

__all__ = ["dead_port"]

ID = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y42"


@pytest.fixture
def fault_proxy(any_server, kt):
    with FaultProxy(any_server.port, any_server.host) as proxy:
        yield proxy


@pytest.fixture
def faulty(open_sessions, fault_proxy):
    """A session store behind the proxy that breaks connections."""
    store = KyotoStore(PoolConfig(port=fault_proxy.port))
    yield open_sessions(store)
    store.client.close_all()


@pytest.fixture
def silent(open_sessions, fault_proxy):
    """A session store whose server does not answer."""
    fault_proxy.stall()
    store = KyotoStore(PoolConfig(port=fault_proxy.port, read_timeout=0.2))
    yield open_sessions(store)
    store.client.close_all()


@pytest.fixture
def others(store):
    """What other workers use, beside the proxy."""
    return SessionStore(store, Codec("json"))


@pytest.fixture
def unreachable(open_sessions, dead_port):
    """Make a session store without a server."""

    def make(**options):
        return open_sessions(KyotoStore(PoolConfig(port=dead_port, connect_timeout=0.3)), **options)

    return make


CALLS = {
    "load": lambda sessions, origin: sessions.load(ID),
    "exists": lambda sessions, origin: sessions.exists(ID),
    "create": lambda sessions, origin: sessions.create(ID, {}, 60),
    "create without time": lambda sessions, origin: sessions.create(ID, {}, 0),
    "save": lambda sessions, origin: sessions.save(ID, {"a": 2}, 60, origin),
    "save, never loaded": lambda sessions, origin: sessions.save(ID, {"a": 2}, 60),
    "save without time": lambda sessions, origin: sessions.save(ID, {"a": 2}, 0, origin),
    "touch": lambda sessions, origin: sessions.touch(ID, 1_000, origin),
    "keep": lambda sessions, origin: sessions.keep(ID, {"a": 1}, 1_000, origin),
    "delete": lambda sessions, origin: sessions.delete(ID),
}
WRITES = ["save", "save, never loaded", "save without time", "touch", "keep"]


class Unsure(KyotoStore):
    """The first swap ends in the unknown, after what a test says."""

    def __init__(self, config, before=None, *, sent=True):
        super().__init__(config)
        self.before, self.sent = before, sent

    def swap_record(self, *args):
        if self.before is None:
            return super().swap_record(*args)
        if self.sent:
            super().swap_record(*args)
        before, self.before = self.before, None
        before()
        raise OutcomeUnknown("the connection broke")


class TestUnknownOutcome:
    def test_the_reply_is_lost(self, faulty, fault_proxy, others):
        """A save whose reply is lost is found to be done, and the next one starts from it."""
        others.create(ID, {"a": 1}, 60)
        data, origin = faulty.load(ID)
        fault_proxy.cut(times=1)
        origin = faulty.save(ID, data | {"a": 2}, 60, origin)
        assert others.load(ID).data == {"a": 2}
        fault_proxy.reset(after=3, times=1)
        origin = faulty.save(ID, data | {"a": 3}, 60, origin)
        assert others.load(ID).data == {"a": 3}
        fault_proxy.cut(times=1)
        assert faulty.touch(ID, 1_000, origin)
        assert others.load(ID).origin.seconds_left > 900
        fault_proxy.cut(times=1)
        assert faulty.save(ID, {"a": 4}, 60)
        assert others.load(ID).data == {"a": 4}

    def test_create(self, faulty, fault_proxy, others):
        """A session is made once, also if the reply is lost."""
        assert faulty.load(ID) is None  # a connection is there now
        fault_proxy.cut(times=1)
        assert faulty.create(ID, {"a": 1}, 60)
        assert others.load(ID).data == {"a": 1}
        fault_proxy.cut(times=1)
        assert faulty.create(ID, {"b": 1}, 60) is None
        assert others.load(ID).data == {"a": 1}

    def test_delete(self, faulty, fault_proxy, others):
        """A session whose deletion was answered by nothing is gone."""
        others.create(ID, {"a": 1}, 60)
        assert faulty.load(ID)
        fault_proxy.cut(times=1)
        assert faulty.delete(ID) is True
        assert others.load(ID) is None

    def test_delete_not_sent(self, open_sessions, store, others):
        """Nor is there one whose deletion never reached the server: a logout is one."""
        others.create(ID, {"a": 1}, 60)

        class Unsent(KyotoStore):
            failures = 1

            def remove(self, key):
                if self.failures:
                    self.failures -= 1
                    raise OutcomeUnknown("the connection broke")
                return super().remove(key)

        assert SessionStore(Unsent(store.config), Codec("json")).delete(ID) is True
        assert others.load(ID) is None

    def test_not_sent(self, store, others):
        """A save that was not carried out is tried again."""
        others.create(ID, {"a": 1}, 60)
        sessions = SessionStore(Unsure(store.config, lambda: None, sent=False), Codec("json"))
        data, origin = sessions.load(ID)
        assert sessions.save(ID, data | {"a": 2}, 60, origin)
        assert others.load(ID).data == {"a": 2}
        sessions.store.before = lambda: None
        assert sessions.create("other", {"b": 1}, 60)
        assert others.load("other").data == {"b": 1}

    @pytest.mark.parametrize("sent", [True, False])
    def test_deleted_meanwhile(self, store, others, sent):
        """A session that was deleted meanwhile stays deleted."""
        others.create(ID, {"a": 1}, 60)
        unsure = Unsure(store.config, lambda: others.delete(ID), sent=sent)
        sessions = SessionStore(unsure, Codec("json"))
        data, origin = sessions.load(ID)
        assert sessions.save(ID, data | {"a": 2}, 60, origin) is None
        assert others.load(ID) is None

    @pytest.mark.parametrize("sent", [True, False])
    def test_changed_meanwhile(self, store, others, sent):
        """Changes of others to other keys survive."""
        others.create(ID, {"a": 1}, 60)

        def other_request():
            data, origin = others.load(ID)
            others.save(ID, data | {"b": 1}, 60, origin)

        sessions = SessionStore(Unsure(store.config, other_request, sent=sent), Codec("json"))
        data, origin = sessions.load(ID)
        assert sessions.save(ID, data | {"a": 2}, 60, origin)
        assert others.load(ID).data == {"a": 2, "b": 1}

    @pytest.mark.parametrize("sent", [True, False])
    def test_same_key_changed_meanwhile(self, open_sessions, store, others, sent):
        """Where a conflict is an error the unknown stays one: "nothing stored" may be wrong."""
        others.create(ID, {"n": 1}, 60)

        def other_request():
            data, origin = others.load(ID)
            others.save(ID, {"n": data["n"] + 1}, 60, origin)
            data, origin = others.load(ID)
            others.save(ID, {"n": data["n"] + 1}, 60, origin)

        unsure = Unsure(store.config, other_request, sent=sent)
        sessions = SessionStore(unsure, Codec("json"), SessionOptions(mode="error"))
        data, origin = sessions.load(ID)
        with pytest.raises(SessionUnavailable) as caught:
            sessions.save(ID, {"n": data["n"] + 1}, 60, origin)
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        assert not isinstance(caught.value, SessionConflict)
        assert others.load(ID).data == {"n": 4 if sent else 3}


class TestRaise:
    @pytest.mark.parametrize("name", CALLS)
    def test_no_server(self, unreachable, others, name):
        """Without a server every call raises: nobody is silently logged out, or in."""
        others.create(ID, {"a": 1}, 60)
        origin = others.load(ID).origin
        with pytest.raises(SessionUnavailable) as caught:
            CALLS[name](unreachable(), origin)
        assert caught.value.__cause__ is not None
        assert caught.value.host
        assert ID not in str(caught.value)

    @pytest.mark.parametrize("name", ["load", "create", "save", "delete"])
    def test_slow_server(self, silent, others, name):
        """A server that does not answer is an error after the read timeout."""
        others.create(ID, {"a": 1}, 60)
        origin = others.load(ID).origin
        began = time.monotonic()
        with pytest.raises(SessionUnavailable):
            CALLS[name](silent, origin)
        assert time.monotonic() - began < 2

    @pytest.mark.parametrize("name", ["create", "save"])
    def test_no_such_database(self, open_sessions, store, others, name):
        """What the server refuses is the same error."""
        others.create(ID, {"a": 1}, 60)
        sessions = open_sessions(KyotoStore(store.config, db=9))
        with pytest.raises(SessionUnavailable):
            CALLS[name](sessions, others.load(ID).origin)

    def test_ignored_errors_are_none_here(self, open_sessions, dead_port):
        """A cache that ignores errors does not make its sessions do so; its breaker counts."""
        tolerant = apply_policy(
            KyotoStore(PoolConfig(port=dead_port, connect_timeout=0.3)),
            FailurePolicy(ignore_errors=True, breaker_threshold=2),
        )
        sessions = open_sessions(tolerant)
        for _ in range(4):
            with pytest.raises(SessionUnavailable) as caught:
                sessions.load(ID)
        assert type(caught.value.__cause__).__name__ == "CircuitOpen"


class TestReadOnly:
    def test_an_empty_session(self, unreachable, caplog):
        """Visitors get empty sessions, of which nothing is stored; two lines say so in all."""
        sessions = unreachable(on_failure="read-only")
        for _ in range(3):
            data, origin = sessions.load(ID)
            assert (data, origin.is_read_only) == ({}, True)
            assert sessions.keep(ID, data, 60, origin) is origin
            assert sessions.touch(ID, 60, origin) is origin
        assert len(caplog.records) == 1
        for _ in range(3):
            data["a"] = 1
            assert sessions.save(ID, data, 60, origin) is origin
            assert sessions.keep(ID, data, 60, origin) is origin
        loaded, dropped = caplog.records
        assert "read-only" in loaded.message
        assert "lost" in dropped.message
        assert {line.levelno for line in caplog.records} == {logging.WARNING}
        assert sessions.store.config.address in loaded.message
        assert ID not in caplog.text
        assert SessionStore.record_key(ID).decode() not in caplog.text

    def test_it_stays_read_only(self, faulty, fault_proxy, others, open_sessions):
        """A request that could not load its session does not write over it later."""
        others.create(ID, {"a": 1}, 60)
        sessions = open_sessions(faulty.store, on_failure="read-only")
        fault_proxy.cut()
        data, origin = sessions.load(ID)
        fault_proxy.restore()
        assert sessions.save(ID, data | {"b": 1}, 60, origin).is_read_only
        assert others.load(ID).data == {"a": 1}
        assert sessions.load(ID).data == {"a": 1}

    def test_no_such_database(self, store, open_sessions):
        """A mistake in the settings is no outage that one could wait for: nothing is dropped."""
        sessions = open_sessions(KyotoStore(store.config, db=99), on_failure="read-only")
        with pytest.raises(SessionUnavailable, match="database"):
            sessions.save(ID, {"a": 1}, 60)

    @pytest.mark.parametrize("name", WRITES)
    def test_failing_later(self, unreachable, others, name, caplog):
        """A session that was loaded and cannot be stored any more is read-only from then on."""
        others.create(ID, {"a": 1}, 60)
        sessions = unreachable(on_failure="read-only")
        origin = CALLS[name](sessions, others.load(ID).origin)
        assert origin.is_read_only
        assert len(caplog.records) == 1
        assert "lost" in caplog.text

    @pytest.mark.parametrize("name", ["exists", "create", "create without time", "delete"])
    def test_what_must_be_known(self, unreachable, name):
        """Nobody is told that a session was made or ended if it was not."""
        with pytest.raises(SessionUnavailable):
            CALLS[name](unreachable(on_failure="read-only"), None)


def test_a_restart(open_sessions, tmp_path):
    """A server that is restarted keeps the sessions it has a file for, and connections recover."""
    file = str(tmp_path / "sessions.sqlite")
    with EmbeddedServer("included", database=file, quiet=True) as server:
        config = PoolConfig(port=server.port)
        sessions = open_sessions(KyotoStore(config))
        origin = sessions.create(ID, {"user": 7}, 60)
        port = server.port
    with pytest.raises(SessionUnavailable):
        sessions.load(ID)
    with EmbeddedServer("included", database=file, quiet=True, port=port):
        assert sessions.load(ID).data == {"user": 7}
        assert sessions.save(ID, {"user": 8}, 60, origin)
        assert sessions.load(ID).data == {"user": 8}
        sessions.store.client.close_all()
