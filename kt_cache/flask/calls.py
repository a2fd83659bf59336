"""One call of a decorated function: its result from the cache, or made and stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from kt_cache.cache.call_keys import name_of
from kt_cache.cache.log_limit import warn
from kt_cache.cache.making import Failed, KeptIfPossible, Unkept
from kt_cache.errors import ConfigError, EncodeError
from kt_cache.flask.conditions import Condition, check_plain

if TYPE_CHECKING:
    from kt_cache.flask.backend import KyotoTycoonCache

__all__ = ["Call", "Options", "Tags"]

T = TypeVar("T")

Tags: TypeAlias = "Iterable[str] | Callable[..., Iterable[str]] | None"
"""Tags of a result, or a function that takes the call's arguments and returns them."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What both decorators take.

    :param unless: whether a call passes the cache by.
    :param forced_update: whether a call makes its result anew.
    :param response_filter: takes a result; whether it is stored.
    :param lock: as of :meth:`kt_cache.cache.Cache.get_or_set`, like the next two.
    """

    unless: Condition
    forced_update: Condition
    response_filter: Callable[[Any], Any] | None
    lock: float | bool | None
    stale: float | None
    beta: float | None
    tags: Tags

    def __post_init__(self) -> None:
        check_plain("response_filter", self.response_filter)
        if self.tags is not None and not callable(self.tags):
            # An iterator is good for one call.
            object.__setattr__(self, "tags", _tags_in(self.tags))

    def tags_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """Return the tags of a call's result.

        :raises ConfigError: if the site's function returns text.
        """
        if self.tags is None:
            return ()
        return _tags_in(self.tags(*args, **kwargs) if callable(self.tags) else self.tags)


def _tags_in(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ConfigError(f"tags must be a list of names, such as [{names!r}]")
    return tuple(names)


class Call:
    """One call.

    :param function: the one that was decorated.
    :param backend: of the current app.
    :param key: of the result.
    :param seconds: how long the result is kept; ``None`` for ever.
    :param tags: of the result.
    """

    __slots__ = ("args", "backend", "function", "key", "kwargs", "options", "seconds", "tags")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        options: Options,
        backend: KyotoTycoonCache,
        key: str,
        seconds: float | None,
        tags: tuple[str, ...],
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.options = options
        self.backend = backend
        self.key = key
        self.seconds = seconds
        self.tags = tags

    def result(self) -> Any:
        """Return what is stored, or else make and store it."""
        cache = self.backend.cache
        try:
            return self._asking(cache.get_or_set, cache.renew, self._guarded_make)
        except Failed as failed:
            raise failed.cause from failed.cause.__cause__

    async def aresult(self) -> Any:
        """Do so on an event loop, with a coroutine function."""
        cache = self.backend.blocking_cache
        try:
            return await self._asking(cache.aget_or_set, cache.arenew, self._guarded_amake)
        except Failed as failed:
            raise failed.cause from failed.cause.__cause__

    def _asking(
        self, get_or_set: Callable[..., T], renew: Callable[..., T], make: Callable[[], Any]
    ) -> T:
        options = self.options
        how: dict[str, Any] = {"stale": options.stale, "beta": options.beta, "tags": self.tags}
        if self._is_forced():
            return renew(self.key, make, self.seconds, **how)
        return get_or_set(self.key, make, self.seconds, lock=options.lock, **how)

    def _is_forced(self) -> bool:
        return self.options.forced_update.holds(*self.args, **self.kwargs)

    # Requests that wait hold up a worker each. So where the function fails they are let go at once.

    def _guarded_make(self) -> Any:
        try:
            return self._make()
        except ConfigError:
            raise
        except Exception as error:
            raise Failed(error) from error

    async def _guarded_amake(self) -> Any:
        try:
            return await self._amake()
        except ConfigError:
            raise
        except Exception as error:
            raise Failed(error) from error

    def _make(self) -> Any:
        return self._judged(self.function(*self.args, **self.kwargs))

    async def _amake(self) -> Any:
        return self._judged(await self.function(*self.args, **self.kwargs))

    def _judged(self, result: Any) -> Any:
        """Return a result as it is to be stored, or that it is not."""
        return self._as_kept(result) if self._passes_filter(result) else Unkept(result)

    def _passes_filter(self, result: Any) -> bool:
        keeps = self.options.response_filter
        return keeps is None or bool(keeps(result))

    def _as_kept(self, form: Any) -> KeptIfPossible:
        """Return a result's stored form as one without which callers can do."""
        return KeptIfPossible(form, self._warn_of_refusal)

    def _warn_of_refusal(self, error: EncodeError) -> None:
        function = self.function
        text = "what %s returned is not cached, for it cannot be stored: %s"
        warn(f"refusal {id(function)}", text, name_of(function), error.message)
