"""cachelib's calls, which the backend and the extension have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kt_cache.cache import Cache
from kt_cache.errors import DecodeError
from kt_cache.flask.terms import Timeout, one_key, refusals

__all__ = ["CacheMethods", "MethodsBase"]


class MethodsBase:
    """What all calls stand on."""

    @property
    def cache(self) -> Cache:
        """The cache that this is a face of, free of Flask; it takes other timeouts."""
        raise NotImplementedError

    @property
    def blocking_cache(self) -> Cache:
        """The same for async views: its a-methods use the connections that threads share."""
        raise NotImplementedError

    def _seconds(self, timeout: Timeout) -> float | None:
        """Return the timeout as the cache takes it, where ``None`` is for ever."""
        raise NotImplementedError


class CacheMethods(MethodsBase):
    """The calls of cachelib, with a little more where that is no contradiction.

    A timeout is a number of seconds or a ``timedelta``; ``None`` is the default timeout, 0 is for
    ever, below 0 is gone at once.
    """

    # ------------------------------------------------------------ reading

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or ``default`` if there is none."""
        return self.cache.get(one_key(key), default)

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, ``None`` for missing ones."""
        found = self.cache.get_many(map(one_key, keys))
        return [found.get(key) for key in keys]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """Return key -> value, ``None`` for missing ones."""
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def has(self, key: str) -> bool:
        """Tell whether there is a value."""
        return self.cache.has(one_key(key))

    # ------------------------------------------------------------ writing

    def set(
        self, key: str, value: Any, timeout: Timeout = None, *, tags: Iterable[str] | None = None
    ) -> bool:
        """Store a value.

        :param tags: names by any of which ``delete_tag`` deletes it.
        :return: whether it was stored, which is ``False`` for an ignored error only.
        :raises pickle.PickleError: if the value cannot be stored; the earlier one stays.
        """
        with refusals:
            return self.cache.set(one_key(key), value, self._seconds(timeout), tags=tags)

    def set_many(
        self,
        mapping: dict[str, Any],
        timeout: Timeout = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> list[Any]:
        """Store many values in one round trip.

        :param tags: of each of them; see :meth:`set`.
        :return: the keys of those stored: all of them, or none if an error was ignored.
        :raises pickle.PickleError: if one of the values cannot be stored; none is then.
        """
        with refusals:
            stored = self.cache.set_many(mapping, self._seconds(timeout), tags=tags)
        return list(mapping) if stored else []

    def add(
        self, key: str, value: Any, timeout: Timeout = None, *, tags: Iterable[str] | None = None
    ) -> bool:
        """Store a value atomically unless there is one.

        :param tags: of the value; see :meth:`set`.
        :return: whether it was stored.
        :raises pickle.PickleError: if the value cannot be stored.
        """
        with refusals:
            return self.cache.add(one_key(key), value, self._seconds(timeout), tags=tags)

    def touch(self, key: str, timeout: Timeout = None) -> bool:
        """Give a value a new timeout; return whether there is one."""
        return self.cache.touch(one_key(key), self._seconds(timeout))

    # ------------------------------------------------------------ removing

    def delete(self, key: str) -> bool:
        """Remove a value; return whether there was one."""
        return self.cache.delete(one_key(key))

    def delete_many(self, *keys: str) -> list[Any]:
        """Remove many values in one round trip; return the keys, which are all gone now."""
        self.cache.delete_many(map(one_key, keys))
        return list(keys)

    def clear(self) -> bool:
        """Remove the values under the prefix; return ``True``."""
        self.cache.clear()
        return True

    # ------------------------------------------------------------ counting

    def incr(self, key: str, delta: int = 1, timeout: Timeout = None) -> int:
        """Add to a stored ``int`` atomically, from 0 if there is none; return the new number.

        :param timeout: of a number that was missing; that of an existing one stays.
        :raises TypeError: if the value is not an ``int``, or ``delta`` is not.
        """
        try:
            return self.cache.count(one_key(key), delta, self._seconds(timeout))
        except DecodeError as error:
            raise TypeError(f"the value of {key!r} is not an integer") from error

    def decr(self, key: str, delta: int = 1, timeout: Timeout = None) -> int:
        """Subtract from a stored ``int``; see :meth:`incr`."""
        return self.incr(key, -delta, timeout)

    def inc(self, key: str, delta: int = 1) -> int:
        """Count as :meth:`incr` does; cachelib's name for it."""
        return self.incr(key, delta)

    def dec(self, key: str, delta: int = 1) -> int:
        """Count as :meth:`decr` does; cachelib's name for it."""
        return self.incr(key, -delta)

    # ------------------------------------------------------------ the server

    @property
    def client(self) -> Any:
        """A direct client of the same server and database; it sees stored keys and bytes."""
        return self.cache.store.client

    def make_key(self, key: str) -> bytes:
        """Return the key under which a value is stored, for :attr:`client`."""
        return self.cache.make_key(one_key(key))
