"""The calls beyond cachelib's: more about times, values and keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from kt_cache.cache.listing import ITERSIZE
from kt_cache.flask.methods import MethodsBase
from kt_cache.flask.terms import Timeout, check_timeout, one_key, refusals

__all__ = ["ExtraMethods"]


class ExtraMethods(MethodsBase):
    """The further calls; names and answers are those of the Django backend."""

    # ------------------------------------------------------------ time

    def ttl(self, key: str) -> int | None:
        """Return the seconds a value has left, 1 at least; ``None`` for ever, 0 if missing."""
        return self.cache.ttl(one_key(key))

    def expire(self, key: str, timeout: float | timedelta) -> bool:
        """Give a value so many seconds from now; return whether there is one.

        :param timeout: here 0 means gone at once, as in Redis; for ever is :meth:`persist`.
        """
        check_timeout(timeout)
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        return self.cache.touch(one_key(key), seconds)

    def expire_at(self, key: str, when: datetime | float) -> bool:
        """Let a value end at a moment; return whether there is one.

        :param when: a ``datetime``, taken as local time if it names no zone, or a Unix time. One in
            the past removes the value.
        """
        return self.cache.expire_at(one_key(key), when)

    def persist(self, key: str) -> bool:
        """Let a value never end; return whether there is one."""
        return self.cache.persist(one_key(key))

    # ------------------------------------------------------------ values

    def pop(self, key: str, default: Any = None) -> Any:
        """Remove a value atomically and return it, or ``default`` if there is none."""
        return self.cache.pop(one_key(key), default)

    def replace(
        self, key: str, value: Any, timeout: Timeout = None, *, tags: Iterable[str] | None = None
    ) -> bool:
        """Store a value only if there is one; return whether there was.

        :param tags: of the new value.
        :raises pickle.PickleError: if the value cannot be stored; the earlier one stays.
        """
        with refusals:
            return self.cache.replace(one_key(key), value, self._seconds(timeout), tags=tags)

    # ------------------------------------------------------------ keys

    def keys(self, pattern: str = "*") -> list[Any]:
        """Return the keys that have a value and that a glob pattern matches, in any order."""
        return self.cache.keys(pattern)

    def iter_keys(self, pattern: str = "*", *, itersize: int = ITERSIZE) -> Iterator[Any]:
        """Return an iterator over the keys that :meth:`keys` lists, which lists part by part.

        :param itersize: keys per request, if the server can list a part of its keys.
        """
        return self.cache.iter_keys(pattern, itersize=itersize)

    def delete_pattern(self, pattern: str, *, itersize: int = ITERSIZE) -> int:
        """Remove the values whose keys a glob pattern matches; return how many there were."""
        return self.cache.delete_pattern(pattern, itersize=itersize)

    def delete_prefix(self, prefix: str, *, itersize: int = ITERSIZE) -> int:
        """Remove the values whose keys begin with a text; return how many there were."""
        return self.cache.delete_prefix(prefix, itersize=itersize)
