"""The backend for Django's ``CACHES`` setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.core.cache.backends.base import (
    DEFAULT_TIMEOUT,
    MEMCACHE_MAX_KEY_LENGTH,
    BaseCache,
)
from django.core.exceptions import ImproperlyConfigured

from kt_cache.cache import Cache, Codec, KeyFunction, Store, pop_codec
from kt_cache.django.coordination import CoordinationMethods
from kt_cache.django.extras import ExtraMethods, not_found, original
from kt_cache.django.options import (
    checked_options,
    key_function,
    reverse_key_function,
    store_at,
)
from kt_cache.errors import ConfigError, DecodeError, EncodeError

__all__ = ["KyotoTycoonCache"]

_not_portable = re.compile(r"[\x00-\x20\x7f]").search


class KyotoTycoonCache(CoordinationMethods, ExtraMethods, BaseCache):
    """Django's cache API, to the letter, on a Kyoto Tycoon server.

    The object is a thin handle: connections belong to a pool of the process that all threads and
    aliases with the same location and options share, and ``close()`` leaves it alone. The methods
    whose names begin with an ``a`` use connections of the running event loop, and no thread.

    :param location: LOCATION of the setting: ``host:port`` or ``kt://host:port/db``.
    :param params: the setting's other entries. OPTIONS takes those for values such as
        ``serializer`` (default pickle), the fields of :class:`~kt_cache.transport.PoolConfig`
        such as ``read_timeout``, those of :class:`~kt_cache.cache.FailurePolicy` such as
        ``ignore_errors``, and an ``observer``; or a ``client``, an object or where to import it
        from, instead of the location and ``PoolConfig``'s fields.
    :raises ImproperlyConfigured: if one of them is not understood.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        try:
            options = checked_options(params)
            super().__init__(params)
            codec = pop_codec(options)
            self._cache = Cache(
                store_at(location, options),
                codec,
                prefix=self.key_prefix,
                version=self.version,
                key_function=self._key_maker(),
                reverse_key=reverse_key_function(params.get("REVERSE_KEY_FUNCTION")),
                check_key=self._key_check(),
                check_keys=self._keys_check(),
            )
        except ConfigError as error:
            raise ImproperlyConfigured(f"CACHES: {error}") from error

    @property
    def store(self) -> Store:
        """The storage engine, for parts of kt_cache that share this cache's connections."""
        return self._cache.store

    @property
    def codec(self) -> Codec:
        """How values are stored, for parts of kt_cache that store others in the same way."""
        return self._cache.codec

    @property
    def client(self) -> Any:
        """A direct client of the same server and database, sharing the connections.

        It sees stored keys and bytes: use :meth:`make_key` and ``get_bytes``.
        """
        return self._cache.store.client

    @property
    def key_func(self) -> KeyFunction:
        """The KEY_FUNCTION in use; can be replaced, as on Django's own backends."""
        return self._key_func

    @key_func.setter
    def key_func(self, function: KeyFunction) -> None:
        self._key_func = function
        if hasattr(self, "_cache"):
            self._cache.key_function = self._key_maker()

    @property
    def key_prefix(self) -> str:
        """The KEY_PREFIX in use; can be replaced."""
        return self._key_prefix

    @key_prefix.setter
    def key_prefix(self, prefix: str) -> None:
        self._key_prefix = prefix
        if hasattr(self, "_cache"):
            self._cache.prefix = prefix

    @property
    def version(self) -> int:
        """The VERSION in use; can be replaced."""
        return self._version

    @version.setter
    def version(self, version: int) -> None:
        self._version = version
        if hasattr(self, "_cache"):
            self._cache.version = version

    def _key_maker(self) -> KeyFunction:
        """Return what makes stored keys: a subclass may have a ``make_key`` of its own."""
        if type(self).make_key is BaseCache.make_key:
            return key_function(self.key_func)
        return lambda key, _prefix, version: self.make_key(key, version=version)

    def _key_check(self) -> Callable[[str], None]:
        """Return what warns of keys that would fail on memcached, as Django's contract asks."""
        if type(self).validate_key is not BaseCache.validate_key:
            return self.validate_key

        def check(key: str) -> None:
            # Django's own test looks at every character in Python; few keys need that.
            if len(key) > MEMCACHE_MAX_KEY_LENGTH or _not_portable(key):
                self.validate_key(key)

        return check

    def _keys_check(self) -> Callable[[Sequence[str]], None] | None:
        """Return what does so for many keys: it looks at each only if one of them needs that."""
        check = self._key_check()
        if check == self.validate_key:
            return None

        def check_all(keys: Sequence[str]) -> None:
            if keys and (
                max(map(len, keys)) > MEMCACHE_MAX_KEY_LENGTH or _not_portable("".join(keys))
            ):
                for key in keys:
                    check(key)

        return check_all

    def _seconds(self, timeout: Any) -> float | None:
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout

    # ------------------------------------------------------------ reading

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value, or ``default`` if there is none."""
        return self._cache.get(key, default, version)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See :meth:`get`."""
        return await self._cache.aget(key, default, version)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return key -> value of those found, in one round trip."""
        return self._cache.get_many(keys, version)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """See :meth:`get_many`."""
        return await self._cache.aget_many(keys, version)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Tell whether there is a value."""
        return self._cache.has(key, version)

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`has_key`."""
        return await self._cache.ahas(key, version)

    # ------------------------------------------------------------ writing

    def set(  # type: ignore[override]  # with nx or xx there is something to return
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
        nx: bool = False,
        xx: bool = False,
    ) -> bool | None:
        """Store a value; ``timeout`` is seconds, ``None`` for ever, gone at once from 0 down.

        :param nx: only if there is none, as :meth:`add`.
        :param xx: only if there is one, as :meth:`replace`.
        :param tags: names by any of which :meth:`delete_tag` deletes it.
        :return: with either of them, whether it was stored.
        :raises ValueError: if both are asked for.
        """
        if nx or xx:
            method = self.replace if _only_present(nx, xx) else self.add
            return method(key, value, timeout, version, tags=tags)
        try:
            self._cache.set(key, value, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None
        return None

    async def aset(  # type: ignore[override]
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
        nx: bool = False,
        xx: bool = False,
    ) -> bool | None:
        """See :meth:`set`."""
        if nx or xx:
            method = self.areplace if _only_present(nx, xx) else self.aadd
            return await method(key, value, timeout, version, tags=tags)
        try:
            await self._cache.aset(key, value, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None
        return None

    def set_many(
        self,
        data: Mapping[Any, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> list[Any]:
        """Store many values in one round trip; return the keys that failed.

        That is none, or all if errors are ignored.
        """
        try:
            stored = self._cache.set_many(data, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None
        return [] if stored else list(data)

    async def aset_many(
        self,
        data: Mapping[Any, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> list[Any]:
        """See :meth:`set_many`."""
        try:
            stored = await self._cache.aset_many(data, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None
        return [] if stored else list(data)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store a value atomically unless there is one; return whether it was stored."""
        try:
            return self._cache.add(key, value, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None

    async def aadd(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`add`."""
        try:
            return await self._cache.aadd(key, value, self._seconds(timeout), version, tags=tags)
        except EncodeError as error:
            raise original(error) from None

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Give a value a new timeout; return whether there is one."""
        return self._cache.touch(key, self._seconds(timeout), version)

    async def atouch(
        self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """See :meth:`touch`."""
        return await self._cache.atouch(key, self._seconds(timeout), version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a stored ``int`` atomically, keep its timeout, return the new number.

        :raises ValueError: if there is no value.
        :raises TypeError: if it, or ``delta``, is not an ``int``.
        """
        try:
            return _found(key, self._cache.incr(key, delta, version))
        except DecodeError as error:
            raise _not_a_number(key) from error

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """See :meth:`incr`."""
        try:
            return _found(key, await self._cache.aincr(key, delta, version))
        except DecodeError as error:
            raise _not_a_number(key) from error

    # ------------------------------------------------------------ removing

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Remove a value; return whether there was one."""
        return self._cache.delete(key, version)

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`delete`."""
        return await self._cache.adelete(key, version)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Remove many values, in one round trip."""
        self._cache.delete_many(keys, version)

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """See :meth:`delete_many`."""
        await self._cache.adelete_many(keys, version)

    def clear(self) -> None:
        """Remove the values under this cache's ``KEY_PREFIX:``, all versions of them.

        With a custom KEY_FUNCTION, which may put keys anywhere, every record of the database.
        Sessions stay in either case.
        """
        self._cache.clear()

    def flush(self) -> None:
        """Remove every record of the database, other prefixes' and sessions included."""
        self._cache.flush()

    async def aclear(self) -> None:
        """See :meth:`clear`."""
        await self._cache.aclear()

    async def aflush(self) -> None:
        """See :meth:`flush`."""
        await self._cache.aflush()

    async def aclose(self, **kwargs: Any) -> None:
        """Do nothing, at once: connections outlive requests."""


def _only_present(nx: bool, xx: bool) -> bool:
    if nx and xx:
        raise ValueError("nx and xx exclude each other: a value is there or not")
    return xx


def _found(key: Any, number: int | None) -> int:
    if number is None:
        raise not_found(key)
    return number


def _not_a_number(key: Any) -> TypeError:
    return TypeError(f"the value of '{key}' is not an integer")
