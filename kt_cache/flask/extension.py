"""The cache as a Flask extension."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, has_app_context

from kt_cache.flask.backend import (
    BACKEND_OPTIONS,
    DEFAULT_PREFIX,
    KyotoTycoonCache,
    Timeout,
)
from kt_cache.flask.settings import options_from, url_from

__all__ = ["KTCache"]


class KTCache:
    """A cache for one or several Flask apps; nothing is shared between them but connections.

    Configuration: ``KT_CACHE_URL``, ``KT_CACHE_KEY_PREFIX`` ("flask"), ``KT_CACHE_DEFAULT_TIMEOUT``
    (300 seconds) and ``KT_CACHE_OPTIONS`` (how values are stored, timeouts and limits). Timeouts
    mean what they mean in :class:`~kt_cache.flask.KyotoTycoonCache`.

    :param app: as for :meth:`init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._app: Flask | None = None
        if app is not None:
            self._app = app
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read an app's configuration.

        :raises ConfigError: if it lacks the URL or is not understood.
        """
        backend = KyotoTycoonCache(
            url_from(app, "KT_CACHE_URL"),
            default_timeout=app.config.get("KT_CACHE_DEFAULT_TIMEOUT", 300),
            key_prefix=app.config.get("KT_CACHE_KEY_PREFIX", DEFAULT_PREFIX),
            **options_from(app, "KT_CACHE_OPTIONS", BACKEND_OPTIONS),
        )
        app.extensions.setdefault("kt_cache", {})[self] = backend

    @property
    def backend(self) -> KyotoTycoonCache:
        """The current app's cache, as a cachelib backend."""
        app = current_app if has_app_context() else self._app
        if app is None:
            raise RuntimeError(
                "no app to take the cache of: call it in a request or in app.app_context(), "
                "or create it with KTCache(app)"
            )
        try:
            backend: KyotoTycoonCache = app.extensions["kt_cache"][self]
        except KeyError:
            raise RuntimeError(
                f"this cache does not know the app {app.name!r}: call init_app(app) first"
            ) from None
        return backend

    @property
    def client(self) -> Any:
        """A direct client of the same server and database; it sees stored keys and bytes."""
        return self.backend.client

    def make_key(self, key: str) -> bytes:
        """Return the key under which a value is stored, for :attr:`client`."""
        return self.backend.make_key(key)

    def get(self, key: str) -> Any:
        """Return a value, or ``None`` if there is none."""
        return self.backend.get(key)

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values in the order of the keys, ``None`` for missing ones."""
        return self.backend.get_many(*keys)

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """Return key -> value, ``None`` for missing ones."""
        return self.backend.get_dict(*keys)

    def has(self, key: str) -> bool:
        """Tell whether there is a value."""
        return self.backend.has(key)

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value; return whether it was, which is ``False`` for an ignored error only."""
        return self.backend.set(key, value, timeout)

    def set_many(self, mapping: dict[str, Any], timeout: Timeout = None) -> list[Any]:
        """Store many values in one round trip; return the keys of those stored, which is all."""
        return self.backend.set_many(mapping, timeout)

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value atomically unless there is one; return whether it was stored."""
        return self.backend.add(key, value, timeout)

    def touch(self, key: str, timeout: Timeout = None) -> bool:
        """Give a value a new timeout; return whether there is one."""
        return self.backend.touch(key, timeout)

    def incr(self, key: str, delta: int = 1) -> int:
        """Add to a stored ``int`` atomically, from 0 if there is none; return the new number."""
        return self.backend.inc(key, delta)

    def decr(self, key: str, delta: int = 1) -> int:
        """Subtract from a stored ``int``; see :meth:`incr`."""
        return self.backend.dec(key, delta)

    def delete(self, key: str) -> bool:
        """Remove a value; return whether there was one."""
        return self.backend.delete(key)

    def delete_many(self, *keys: str) -> list[Any]:
        """Remove many values; return the keys, which are all gone now."""
        return self.backend.delete_many(*keys)

    def clear(self) -> bool:
        """Remove the values under this app's prefix; return ``True``."""
        return self.backend.clear()
