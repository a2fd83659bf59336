"""What the backend offers to processes that work on the same things: turns, locks, tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from kt_cache.cache import Cache, Lock
from kt_cache.django.extras import original
from kt_cache.errors import EncodeError

__all__ = ["CoordinationMethods"]


class CoordinationMethods:
    """The calls beyond Django's, and its ``get_or_set`` with options."""

    _cache: Cache

    def _seconds(self, timeout: Any) -> float | None:
        raise NotImplementedError

    def get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """Return a value; if there is none, make it, store it and return it.

        Without further options as in Django. With ``lock``, ``stale`` or ``beta`` one caller at a
        time makes the value, in all processes, and the others wait for it; see
        :meth:`kt_cache.cache.Cache.get_or_set`.

        :param default: the value, or a function that makes it.
        :param lock: seconds that the one who makes it has; ``True`` for 30.
        :param stale: seconds for which the value is kept beyond its timeout: meanwhile one makes
            it anew and the others get the old one at once.
        :param beta: also make it anew before its timeout, by chance; 1.0 is a good value.
        :param tags: of the value.
        """
        try:
            return self._cache.get_or_set(
                key,
                default,
                self._seconds(timeout),
                version,
                lock=lock,
                stale=stale,
                beta=beta,
                tags=tags,
            )
        except EncodeError as error:
            raise original(error) from None

    async def aget_or_set(
        self,
        key: Any,
        default: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """See :meth:`get_or_set`; the function may be a coroutine function."""
        try:
            return await self._cache.aget_or_set(
                key,
                default,
                self._seconds(timeout),
                version,
                lock=lock,
                stale=stale,
                beta=beta,
                tags=tags,
            )
        except EncodeError as error:
            raise original(error) from None

    def lock(
        self,
        key: str,
        *,
        timeout: float,
        version: int | None = None,
        blocking: bool = True,
        blocking_timeout: float | None = None,
        sleep: float = 0.1,
    ) -> Lock:
        """Return a lock that all processes share; see :class:`kt_cache.cache.Lock`.

        All but its name is given by keyword: what comes second is the version in django-redis.

        :param timeout: seconds after which it ends by itself.
        """
        return self._cache.lock(
            key,
            timeout,
            version=version,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            sleep=sleep,
        )

    def delete_tag(self, tag: str, version: int | None = None) -> None:
        """Delete all values that have a tag, in one round trip."""
        self._cache.delete_tag(tag, version)

    async def adelete_tag(self, tag: str, version: int | None = None) -> None:
        """See :meth:`delete_tag`."""
        await self._cache.adelete_tag(tag, version)

    def delete_tags(self, tags: Iterable[str], version: int | None = None) -> None:
        """Delete all values that have one of these tags, in one round trip."""
        self._cache.delete_tags(tags, version)

    async def adelete_tags(self, tags: Iterable[str], version: int | None = None) -> None:
        """See :meth:`delete_tags`."""
        await self._cache.adelete_tags(tags, version)
