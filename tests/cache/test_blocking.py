"""A cache whose a-methods use the blocking connections."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from kt_cache.cache import BlockingStore, Cache, Codec, open_store, strict
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError, ConnectError
from kt_cache.transport import get_pool
from tests.support.failing import dead_port, own

__all__ = ["dead_port"]


class ForThreads(StoreWrapper):
    """A store that no event loop may use."""

    def __init__(self, store):
        super().__init__(store)
        self.strict = self

    def _run(self, operation, call, *args):
        return call(*args)

    async def _arun(self, operation, call, *args):
        raise AssertionError(f"a{operation} was called")


@pytest.fixture
def blocking(store) -> Cache:
    """A cache on an empty database."""
    return Cache(BlockingStore(ForThreads(store)), Codec())


async def all_calls(cache: Cache) -> list[object]:
    """Return what each of the a-methods answers that are not about making values."""
    async with cache.lock("turn", 30) as lock:
        held = [await lock.aowned(), await lock.aextend(60), await lock.alocked()]
    return [
        held,
        await cache.aset("a", 1, 60),
        await cache.aget("a"),
        await cache.aset_many({"b": 2, "c": [3]}, None, tags=["some"]),
        await cache.aget_many(["a", "b", "c", "d"]),
        await cache.aadd("a", 2, 60),
        await cache.areplace("a", 5, 60),
        await cache.aincr("a", 2),
        await cache.acount("n", 4, 60),
        await cache.attl("a"),
        await cache.atouch("a", 100),
        await cache.apersist("a"),
        await cache.ahas("b"),
        await cache.adelete_tag("some"),
        await cache.ahas("b"),
        sorted(await cache.akeys("*")),
        sorted([key async for key in cache.aiter_keys("*")]),
        await cache.apop("a"),
        await cache.adelete("a"),
        await cache.adelete_many(["n", "x"]),
        await cache.adelete_prefix("b"),
        await cache.aclear(),
    ]


def test_no_connection_of_the_loop(blocking):
    """The a-methods answer as ever, on the connections that threads share."""
    held = [True, True, True]
    assert asyncio.run(all_calls(blocking)) == [
        held,
        *[True, 1],
        *[True, {"a": 1, "b": 2, "c": [3]}],
        *[False, True, 7, 4, 60, True, True],
        *[True, None, False],
        *[["a", "n"], ["a", "n"]],
        *[7, False, 1, 1, 1],
    ]


def test_blocking_methods_too(blocking):
    """It is a whole cache: a thread may use it as well."""
    blocking.set("k", "v", 60)
    assert blocking.get("k") == "v"
    with blocking.lock("turn", 30):
        assert not blocking.lock("turn", 30).acquire(blocking=False)


class TestMakingValues:
    @pytest.mark.parametrize("options", [{}, {"lock": True}, {"stale": 5, "beta": 1.0}], ids=str)
    def test_coroutine_function(self, blocking, options):
        """A coroutine function is awaited on the loop that runs, and called once."""
        calls = []

        async def make():
            calls.append(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return {"made": len(calls)}

        async def twice():
            found = [await blocking.aget_or_set("k", make, 60, **options) for _ in range(2)]
            return found, asyncio.get_running_loop()

        found, loop = asyncio.run(twice())
        assert found == [{"made": 1}] * 2
        assert calls == [loop]

    def test_loops_take_turns(self, store):
        """Of callers on several loops one makes the value, and the others wait for it."""
        made = []
        barrier = threading.Barrier(3)

        async def make():
            made.append(1)
            await asyncio.sleep(0.2)
            return "v"

        def request():
            cache = Cache(BlockingStore(ForThreads(store)), Codec())
            barrier.wait(10)
            found.append(asyncio.run(cache.aget_or_set("k", make, 60, lock=30)))

        found: list[object] = []
        threads = [threading.Thread(target=request) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found == ["v"] * 3
        assert made == [1]

    def test_waiting_is_for_the_loop(self, blocking):
        """Between two looks at what another one makes, other tasks of the loop go on."""

        async def wait_and_count():
            turn = asyncio.ensure_future(blocking.aget_or_set("k", slow, 60, lock=30))
            await began.wait()
            waiting = asyncio.ensure_future(blocking.aget_or_set("k", slow, 60, lock=30))
            while not waiting.done():
                ticks.append(1)
                await asyncio.sleep(0.01)
            return await turn, await waiting

        async def slow():
            began.set()
            await asyncio.sleep(0.3)
            return "v"

        began, ticks = asyncio.Event(), []
        assert asyncio.run(wait_and_count()) == ("v", "v")
        assert len(ticks) > 3

    def test_cancelled(self, blocking):
        """Who is cancelled while making a value leaves the turn to others."""

        async def cancel():
            task = asyncio.ensure_future(blocking.aget_or_set("k", never, 60, lock=30))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        async def never():
            began.set()
            await asyncio.sleep(60)

        began = asyncio.Event()
        asyncio.run(cancel())
        start = time.monotonic()
        assert blocking.get_or_set("k", lambda: "v", 60, lock=30) == "v"
        assert time.monotonic() - start < 10

    def test_coroutine_function_without_a_loop(self, blocking):
        """The blocking method refuses it, as everywhere."""

        async def make():
            raise AssertionError

        with pytest.raises(ConfigError, match="begins with an 'a'"):
            blocking.get_or_set("k", make, 60)


class TestFailures:
    @pytest.mark.parametrize("is_on_loop", [False, True])
    def test_a_busy_moment(self, included_server, is_on_loop):
        """Where errors are ignored a value is waited for while all connections are in use."""
        place = f"{included_server.host}:{included_server.port}"
        few = own(ignore_errors=True, max_size=1, max_waiting=1, call_timeout=0.05)
        store = open_store(place, few)
        cache = Cache(BlockingStore(store), Codec())
        pool = get_pool(store.config)

        def make():
            took.append(pool.acquire(time.monotonic() + 10, time.monotonic()))
            threading.Timer(0.3, pool.release, took).start()
            return "made"

        took = []
        cache.delete("k")
        if is_on_loop:
            assert asyncio.run(cache.aget_or_set("k", make, 60, lock=30)) == "made"
        else:
            assert cache.get_or_set("k", make, 60, lock=30) == "made"
        assert cache.get("k") == "made"

    def test_raised(self, dead_port):
        """An error is that of the blocking call."""
        cache = Cache(BlockingStore(open_store(f"127.0.0.1:{dead_port}")), Codec())
        with pytest.raises(ConnectError):
            asyncio.run(cache.aget("k"))

    def test_ignored(self, dead_port):
        """Where errors are ignored they are here, too, and not where they never are."""
        store = open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True, breaker_threshold=0))
        cache = Cache(BlockingStore(store), Codec())

        async def make():
            return "v"

        assert asyncio.run(cache.aget("k", "missing")) == "missing"
        for options in ({}, {"lock": 30}):
            assert asyncio.run(cache.aget_or_set("k", make, 60, **options)) == "v"
        assert strict(cache.store) is not cache.store
        assert strict(cache.store) is strict(strict(cache.store))
        for call in (strict(cache.store).aget, cache.adelete_tag, cache.aincr):
            with pytest.raises(ConnectError):
                asyncio.run(call(b"k"))
