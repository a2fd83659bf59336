"""A cachelib backend, which Flask-Caching and Flask-Session can stand on."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from kt_cache.cache import (
    CODEC_OPTIONS,
    STORE_OPTIONS,
    BlockingStore,
    Cache,
    check_options,
    open_store,
    pop_codec,
)
from kt_cache.errors import ConfigError, DecodeError, EncodeError

if TYPE_CHECKING:
    from cachelib import BaseCache
    from flask import Flask
    from typing_extensions import Self
else:
    try:
        # Flask-Caching calls the factory of its own base class only, itself a cachelib one.
        from flask_caching.backends.base import BaseCache
    except ImportError:
        from cachelib import BaseCache

__all__ = ["BACKEND_OPTIONS", "DEFAULT_PREFIX", "KyotoTycoonCache", "PicklingError", "Timeout"]

Timeout: TypeAlias = "int | float | timedelta | None"

DEFAULT_PREFIX = "flask"

BACKEND_OPTIONS = STORE_OPTIONS | CODEC_OPTIONS


class PicklingError(EncodeError, pickle.PicklingError):
    """A value that cannot be stored; cachelib's contract names pickle's error for that."""


class KyotoTycoonCache(BaseCache):
    """cachelib's cache API on a Kyoto Tycoon server.

    A timeout is a number of seconds or a ``timedelta``; ``None`` is the default timeout, 0 is for
    ever, below 0 is gone at once. Values are pickled unless another serializer is chosen.

    :param url: where the server is, such as ``kt://127.0.0.1:1978/0`` or ``host:port``.
    :param default_timeout: where a call names none.
    :param key_prefix: of every key, with a colon behind it; ``clear()`` removes the keys under it.
    :param ignore_delete_many_errors: accepted for cachelib's sake; a failing server always raises.
    :param options: those for values such as ``serializer``, and the fields of
        :class:`~kt_cache.transport.PoolConfig` and :class:`~kt_cache.cache.FailurePolicy`, and an
        ``observer``.
    :raises ConfigError: if an argument is not understood.
    """

    def __init__(
        self,
        url: str,
        default_timeout: int | timedelta = 300,
        key_prefix: str = DEFAULT_PREFIX,
        *,
        ignore_delete_many_errors: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(default_timeout=_whole_seconds(default_timeout))
        self.ignore_delete_many_errors = ignore_delete_many_errors
        if not isinstance(key_prefix, str):
            raise ConfigError(f"key_prefix must be text, not {key_prefix!r}")
        check_options(options, BACKEND_OPTIONS)
        codec = pop_codec(options)
        store = open_store(url, options)
        self.cache = Cache(store, codec, prefix=key_prefix)
        # Flask runs each async view in a thread and on an event loop of its own.
        self.blocking_cache = Cache(BlockingStore(store), codec, prefix=key_prefix)

    @classmethod
    def factory(
        cls,
        app: Flask,  # noqa: ARG003 - Flask-Caching calls it with four arguments
        config: Mapping[str, Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> Self:
        """Make the backend for Flask-Caching: ``CACHE_TYPE = "kt_cache.flask.KyotoTycoonCache"``.

        The URL is ``CACHE_KT_URL`` or the one of ``CACHE_ARGS``; ``CACHE_KEY_PREFIX``,
        ``CACHE_DEFAULT_TIMEOUT`` and ``CACHE_OPTIONS`` are the rest.
        """
        urls = [*args]
        if config.get("CACHE_KT_URL"):
            urls.append(config["CACHE_KT_URL"])
        if len(urls) != 1:
            raise ConfigError(
                "set CACHE_KT_URL to the server, such as 'kt://127.0.0.1:1978'; CACHE_ARGS may "
                "hold the URL instead, and nothing else"
            )
        if config.get("CACHE_SERIALIZER") is not None:
            raise ConfigError(
                "CACHE_SERIALIZER is for other backends; name one of kt_cache's in CACHE_OPTIONS, "
                "such as {'serializer': 'json'}"
            )
        if kwargs.get("key_prefix") is None and config.get("CACHE_KEY_PREFIX") is not None:
            kwargs = {**kwargs, "key_prefix": config["CACHE_KEY_PREFIX"]}
        return cls(urls[0], **kwargs)

    @property
    def client(self) -> Any:
        """A direct client of the same server and database; it sees stored keys and bytes."""
        return self.cache.store.client

    def make_key(self, key: str) -> bytes:
        """Return the key under which a value is stored, for :attr:`client`."""
        return self.cache.make_key(key)

    def get(self, key: str) -> Any:
        """Return a value, or ``None`` if there is none."""
        return self.cache.get(key)

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, ``None`` for missing ones."""
        found = self.cache.get_many(keys)
        return [found.get(key) for key in keys]

    def has(self, key: str) -> bool:
        """Tell whether there is a value."""
        return self.cache.has(key)

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value; return whether it was, which is ``False`` for an ignored error only.

        :raises pickle.PickleError: if the value cannot be stored; the earlier one stays.
        """
        try:
            return self.cache.set(key, value, self._seconds(timeout))
        except EncodeError as error:
            raise PicklingError(error.message, key=error.key) from error

    def set_many(self, mapping: dict[str, Any], timeout: Timeout = None) -> list[Any]:
        """Store many values in one round trip; return the keys of those stored, which is all."""
        try:
            stored = self.cache.set_many(mapping, self._seconds(timeout))
        except EncodeError as error:
            raise PicklingError(error.message, key=error.key) from error
        return list(mapping) if stored else []

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value atomically unless there is one; return whether it was stored."""
        try:
            return self.cache.add(key, value, self._seconds(timeout))
        except EncodeError as error:
            raise PicklingError(error.message, key=error.key) from error

    def touch(self, key: str, timeout: Timeout = None) -> bool:
        """Give a value a new timeout; return whether there is one."""
        return self.cache.touch(key, self._seconds(timeout))

    def delete(self, key: str) -> bool:
        """Remove a value; return whether there was one."""
        return self.cache.delete(key)

    def delete_many(self, *keys: str) -> list[Any]:
        """Remove many values; return the keys, which are all gone now."""
        self.cache.delete_many(keys)
        return list(keys)

    def clear(self) -> bool:
        """Remove the values under this cache's prefix; return ``True``."""
        self.cache.clear()
        return True

    def inc(self, key: str, delta: int = 1) -> int:
        """Add to a stored ``int`` atomically, from 0 if there is none; return the new number.

        :raises TypeError: if the value is not an ``int``.
        """
        try:
            return self.cache.count(key, delta, self._seconds(None))
        except DecodeError as error:
            raise TypeError(f"the value of {key!r} is not an integer") from error

    def dec(self, key: str, delta: int = 1) -> int:
        """Subtract from a stored ``int``; see :meth:`inc`."""
        return self.inc(key, -delta)

    def _seconds(self, timeout: Timeout) -> float | None:
        """Return the timeout as the cache takes it, where ``None`` is for ever."""
        if timeout is None:
            timeout = self.default_timeout
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        return None if seconds == 0 else seconds


def _whole_seconds(timeout: int | timedelta) -> int:
    """Return a default timeout as every version of cachelib takes it."""
    if isinstance(timeout, timedelta):
        seconds = timeout.total_seconds()
        return math.ceil(seconds) if seconds > 0 else math.floor(seconds)
    if isinstance(timeout, bool) or not isinstance(timeout, int):
        raise ConfigError(f"default_timeout must be whole seconds or a timedelta, not {timeout!r}")
    return timeout
