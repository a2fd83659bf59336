"""Work on an event loop that goes on when the task it was begun in has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["keep", "wait_a_moment"]

_MOMENT = 0.5  # seconds


async def wait_a_moment(work: Coroutine[Any, Any, None]) -> None:
    """Begin to do something, and return when it is done or half a second later.

    It goes on until it is done then, or the event loop ends, which cancels it.
    """
    task = asyncio.ensure_future(work)
    keep(task)
    await asyncio.wait([task], timeout=_MOMENT)


def keep(task: asyncio.Task[Any]) -> None:
    """Hold on to a task of the running event loop, of which that itself knows weakly alone."""
    loop = asyncio.get_running_loop()
    for other in [other for other in list(_loops) if other.is_closed()]:
        _loops.pop(other, None)
    if loop not in _loops:
        _loops[loop] = _Errands()
    tasks = _loops[loop].tasks
    tasks.add(task)
    task.add_done_callback(tasks.discard)


class _Errands:
    """The tasks that are kept of the running event loop.

    They end with it: ``asyncio.run`` and its like finish every asynchronous generator begun on a
    loop before they close it, so there is one that waits for just that.
    """

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self._ending = _cancel_at_end(self.tasks)
        with suppress(StopIteration):
            self._ending.__anext__().send(None)  # begins it; there is nothing to wait for


async def _cancel_at_end(tasks: set[asyncio.Task[Any]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        while left := list(tasks):
            for task in left:
                task.cancel()
            await asyncio.wait(left)


_loops: dict[asyncio.AbstractEventLoop, _Errands] = {}
