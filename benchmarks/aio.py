"""Many tasks of one event loop against one thread of the blocking client, on the same server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.measure import Effort, Way, compare
from benchmarks.rows import Row
from benchmarks.ways import event_loops, in_tasks, open_loop
from kt_cache import AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon
from kt_cache.transport import PoolConfig

__all__ = ["aio_rows"]

_TASKS = 64
_LONGER = 10  # times the usual turn, for each begins and ends with fewer tasks at work
_BARS = {"asyncio": 0.9, "uvloop": 1.5}
_KEY = "benchmark:aio"
_VALUE = "v" * 100


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
        for kind, new_loop in event_loops():
            with open_loop(new_loop) as loop:
                client = AsyncKyotoTycoon(config=config)
                for what, floor, way in _cases(blocking, client, loop):
                    yield Row(section, f"{what}, {kind}", compare(floor, way, effort), _BARS[kind])


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

    yield "get", get, in_tasks(loop, get_task, _TASKS)
    yield "set", put, in_tasks(loop, put_task, _TASKS)
