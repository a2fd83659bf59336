"""Event loops of one test, on which nothing may be left behind or go unreported."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import pytest
import uvloop

from kt_cache import AsyncKyotoTycoon
from kt_cache.errors import TimeoutExceeded
from kt_cache.transport import PoolConfig
from tests.support.peers import TIMEOUT

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

_numbers = itertools.count(1)


class Run(Protocol):
    """Runs a coroutine on a loop of its own."""

    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


def run_on(kind: str, main: Coroutine[Any, Any, T]) -> T:
    """Do as ``asyncio.run``, but tasks left over and errors that nobody saw fail the test."""
    with resting_loop(kind) as loop:
        return loop.run_until_complete(asyncio.wait_for(main, 3 * TIMEOUT))


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Give ``run(coroutine)``, with each kind of event loop in turn."""
    return lambda main: run_on(request.param, main)


@pytest.fixture
def run_one() -> Run:
    """Give ``run(coroutine)`` with the standard loop, where the kind makes no difference."""
    return lambda main: run_on("asyncio", main)


def client_of(port: int, **options: Any) -> AsyncKyotoTycoon:
    """Return a client that shares its pools with no other test."""
    options.setdefault("max_lifetime", PoolConfig().max_lifetime + next(_numbers) / 1000)
    return AsyncKyotoTycoon(config=PoolConfig(port=port, **options))


def assert_nothing_leaked(kt: AsyncKyotoTycoon) -> None:
    """Every connection that is open is an unused one, and nobody waits."""
    stats = kt.pool_stats
    assert stats.open == stats.idle
    assert stats.waiting == 0


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT
    while not condition():
        assert loop.time() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.002)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call of a client with short limits until it is in time: a busy machine may be late."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT
    while True:
        try:
            return await call()
        except TimeoutExceeded:
            assert loop.time() < deadline, "every attempt took too long"


class Awaited:
    """Lets asyncio code be called like blocking code: runs its own event loop for each call.

    Between calls the loop rests, as it does in a program that uses one now and then.

    :param make: called on the loop; makes the object whose methods are offered.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Callable[[], Any]) -> None:
        self._loop = loop
        self._target = self._on_loop(make)

    def __getattr__(self, name: str) -> Any:
        found = self._on_loop(lambda: getattr(self._target, name))
        if not callable(found):
            return found
        return lambda *args, **options: self._on_loop(lambda: found(*args, **options))

    def beside(self, make: Callable[[], Any]) -> Awaited:
        """Return another such object on the same loop."""
        return Awaited(self._loop, make)

    def _on_loop(self, function: Callable[[], Any]) -> Any:
        async def call() -> Any:
            result = function()
            return await result if inspect.isawaitable(result) else result

        return self._loop.run_until_complete(call())


@contextmanager
def resting_loop(kind: str) -> Iterator[asyncio.AbstractEventLoop]:
    """Give an event loop; at the end nothing may be left on it or have gone unreported."""
    reported: list[str] = []
    loop = LOOPS[kind]()
    loop.set_exception_handler(lambda _, context: reported.append(str(context)))
    yield loop
    left = asyncio.all_tasks(loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    gc.collect()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert not left
    assert not reported
