"""Ways made of one call: over and over, by several threads, by many tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from benchmarks.measure import Way

__all__ = ["NewLoop", "event_loops", "in_tasks", "in_threads", "open_loop", "repeating"]

NewLoop = Callable[[], asyncio.AbstractEventLoop]


def repeating(call: Callable[[], Any]) -> Way:
    """Return the loop that makes the call."""

    def way(count: int) -> None:
        for _ in range(count):
            call()

    return way


def in_threads(way: Way, number: int) -> Way:
    """Return a way in which so many new threads do an equal share each."""

    def together(count: int) -> None:
        share = -(-count // number)
        threads = [threading.Thread(target=way, args=(share,)) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return together


def in_tasks(
    loop: asyncio.AbstractEventLoop,
    task: Callable[[Iterator[int]], Coroutine[Any, Any, None]],
    number: int,
) -> Way:
    """Return a way in which so many tasks share the turns among them.

    :param task: does it once for each turn that it is given.
    """

    async def all_tasks(count: int) -> None:
        turns = iter(range(count))
        await asyncio.gather(*(task(turns) for _ in range(number)))

    def way(count: int) -> None:
        loop.run_until_complete(all_tasks(count))

    return way


def event_loops() -> Iterator[tuple[str, NewLoop]]:
    """Name and maker of each kind of event loop that is there."""
    yield "asyncio", asyncio.new_event_loop
    if find_spec("uvloop"):
        import uvloop  # it may not be there

        yield "uvloop", uvloop.new_event_loop


@contextmanager
def open_loop(new_loop: NewLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """Make an event loop and end it as :func:`asyncio.run` does."""
    loop = new_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
