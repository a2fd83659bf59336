"""A store whose failures are ignored, or known beforehand, as the options say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, TypeVar

from kt_cache.cache.failure_policy import FailurePolicy
from kt_cache.cache.guard import Guard, get_guard, no_answer
from kt_cache.cache.store import Store
from kt_cache.cache.wrapper import StoreWrapper

__all__ = ["NEUTRAL", "NEVER_IGNORED", "TolerantStore", "apply_policy", "strict"]

T = TypeVar("T")

NEUTRAL: Mapping[str, Callable[[], Any]] = {
    "get": NoneType,
    "get_many": dict,
    "get_with_ttl": NoneType,
    "get_many_with_ttl": dict,
    "set": bool,
    "set_many": bool,
    "touch": bool,
    "pop": NoneType,
    "remove": NoneType,
    "remove_many": NoneType,
    "keys": list,
    "page": lambda: ([], None),
}
"""Method of a store -> what makes the value it gives when its failure is ignored.

A miss, nothing stored, nothing removed. The coroutine method of a name gives the same. That of the
removals is none that an engine gives, so that setting a value that is over can tell.
"""

NEVER_IGNORED = frozenset({"add", "replace", "swap", "get_record", "swap_record", "incr", "flush"})
"""Methods of a store whose failure always raises.

Their callers go by the answer: a lock is held, a visitor was counted, the data is gone. No value
but the true one is harmless.
"""


class TolerantStore(StoreWrapper):
    """Passes calls on to another store, or not, if that has failed too often just now.

    :param store: the other one.
    :param guard: judges failures; shared by all stores of the same configuration.
    :param ignore: whether a method in :data:`NEUTRAL` gives the neutral value when the server did
        not answer (:func:`~kt_cache.cache.guard.no_answer`). All other errors are raised in any
        case.
    """

    def __init__(self, store: Store, guard: Guard, *, ignore: bool) -> None:
        super().__init__(store)
        self._guard = guard
        self._breaker = guard.breaker
        self._neutral = NEUTRAL if ignore else {}
        self._raised: tuple[type[Exception], ...] = ()
        self.strict = TolerantStore(store, guard, ignore=False) if ignore else self

    def raising(self, kind: type[Exception]) -> Store:
        """Return the same store, with no error of a kind ignored."""
        if not self._neutral:
            return self
        store = TolerantStore(self._store, self._guard, ignore=True)
        store._raised = (kind,)
        return store

    def _run(self, operation: str, call: Callable[..., T], *args: Any) -> T:
        breaker = self._breaker
        ticket = breaker.ticket
        try:
            if breaker.failures:
                ticket = breaker.admit()
            result = call(*args)
        except BaseException as error:
            self._guard.ended(operation, ticket, error)
            if not self.ignores(operation, error):
                raise
            neutral: T = self._neutral[operation]()
            return neutral
        if breaker.failures:
            self._guard.answered()
        return result

    async def _arun(self, operation: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        breaker = self._breaker
        ticket = breaker.ticket
        try:
            if breaker.failures:
                ticket = breaker.admit()
            result = await call(*args)
        except BaseException as error:
            self._guard.ended(operation, ticket, error)
            if not self.ignores(operation, error):
                raise
            neutral: T = self._neutral[operation]()
            return neutral
        if breaker.failures:
            self._guard.answered()
        return result

    def ignores(self, operation: str, error: BaseException) -> bool:
        """Tell whether a call that ended with an error gives its neutral value; log it if so.

        :param operation: name of the store's method.
        """
        if operation not in self._neutral or not no_answer(error):
            return False
        if isinstance(error, self._raised):
            return False
        self._guard.ignored(operation, error)
        return True


def apply_policy(store: Store, policy: FailurePolicy) -> Store:
    """Return a store that does as the policy says; with the usual one, the store itself."""
    if not policy.ignore_errors and not policy.threshold:
        return store
    guard = get_guard(store.config, policy.threshold, policy.reset)
    return TolerantStore(store, guard, ignore=policy.ignore_errors)


def strict(store: Store) -> Store:
    """Return the same store, with no error ignored: for those who must know, such as sessions."""
    return store.strict if isinstance(store, StoreWrapper) else store
