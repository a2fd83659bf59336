"""Blocking methods made of a-methods, so that tests of the ones run on the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import contextmanager
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

TIMEOUT = 60.0  # seconds for one call

_END = object()


class OverAsyncio:
    """Shows an object's a-methods under the names of the blocking ones, for any thread.

    :param real: what has both; all else of it is shown as it is.
    :param loop: runs in another thread.
    """

    def __init__(self, real: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._real = real
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        function = getattr(type(self._real), "a" + name, None)
        if isasyncgenfunction(function):
            return lambda *args, **kwargs: self._iterate(function(self._real, *args, **kwargs))
        if iscoroutinefunction(function):
            return lambda *args, **kwargs: self._wait(function(self._real, *args, **kwargs))
        return getattr(self._real, name)

    def _wait(self, coming: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coming, self._loop).result(TIMEOUT)

    def _iterate(self, items: AsyncGenerator[Any, None]) -> Iterator[Any]:
        async def step() -> Any:
            async for item in items:
                return item
            return _END

        try:
            while (item := self._wait(step())) is not _END:
                yield item
        finally:
            self._wait(items.aclose())


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in another thread, and end it as asyncio.run does."""
    loop = asyncio.new_event_loop()
    ended = loop.create_future()
    thread = threading.Thread(target=_run, args=(loop, ended), daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(ended.set_result, None)
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def _run(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
    try:
        loop.run_until_complete(ended)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
