"""What the backend can do beyond Django's cache API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from kt_cache.cache import Cache
from kt_cache.cache.listing import ITERSIZE
from kt_cache.errors import EncodeError

__all__ = ["ExtraMethods", "not_found", "original"]


class ExtraMethods:
    """The further calls.

    Where django-redis has the same one, what may be given by position means the same there.
    """

    _cache: Cache

    def _seconds(self, timeout: Any) -> float | None:
        raise NotImplementedError

    def get_client(self, write: bool = True) -> Any:  # noqa: ARG002
        """Return a direct client of the same server and database, sharing the connections.

        :param write: as django-redis has it; the client is for reading and writing either way.
        """
        return self._cache.store.client

    # ------------------------------------------------------------ time

    def ttl(self, key: Any, version: int | None = None) -> int | None:
        """Return the seconds a value has left, 1 at least; ``None`` for ever, 0 if missing."""
        return self._cache.ttl(key, version)

    async def attl(self, key: Any, version: int | None = None) -> int | None:
        """See :meth:`ttl`."""
        return await self._cache.attl(key, version)

    def expire(self, key: Any, timeout: float | timedelta, version: int | None = None) -> bool:
        """Give a value so many seconds from now; return whether there is one."""
        return self._cache.touch(key, _number(timeout), version)

    async def aexpire(
        self, key: Any, timeout: float | timedelta, version: int | None = None
    ) -> bool:
        """See :meth:`expire`."""
        return await self._cache.atouch(key, _number(timeout), version)

    def expire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        """Let a value end at a moment, a ``datetime`` or a Unix time; whether there is one."""
        return self._cache.expire_at(key, when, version)

    async def aexpire_at(
        self, key: Any, when: datetime | float, version: int | None = None
    ) -> bool:
        """See :meth:`expire_at`."""
        return await self._cache.aexpire_at(key, when, version)

    def persist(self, key: Any, version: int | None = None) -> bool:
        """Let a value never end; return whether there is one."""
        return self._cache.persist(key, version)

    async def apersist(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`persist`."""
        return await self._cache.apersist(key, version)

    # ------------------------------------------------------------ values

    def pop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Remove a value atomically and return it, or ``default`` if there is none."""
        return self._cache.pop(key, default, version)

    async def apop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See :meth:`pop`."""
        return await self._cache.apop(key, default, version)

    def replace(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store a value only if there is one; return whether there was."""
        try:
            seconds = self._seconds(timeout)
            return self._cache.replace(key, value, seconds, version, tags=tags)
        except EncodeError as error:
            raise original(error) from None

    async def areplace(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`replace`."""
        try:
            return await self._cache.areplace(
                key, value, self._seconds(timeout), version, tags=tags
            )
        except EncodeError as error:
            raise original(error) from None

    def incr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Move a value to another version, its timeout kept; return the new version.

        :raises ValueError: if there is no value.
        """
        return _moved(key, self._cache.move_version(key, delta, version))

    async def aincr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """See :meth:`incr_version`."""
        return _moved(key, await self._cache.amove_version(key, delta, version))

    # ------------------------------------------------------------ keys

    def keys(self, search: str = "*", version: int | None = None) -> list[Any]:
        """Return the keys that have a value and that a glob pattern matches."""
        return self._cache.keys(search, version)

    async def akeys(self, search: str = "*", version: int | None = None) -> list[Any]:
        """See :meth:`keys`."""
        return await self._cache.akeys(search, version)

    def iter_keys(
        self, search: str = "*", itersize: int = ITERSIZE, *, version: int | None = None
    ) -> Iterator[Any]:
        """Yield the keys that have a value and that a glob pattern matches, part by part."""
        return self._cache.iter_keys(search, version=version, itersize=itersize)

    async def aiter_keys(
        self, search: str = "*", itersize: int = ITERSIZE, *, version: int | None = None
    ) -> AsyncIterator[Any]:
        """See :meth:`iter_keys`."""
        async for key in self._cache.aiter_keys(search, version=version, itersize=itersize):
            yield key

    def delete_pattern(
        self, pattern: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """Remove the values whose keys a glob pattern matches; return how many there were."""
        return self._cache.delete_pattern(pattern, version, itersize=itersize)

    async def adelete_pattern(
        self, pattern: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """See :meth:`delete_pattern`."""
        return await self._cache.adelete_pattern(pattern, version, itersize=itersize)

    def delete_prefix(
        self, prefix: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """Remove the values whose keys begin with a text; return how many there were."""
        return self._cache.delete_prefix(prefix, version, itersize=itersize)

    async def adelete_prefix(
        self, prefix: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """See :meth:`delete_prefix`."""
        return await self._cache.adelete_prefix(prefix, version, itersize=itersize)


def original(error: EncodeError) -> BaseException:
    """Return what Django's own backends raise for a value that cannot be stored."""
    return error.__cause__ or error


def not_found(key: Any) -> ValueError:
    """Return what Django's own backends raise for a key that must have a value and has none."""
    return ValueError(f"Key '{key}' not found")


def _moved(key: Any, version: int | None) -> int:
    if version is None:
        raise not_found(key)
    return version


def _number(timeout: float | timedelta) -> float:
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
