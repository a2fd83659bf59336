"""The Kyoto Tycoon store keeps the contract of all stores, and a few promises of its own."""

from __future__ import annotations

import inspect

import pytest

from kt_cache import NEVER
from kt_cache.cache import Store
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import KTError, NoSuchDatabase, TimeoutExceeded
from kt_cache.transport import PoolConfig, get_pool
from tests.cache.store_contract import StoreContract
from tests.support import servers
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.threads import run_threads


class TestKyotoStoreOnEventLoops(StoreContract):
    """The fixture ``store`` is the a-methods of a KyotoStore here."""

    @pytest.fixture
    def store(self, store):
        with loop_in_a_thread() as loop:
            yield OverAsyncio(store, loop)

    def test_every_method_has_a_twin(self):
        """What a store does blocking it does on an event loop, with the same parameters."""
        for kind in (Store, KyotoStore):
            names = [name for name, it in vars(kind).items() if inspect.isfunction(it)]
            blocking = [name for name in names if name[0] not in "_a" or name == "add"]
            assert len(blocking) == 19
            for name in blocking:
                twin = getattr(kind, "a" + name)
                assert inspect.iscoroutinefunction(twin)
                assert inspect.signature(twin) == inspect.signature(getattr(kind, name))


@servers.WITH_AND_WITHOUT
class TestKyotoStore(StoreContract):
    """The fixture ``store`` is a KyotoStore here."""

    def test_is_a_store(self, store):
        """It has every method and property of the Store interface."""
        names = [name for name in vars(Store) if not name.startswith("_")]
        assert len(names) >= 18
        assert all(hasattr(store, name) for name in names)

    def test_client_sees_the_same_records(self, store):
        """The direct client shares server, database and connections."""
        store.set(b"k", b"v", None)
        assert store.client.get_bytes(b"k") == b"v"
        assert store.client.expire_time(b"k") == NEVER
        assert store.client.config is store.config

    def test_connections_are_bounded(self, store, config):
        """However many threads share a store, it opens no more connections than configured."""
        few = KyotoStore(PoolConfig(host=config.host, port=config.port, max_size=2))
        run_threads(12, lambda me: [few.set(b"%d" % me, b"v", 60) for _ in range(20)])
        assert 1 <= get_pool(few.config).stats.open <= 2
        few.client.close_all()

    def test_missing_database(self, store):
        """Writing to a database the server does not have is an error, not silence."""
        elsewhere = KyotoStore(store.config, db=9)
        for write in [
            lambda: elsewhere.set(b"k", b"v", 60),
            lambda: elsewhere.set_many({b"k": b"v"}, 60),
            lambda: elsewhere.add(b"k", b"v", 60),
            lambda: elsewhere.replace(b"k", b"v", 60),
            lambda: elsewhere.keys(b""),
            lambda: elsewhere.pop(b"k"),
            lambda: elsewhere.page(b"", None, 10),
            lambda: elsewhere.page(b"", b"k", 10),
            elsewhere.flush,
        ]:
            with pytest.raises(NoSuchDatabase):
                write()

    def test_no_server(self):
        """Every method raises a KTError if there is no server; none pretends."""
        store = KyotoStore(PoolConfig(port=9, connect_timeout=0.5, call_timeout=1.0))
        for call in [
            lambda: store.get(b"k"),
            lambda: store.get_many([b"k"]),
            lambda: store.set(b"k", b"v", 60),
            lambda: store.set_many({b"k": b"v"}, 60),
            lambda: store.add(b"k", b"v", 60),
            lambda: store.replace(b"k", b"v", 60),
            lambda: store.swap(b"k", b"v", b"w", 60),
            lambda: store.touch(b"k", 60),
            lambda: store.incr(b"k", 1),
            lambda: store.remove(b"k"),
            lambda: store.remove_many([b"k"]),
            lambda: store.keys(b""),
            lambda: store.get_with_ttl(b"k"),
            lambda: store.get_many_with_ttl([b"k"]),
            lambda: store.pop(b"k"),
            lambda: store.page(b"", None, 10),
            store.flush,
        ]:
            with pytest.raises(KTError, match=r"127\.0\.0\.1:9"):
                call()

    def test_endless_change_ends(self, store, monkeypatch, scripted):
        """An operation that loses every race gives up at the call's deadline.

        With the script only those of large numbers can.
        """
        hasty = KyotoStore(
            PoolConfig(host=store.config.host, port=store.config.port, call_timeout=0.3)
        )
        store.set(b"n", b"%d" % 10**20, 60)
        real_run = hasty._executor.__class__.run

        def run(executor, command, deadline=None):
            reply = real_run(executor, command, deadline)
            if command[0] == "get":
                store.set(b"n", b"%d" % (int(reply[0]) + 1), 60)  # someone is always faster
            return reply

        monkeypatch.setattr(hasty._executor.__class__, "run", run)
        with pytest.raises(TimeoutExceeded):
            hasty.incr(b"n", 1)
        if not scripted:
            with pytest.raises(TimeoutExceeded):
                hasty.touch(b"n", 60)
        monkeypatch.undo()
        hasty.client.close_all()
