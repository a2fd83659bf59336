"""A store for coroutines that have a thread of their own, such as Flask's async views."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict
from kt_cache.cache.wrapper import StoreWrapper

__all__ = ["BlockingStore"]

T = TypeVar("T")


class BlockingStore(StoreWrapper):
    """Passes calls on to another store, also those of the a-methods to its blocking methods.

    An event loop that runs for one request has no connections that are worth keeping, and nothing
    else to do while its only task waits for the server. So it uses those of the threads.

    :param store: the other one.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        inner = strict(store)
        self.strict = self if inner is store else BlockingStore(inner)

    def raising(self, kind: type[Exception]) -> Store:
        """Return the same store, with no error of a kind ignored."""
        store = self._store
        return BlockingStore(store.raising(kind)) if isinstance(store, StoreWrapper) else self

    def _run(self, operation: str, call: Callable[..., T], *args: Any) -> T:  # noqa: ARG002
        return call(*args)

    async def _arun(
        self,
        operation: str,
        call: Callable[..., Awaitable[T]],  # noqa: ARG002 - its blocking twin is called instead
        *args: Any,
    ) -> T:
        result: T = getattr(self._store, operation)(*args)
        return result
