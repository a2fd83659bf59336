"""A store that waits for a connection instead of doing without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from kt_cache.cache.protection import growing_pauses
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import PoolTimeout

__all__ = ["PatientStore"]

T = TypeVar("T")


class PatientStore(StoreWrapper):
    """Passes calls on to a store that ignores errors, again and again while it has no connection.

    That all connections are in use is no failure that others share: whoever took it for a miss
    would do the work of all the others, too.

    :param store: the other one; deals with all other errors, and with this one in the end.
    :param seconds: how long to wait for connections, in all calls together.
    :param at_once: a method, that of the blocking one, and a key: this call is made once.
    """

    def __init__(self, store: StoreWrapper, seconds: float, at_once: tuple[str, bytes]) -> None:
        super().__init__(store.raising(PoolTimeout))
        self.strict = store.strict
        self._tolerant = store
        self._deadline = time.monotonic() + seconds
        self._at_once = at_once
        self._pauses: Iterator[float] = growing_pauses()

    def _run(self, operation: str, call: Callable[..., T], *args: Any) -> T:
        while self._may_wait(operation, args):
            try:
                return call(*args)
            except PoolTimeout:
                time.sleep(next(self._pauses))
        result: T = getattr(self._tolerant, operation)(*args)
        return result

    async def _arun(self, operation: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        while self._may_wait(operation, args):
            try:
                return await call(*args)
            except PoolTimeout:
                await asyncio.sleep(next(self._pauses))
        result: T = await getattr(self._tolerant, "a" + operation)(*args)
        return result

    def _may_wait(self, operation: str, args: tuple[Any, ...]) -> bool:
        return (operation, *args[:1]) != self._at_once and time.monotonic() < self._deadline
