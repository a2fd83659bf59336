"""Many tasks of one event loop against one thread of the blocking client, on the same server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from benchmarks.measure import Effort, Way, compare
from benchmarks.rows import Row
from kt_cache import AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon
from kt_cache.transport import PoolConfig

__all__ = ["aio_rows"]

_TASKS = 64
_LONGER = 10  # times the usual turn, for each begins and ends with fewer tasks at work
_BARS = {"asyncio": 0.9, "uvloop": 1.5}
_KEY = "benchmark:aio"
_VALUE = "v" * 100

NewLoop = Callable[[], asyncio.AbstractEventLoop]


def aio_rows(server: str, name: str, effort: Effort) -> Iterator[Row]:
    """Compare the two clients.

    :param server: as for :class:`~kt_cache.EmbeddedServer`.
    :param name: the server's name for the table.
    """
    effort = replace(effort, turn=effort.turn * _LONGER)
    section = f"{_TASKS} tasks on {name}, a connection each, 100-byte values : one thread"
    with EmbeddedServer(server, quiet=True) as running:
        blocking = running.client
        config = PoolConfig(port=blocking.port, max_size=_TASKS)
        blocking.set(_KEY, _VALUE)
        for kind, new_loop in _loops():
            with _loop(new_loop) as loop:
                client = AsyncKyotoTycoon(config=config)
                for what, floor, way in _cases(blocking, client, loop):
                    yield Row(section, f"{what}, {kind}", compare(floor, way, effort), _BARS[kind])


def _loops() -> Iterator[tuple[str, NewLoop]]:
    yield "asyncio", asyncio.new_event_loop
    if find_spec("uvloop"):
        import uvloop  # it may not be there

        yield "uvloop", uvloop.new_event_loop


def _cases(
    blocking: KyotoTycoon, client: AsyncKyotoTycoon, loop: asyncio.AbstractEventLoop
) -> Iterator[tuple[str, Way, Way]]:
    def get(count: int) -> None:
        for _ in range(count):
            blocking.get(_KEY)

    def put(count: int) -> None:
        for _ in range(count):
            blocking.set(_KEY, _VALUE)

    async def get_task(turns: Iterator[int]) -> None:
        for _ in turns:
            await client.get(_KEY)

    async def put_task(turns: Iterator[int]) -> None:
        for _ in turns:
            await client.set(_KEY, _VALUE)

    yield "get", get, _together(loop, get_task)
    yield "set", put, _together(loop, put_task)


def _together(loop: asyncio.AbstractEventLoop, task: Callable[[Iterator[int]], Any]) -> Way:
    """Return a way in which the tasks share the turns among them."""

    async def all_tasks(count: int) -> None:
        turns = iter(range(count))
        await asyncio.gather(*(task(turns) for _ in range(_TASKS)))

    def work(count: int) -> None:
        loop.run_until_complete(all_tasks(count))

    return work


@contextmanager
def _loop(new_loop: NewLoop) -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
