"""Django's asynchronous cache methods."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import pytest
from django.core.cache import cache as default_cache
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from kt_cache import NEVER, AsyncKyotoTycoon


def run(coroutine):
    return asyncio.run(coroutine)


@pytest.fixture
def backend(site):
    return caches["default"]


def test_every_method(backend):
    """Each asynchronous method does what its other half does."""

    async def work():
        assert await backend.aget("k", "default") == "default"
        await backend.aset("k", {"a": 1}, 60)
        assert await backend.aget("k") == {"a": 1}
        assert await backend.aadd("k", 2) is False
        assert await backend.aadd("l", None) is True
        assert await backend.ahas_key("l") is True
        assert await backend.ahas_key("m") is False
        assert await backend.aset_many({"m": 1, "n": 2}, 60) == []
        assert await backend.aget_many(["l", "m", "x"]) == {"l": None, "m": 1}
        assert await backend.aincr("n", 40) == 42
        assert await backend.adecr("n", 2) == 40
        assert await backend.atouch("n", 100) is True
        assert await backend.atouch("x") is False
        assert await backend.aget_or_set("n", 7) == 40
        assert await backend.aget_or_set("o", lambda: 7) == 7
        assert await backend.aincr_version("o") == 2
        assert await backend.aget("o", version=2) == 7
        assert await backend.adelete("k") is True
        assert await backend.adelete("k") is False
        await backend.adelete_many(["l", "m"])
        assert await backend.aget_many(["k", "l", "m", "n"]) == {"n": 40}
        await backend.aclear()
        assert await backend.aget("n") is None
        await backend.aclose()

    run(work())


def test_every_method_is_there():
    """Django has no asynchronous method that the test above leaves out."""
    tested = inspect.getsource(test_every_method)
    names = [name for name, _ in inspect.getmembers(BaseCache, inspect.iscoroutinefunction)]
    assert len(names) >= 15
    missing = [name for name in names if f"backend.{name}(" not in tested]
    assert missing == ["adecr_version"]  # aincr_version by another sign


@pytest.mark.parametrize("timeout", [1_000, None])
def test_aincr_keeps_the_timeout(backend, timeout):
    """Both aincr and adecr leave a counter's time as it is, unlike Django's own."""
    backend.set("n", 1, timeout)
    key = backend.make_key("n")
    before = backend.client.expire_time(key)
    assert run(backend.aincr("n")) == 2
    assert run(backend.adecr("n")) == 1
    assert backend.client.expire_time(key) == before
    assert before == NEVER if timeout is None else before > time.time() + 900


def test_aincr_is_atomic(backend):
    """Increments of many tasks at once all count, and a missing key stays missing."""
    backend.set("n", 0, 60)

    async def work():
        await asyncio.gather(*(backend.aincr("n") for _ in range(200)))
        results = await asyncio.gather(
            *(backend.aincr("missing") for _ in range(20)), return_exceptions=True
        )
        assert {type(result) for result in results} == {ValueError}

    run(work())
    assert backend.get("n") == 200
    assert "missing" not in backend


def test_aincr_of_something_else(backend):
    """It raises what incr raises."""
    backend.set("k", "text")
    with pytest.raises(TypeError, match="not an integer"):
        run(backend.aincr("k"))
    with pytest.raises(ValueError, match="Key 'missing' not found"):
        run(backend.aincr("missing"))


def test_versions_and_timeouts(backend):
    """Version and timeout are taken by position and by name, as in Django."""

    async def work():
        await backend.aset_many({"k": 1}, None, 2)
        await backend.aset_many({"l": 1}, timeout=0, version=2)
        assert await backend.aget_many(["k", "l"], 2) == {"k": 1}
        assert await backend.aincr("k", 4, 2) == 5
        assert await backend.ahas_key("k", version=2)
        await backend.adelete_many(["k"], 2)
        assert not await backend.ahas_key("k", 2)

    run(work())


def test_many_loops(site):
    """The same alias works in one event loop after the other, and from several tasks."""

    async def work(number):
        await asyncio.gather(*(default_cache.aset(f"{number}-{task}", task) for task in range(20)))
        found = await default_cache.aget_many([f"{number}-{task}" for task in range(20)])
        return sum(found.values())

    assert [run(work(number)) for number in range(5)] == [190] * 5


def test_no_thread_is_used(backend):
    """The a-methods run where they are called: on the event loop, without a thread hop."""

    async def work():
        for number in range(20):
            await backend.aset(f"k{number}", number)
            await backend.aget(f"k{number}")
        await backend.aget_or_set("other", lambda: threading.get_ident())
        return await backend.aget("other")

    threads = threading.active_count()
    assert run(work()) == threading.get_ident()
    assert threading.active_count() == threads


def test_cancelled(backend):
    """A call that is cancelled never spoils the answer of the next one."""

    async def work():
        await backend.aset_many({f"k{number}": number for number in range(50)})
        for number in range(50):
            task = asyncio.create_task(backend.aget(f"k{number}"))
            await asyncio.sleep(0)
            task.cancel()
            assert await backend.aget(f"k{(number + 1) % 50}") == (number + 1) % 50

    run(work())


def test_handles_share_connections(backend):
    """A handle is made for every task; all of them share the event loop's connections."""

    async def use():
        handle = caches.create_connection("default")
        await handle.aset("k", 1)
        await handle.aclose()
        return await handle.aget("k")

    async def work():
        before = await connections_of(backend)
        for _ in range(10):
            assert await asyncio.gather(*(use() for _ in range(3))) == [1, 1, 1]
        return await connections_of(backend) - before

    assert run(work()) <= 3


async def connections_of(backend):
    report = await AsyncKyotoTycoon(config=backend.client.config).report()
    return report["serv_conn_count"]
