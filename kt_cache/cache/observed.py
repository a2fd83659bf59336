"""A store whose calls are told to a function of the site's: for metrics."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from inspect import isclass, iscoroutinefunction, signature
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

from kt_cache.cache.call_events import CallEvent, event_of_error, event_of_result
from kt_cache.cache.log_limit import INTERVAL, LogLimit
from kt_cache.cache.options import imported
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import NEUTRAL, TolerantStore, strict
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError

__all__ = ["OBSERVER_OPTIONS", "ObservedStore", "Observer", "observe", "observer_of"]

logger = logging.getLogger("kt_cache.cache")

T = TypeVar("T")

OBSERVER_OPTIONS = frozenset({"observer"})
"""Names of the options."""

Observer: TypeAlias = Callable[[CallEvent], object]
"""Told of every call, in its thread or on its event loop: it must not wait for anything.

What it returns does not count. One that has a method ``listens`` is asked by it before each call
whether to be told; as long as it says no, calls cost next to nothing more than without an observer.
"""


class ObservedStore(StoreWrapper):
    """Passes calls on to another store and tells an observer of each.

    It stands around a store that may ignore errors, and ignores them in that one's place: outside
    it, a call that failed would look like a miss.

    :param store: the other one.
    :param observer: what it raises is logged and has no effect on the call.
    """

    def __init__(self, store: Store, observer: Observer) -> None:
        inner = strict(store)
        super().__init__(inner)
        self._observer = observer
        self._listens: Callable[[], bool] = getattr(observer, "listens", _always)
        self._around = store
        self._ignores = store.ignores if isinstance(store, TolerantStore) else _never
        self.strict = self if inner is store else ObservedStore(inner, observer)

    def raising(self, kind: type[Exception]) -> Store:
        """Return the same store, with no error of a kind ignored."""
        around = self._around
        if not isinstance(around, TolerantStore):
            return self
        return ObservedStore(around.raising(kind), self._observer)

    def _run(self, operation: str, call: Callable[..., T], *args: Any) -> T:
        if not self._listens():
            unobserved: T = getattr(self._around, operation)(*args)
            return unobserved
        began = perf_counter()
        try:
            result = call(*args)
        except BaseException as error:
            if not self._failed(operation, args, error, began):
                raise
            neutral: T = NEUTRAL[operation]()
            return neutral
        self._tell(event_of_result(operation, args, result, perf_counter() - began))
        return result

    async def _arun(self, operation: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        if not self._listens():
            unobserved: T = await getattr(self._around, "a" + operation)(*args)
            return unobserved
        began = perf_counter()
        try:
            result = await call(*args)
        except BaseException as error:
            if not self._failed(operation, args, error, began):
                raise
            neutral: T = NEUTRAL[operation]()
            return neutral
        self._tell(event_of_result(operation, args, result, perf_counter() - began))
        return result

    def _failed(
        self, operation: str, args: tuple[Any, ...], error: BaseException, began: float
    ) -> bool:
        """Tell of a failure; return whether it is ignored."""
        seconds = perf_counter() - began
        ignored = self._ignores(operation, error)
        self._tell(event_of_error(operation, args, error, seconds, ignored=ignored))
        return ignored

    def _tell(self, event: CallEvent) -> None:
        try:
            self._observer(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call itself went well
            _warn_of(self._observer, error)


def observe(store: Store, observer: Observer | None) -> Store:
    """Return a store that tells an observer of its calls; without one, the store itself."""
    return store if observer is None else ObservedStore(store, observer)


def observer_of(given: Any) -> Observer | None:
    """Return the observer that an option names.

    :param given: a function or another object to be called, where to import it from, or ``None``.
    :raises ConfigError: if it is neither, or cannot be called as an observer is.
    """
    if given is None:
        return None
    found = imported("observer", given) if isinstance(given, str) else given
    if isclass(found):
        raise ConfigError(
            f"observer: {given!r} is a class, of which every call would make an object; "
            "name a function or one object"
        )
    if not callable(found):
        raise ConfigError(
            f"observer must be a function that takes an event, or where to import it from, "
            f"not {given!r}"
        )
    if iscoroutinefunction(found) or iscoroutinefunction(type(found).__call__):
        raise ConfigError(
            f"observer: {given!r} is a coroutine function; it must be a plain one, which is called "
            "in threads and on event loops alike"
        )
    if not _takes_an_event(found):
        raise ConfigError(f"observer: {given!r} must take one argument, the event")
    return found  # type: ignore[no-any-return]


def _takes_an_event(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # some that are written in C do not tell
        return True
    return True


def _always() -> bool:
    return True


def _never(operation: str, error: BaseException) -> bool:  # noqa: ARG001 - as a store's `ignores`
    return False


# ---------------------------------------------------------------- the log

_log_limit = LogLimit(INTERVAL)  # for all stores: Django makes one per thread and task


def _warn_of(observer: Observer, error: Exception) -> None:
    name = getattr(observer, "__qualname__", type(observer).__qualname__)
    more = _log_limit.ending(f"{type(error).__name__} of {name}")
    if more is None:
        return
    logger.warning("the observer %s failed; calls go on without it%s", name, more, exc_info=error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_log_limit.reset_after_fork)
