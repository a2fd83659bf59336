"""Cancelled tasks: how soon they end, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.testing import FaultProxy
from kt_cache.transport import PoolConfig
from tests.support.peers import TIMEOUT

SOON = 3.0  # seconds; what a stalled server is waited for is ten


@pytest.fixture
def fault_proxy(any_server, kt):
    """A proxy that breaks connections, before an empty database."""
    with FaultProxy(any_server.port, any_server.host) as proxy:
        yield proxy


@pytest.fixture
def far(fault_proxy):
    """A cache behind the proxy; a stalled server is waited for 10 seconds."""
    config = PoolConfig(port=fault_proxy.port, read_timeout=10.0, call_timeout=10.0)
    return Cache(KyotoStore(config), Codec())


async def cancelled(task):
    """Cancel a task; return the seconds until it had ended."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


async def until_locked(cache, wanted):
    """Wait until a lock is held, or nobody has it."""
    await until_there(cache, b"kt-lock-:1:l", wanted)


async def until_there(cache, record, wanted):
    """Wait until a record is on the server, or not."""
    deadline = time.monotonic() + TIMEOUT
    while (await cache.store.aget(record) is not None) is not wanted:
        assert time.monotonic() < deadline, f"{record} is there: {not wanted}"
        await asyncio.sleep(0.005)


class TestStalledServer:
    def test_acquiring(self, far, cache, fault_proxy):
        """Who is cancelled hears of it soon; the lock is given back when the server answers."""

        async def main():
            waiter = far.lock("l", 60)
            fault_proxy.stall()
            acquiring = asyncio.create_task(waiter.aacquire())
            await until_locked(cache, True)
            assert await cancelled(acquiring) < SOON
            fault_proxy.restore()
            await until_locked(cache, False)
            assert await waiter.aacquire()

        asyncio.run(main())

    def test_releasing(self, far, cache, fault_proxy):
        """A cancelled release is one: the object does not believe that it holds the lock."""

        async def main():
            mine = far.lock("l", 60)
            await mine.aacquire()
            fault_proxy.stall()
            releasing = asyncio.create_task(mine.arelease())
            await asyncio.sleep(0.05)
            assert await cancelled(releasing) < SOON
            assert "not held" in repr(mine)
            fault_proxy.restore()
            await until_locked(cache, False)
            assert await mine.aacquire()

        asyncio.run(main())

    def test_making_a_value(self, any_server, cache, fault_proxy):
        """So it is with the claim of get_or_set."""
        made = []

        def key_function(key, prefix, version):
            if len(made) == 1:  # the value was asked for; the claim is next
                fault_proxy.stall()
            made.append(key)
            return f"{prefix}:{version}:{key}"

        config = PoolConfig(port=fault_proxy.port, read_timeout=10.0, call_timeout=10.0)
        far = Cache(KyotoStore(config), Codec(), key_function=key_function)

        async def main():
            making = asyncio.create_task(far.aget_or_set("k", "never stored", 60, lock=60))
            await until_there(cache, b"kt-leader-:1:k", True)
            assert await cancelled(making) < SOON
            fault_proxy.restore()
            await until_there(cache, b"kt-leader-:1:k", False)
            assert await cache.aget("k") is None

        asyncio.run(main())

    def test_the_loop_ends(self, far, fault_proxy, caplog):
        """An event loop that ends in the meantime does so soon and without a complaint."""

        async def main():
            fault_proxy.stall()
            tasks = [asyncio.create_task(far.lock(name, 60).aacquire()) for name in "abc"]
            await asyncio.sleep(0.05)
            assert await cancelled(tasks[0]) < SOON

        began = time.monotonic()
        asyncio.run(main())
        gc.collect()
        assert time.monotonic() - began < 2 * SOON
        assert not [record for record in caplog.records if record.name == "asyncio"]


class TestOrder:
    class LateClaims(StoreWrapper):
        """A store whose claims arrive after all that is sent within a while."""

        def __init__(self, store):
            super().__init__(store)
            self.strict = self
            self.arrived = asyncio.Event()

        async def _arun(self, operation, call, *args):
            if operation != "add":
                return await call(*args)
            return await asyncio.shield(asyncio.ensure_future(self._later(call, *args)))

        async def _later(self, call, *args):
            await asyncio.sleep(0.1)
            added = await call(*args)
            self.arrived.set()
            return added

    def test_taken_back_after_the_claim(self, cache, store):
        """What takes back a claim comes after it, although connections are not in order."""

        async def main():
            late = self.LateClaims(store)
            acquiring = asyncio.create_task(Cache(late, Codec()).lock("l", 60).aacquire())
            await asyncio.sleep(0.02)
            await cancelled(acquiring)
            await asyncio.wait_for(late.arrived.wait(), TIMEOUT)
            await until_locked(cache, False)

        asyncio.run(main())


class TestStopIteration:
    def test_of_a_function(self, either_cache):
        """A function's StopIteration comes out of get_or_set, as a coroutine's RuntimeError."""
        for options in ({}, {"lock": True}, {"stale": 60}):
            with pytest.raises((StopIteration, RuntimeError)) as caught:
                either_cache.get_or_set("k", iter([]).__next__, 60, **options)
            assert "StopIteration" in repr(caught.value)
            assert either_cache.get_or_set("k", "made", 60, **options) == "made"
            either_cache.delete("k")

    def test_blocking(self, cache):
        """Blocking it is what the function raised."""
        with pytest.raises(StopIteration, match="the very one"):
            cache.get_or_set("k", lambda: next(self.stopping()), 60, lock=True)

    @staticmethod
    def stopping():
        class Stopping:
            def __next__(self):
                raise StopIteration("the very one")

        return Stopping()
