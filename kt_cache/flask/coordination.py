"""The calls for processes that work on the same things: turns, locks, tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kt_cache.cache import Lock
from kt_cache.flask.methods import MethodsBase
from kt_cache.flask.terms import Timeout, one_key, refusals

__all__ = ["CoordinationMethods"]


class CoordinationMethods(MethodsBase):
    """The calls that agree with other processes."""

    def get_or_set(
        self,
        key: str,
        default: Any,
        timeout: Timeout = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """Return a value; if there is none, make it, store it and return it.

        Without further options everybody who misses the value makes it. With ``lock``, ``stale`` or
        ``beta`` one caller at a time does, in all processes, and the others wait for it; see
        :meth:`kt_cache.cache.Cache.get_or_set`.

        :param default: the value, or a function that makes it.
        :param lock: seconds that the one who makes it has; ``True`` for 30.
        :param stale: seconds for which the value is kept beyond its timeout: meanwhile one makes
            it anew and the others get the old one at once.
        :param beta: also make it anew before its timeout, by chance; 1.0 is a good value.
        :param tags: of the value.
        :raises ConfigError: if an option is not understood, or for a coroutine function.
        :raises pickle.PickleError: if the value cannot be stored.
        """
        seconds = self._seconds(timeout)
        with refusals:
            return self.cache.get_or_set(
                one_key(key), default, seconds, lock=lock, stale=stale, beta=beta, tags=tags
            )

    async def aget_or_set(
        self,
        key: str,
        default: Any,
        timeout: Timeout = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """See :meth:`get_or_set`; for async views, where the function may be a coroutine function.

        While that runs, or somebody else's value is waited for, other tasks of the view go on. The
        server is asked on the connections that threads share, and waited for in the view's own
        thread.
        """
        seconds = self._seconds(timeout)
        with refusals:
            return await self.blocking_cache.aget_or_set(
                one_key(key), default, seconds, lock=lock, stale=stale, beta=beta, tags=tags
            )

    def lock(
        self,
        name: str,
        *,
        timeout: float,
        blocking: bool = True,
        blocking_timeout: float | None = None,
        sleep: float = 0.1,
    ) -> Lock:
        """Return a lock that all processes share; see :class:`kt_cache.cache.Lock`.

        It can be used with ``with``, and in async views also with ``async with``.

        :param timeout: seconds after which it ends by itself.
        """
        return self.blocking_cache.lock(
            name,
            timeout,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            sleep=sleep,
        )

    def delete_tag(self, tag: str) -> None:
        """Delete all values that have a tag, in one round trip."""
        self.cache.delete_tag(tag)

    def delete_tags(self, tags: Iterable[str]) -> None:
        """Delete all values that have one of these tags, in one round trip."""
        self.cache.delete_tags(tags)
