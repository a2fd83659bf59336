"""A cachelib backend, which Flask-Caching and Flask-Session can stand on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kt_cache.cache import (
    CODEC_OPTIONS,
    STORE_OPTIONS,
    BlockingStore,
    Cache,
    check_options,
    open_store,
    pop_codec,
)
from kt_cache.errors import ConfigError
from kt_cache.flask.coordination import CoordinationMethods
from kt_cache.flask.extras import ExtraMethods
from kt_cache.flask.methods import CacheMethods
from kt_cache.flask.settings import refuse_unread
from kt_cache.flask.terms import Timeout, check_prefix, seconds_of, whole_seconds

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

__all__ = ["BACKEND_OPTIONS", "DEFAULT_PREFIX", "KyotoTycoonCache"]

DEFAULT_PREFIX = "flask"

BACKEND_OPTIONS = STORE_OPTIONS | CODEC_OPTIONS

# Flask-Caching's names, by what they are about.
_CACHING_SETTINGS = {
    "default_timeout": "CACHE_DEFAULT_TIMEOUT",
    "key_prefix": "CACHE_KEY_PREFIX",
    "options": "CACHE_OPTIONS",
    "url": "CACHE_KT_URL",
}


class KyotoTycoonCache(CoordinationMethods, ExtraMethods, CacheMethods, BaseCache):
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
        super().__init__(default_timeout=whole_seconds(default_timeout))
        self.ignore_delete_many_errors = ignore_delete_many_errors
        check_prefix(key_prefix)
        check_options(options, BACKEND_OPTIONS)
        codec = pop_codec(options)
        store = open_store(url, options)
        self._cache = Cache(store, codec, prefix=key_prefix)
        self._blocking_cache = Cache(BlockingStore(store), codec, prefix=key_prefix)

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

        :raises ConfigError: if one of them is not understood, or there is another ``CACHE_KT_...``.
        """
        refuse_unread(config, "CACHE_KT", _CACHING_SETTINGS, BACKEND_OPTIONS)
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
    def cache(self) -> Cache:
        """The cache that this is a face of, free of Flask; it takes other timeouts."""
        return self._cache

    @property
    def blocking_cache(self) -> Cache:
        """The same for async views: its a-methods use the connections that threads share."""
        return self._blocking_cache

    def _seconds(self, timeout: Timeout) -> float | None:
        return seconds_of(timeout, self.default_timeout)
