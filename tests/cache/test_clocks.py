"""Hosts whose clocks differ, and other clients that change a record's time."""

from __future__ import annotations

import itertools

import pytest

from kt_cache import NEVER
from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from tests.support import servers
from tests.support.lifetimes import TENTH, watch, write
from tests.support.stores import shifted_clock

OFFSETS = [-10, 0, 10]
BY_THE_SERVER = 2 + TENTH  # it ends a record in the second after the one it was told


@pytest.fixture
def caches(store):
    """Caches of three hosts: offset of the host's clock -> cache."""
    return {
        offset: Cache(KyotoStore(store.config, clock=shifted_clock(offset)), Codec())
        for offset in [*OFFSETS, -1.5, 1.5]
    }


class TestDifferentClocks:
    def test_never_early_and_ended_by_the_server(self, caches):
        """With clocks 10 s apart either way the server ends a value: never early, never more
        than its two seconds late. Clocks that differ by less than the tolerance of two seconds
        shift the end by no more than that.
        """
        records = []
        for writer, reader, timeout in itertools.product(OFFSETS, OFFSETS, (0.3, 1, 1.5, 3)):
            name = (writer, reader, timeout)
            late = TENTH if writer == reader == 0 else BY_THE_SERVER
            records.append(
                write(
                    name,
                    timeout,
                    lambda n=name, w=writer, t=timeout: caches[w].set(n, "v", t),
                    late,
                )
            )
        for near in (-1.5, 1.5):  # off by less than the tolerance, so the deadline counts
            name = (near, 0, 2.5)
            action = lambda n=name, w=near: caches[w].set(n, "v", 2.5)  # noqa: E731
            records.append(write(name, 2.5, action, BY_THE_SERVER, early=max(0, -near)))
        watch(records, lambda record: caches[record.name[1]].has(record.name))

    @servers.WITH_AND_WITHOUT
    @pytest.mark.parametrize("offset", [-10, 10])
    def test_add_touch_and_incr(self, caches, offset):
        """A live value of a host whose clock is off is live for the others' writes too."""
        for writer, reader in [(0, offset), (offset, 0), (offset, -offset)]:
            caches[writer].set("k", "v", 5)
            caches[writer].set("n", 1, 5)
            assert caches[reader].add("k", "w", 5) is False
            assert caches[reader].incr("n") == 2
            assert caches[reader].touch("k", 60) is True
            assert caches[writer].get("k") == "v"
            caches[writer].delete_many(["k", "n"])


@servers.WITH_AND_WITHOUT
class TestTouchedByAnother:
    """The direct client gives a record another time and leaves its bytes alone."""

    @pytest.fixture
    def touch(self, stopped_cache):
        def touch(name, expire_time):
            key = stopped_cache.make_key(name)
            client = stopped_cache.store.client
            record = client.get_bytes(key)
            assert client.cas(key, record, record, expire_time=expire_time)

        return touch

    @pytest.mark.parametrize("expire_time", [None, 1000])
    def test_longer(self, stopped_cache, clock, touch, expire_time):
        """Given more time, or no end, it is there past its own deadline."""
        stopped_cache.set("k", "v", 5)
        touch("k", expire_time)
        clock.now += 5.5
        assert stopped_cache.get("k") == "v"
        assert stopped_cache.get_many(["k"]) == {"k": "v"}
        assert stopped_cache.add("k", "w", 60) is False
        assert stopped_cache.touch("k", None) is True
        assert stopped_cache.store.client.expire_time(stopped_cache.make_key("k")) == NEVER

    def test_shorter(self, cache):
        """Given less time, it is gone when the server ends it."""
        cache.set("k", "v", 1000)
        key = cache.make_key("k")
        record = cache.store.client.get_bytes(key)

        def shorten():
            assert cache.store.client.cas(key, record, record, expire_time=1)

        watch([write("k", 1, shorten, BY_THE_SERVER)], lambda _: cache.has("k"))

    def test_written_by_another(self, cache):
        """A record that another program wrote, without envelope, is read and ends by its time."""
        cache.store.client.set_bytes(cache.make_key("n"), b"41", expire_time=100)
        assert cache.incr("n") == 42
        assert cache.touch("n", 50)
        assert cache.get("n") == 42
