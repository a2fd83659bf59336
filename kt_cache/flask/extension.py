"""The cache as a Flask extension."""

from __future__ import annotations

from weakref import WeakSet

from flask import Flask, current_app, has_app_context

from kt_cache.cache import Cache
from kt_cache.cache.observed import observer_of
from kt_cache.flask.backend import BACKEND_OPTIONS, DEFAULT_PREFIX, KyotoTycoonCache
from kt_cache.flask.coordination import CoordinationMethods
from kt_cache.flask.decorators import DecoratorMethods
from kt_cache.flask.extras import ExtraMethods
from kt_cache.flask.fragments import FragmentExtension, FragmentMethods
from kt_cache.flask.methods import CacheMethods
from kt_cache.flask.settings import check_app, check_names, naming, options_from, url_from
from kt_cache.flask.signals import SignalObserver
from kt_cache.flask.terms import Timeout, check_prefix, seconds_of, whole_seconds

__all__ = ["KTCache"]

_SETTINGS = frozenset(
    {"KT_CACHE_URL", "KT_CACHE_KEY_PREFIX", "KT_CACHE_DEFAULT_TIMEOUT", "KT_CACHE_OPTIONS"}
)


class KTCache(DecoratorMethods, FragmentMethods, CoordinationMethods, ExtraMethods, CacheMethods):
    """A cache for one or several Flask apps; nothing is shared between them but connections.

    Configuration: ``KT_CACHE_URL``, ``KT_CACHE_KEY_PREFIX`` ("flask"), ``KT_CACHE_DEFAULT_TIMEOUT``
    (300 seconds) and ``KT_CACHE_OPTIONS`` (how values are stored, timeouts and limits). Timeouts
    mean what they mean in :class:`~kt_cache.flask.KyotoTycoonCache`.

    :param app: as for :meth:`init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._app: Flask | None = None
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self._app = app
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read an app's configuration.

        :raises ConfigError: if it lacks the URL or is not understood.
        """
        check_app(app, "KTCache", "KT_CACHE_URL")
        check_names(app, "KT_CACHE", _SETTINGS, BACKEND_OPTIONS)
        url = url_from(app, "KT_CACHE_URL")
        timeout = app.config.get("KT_CACHE_DEFAULT_TIMEOUT", 300)
        with naming("KT_CACHE_DEFAULT_TIMEOUT"):
            whole_seconds(timeout)
        prefix = app.config.get("KT_CACHE_KEY_PREFIX", DEFAULT_PREFIX)
        with naming("KT_CACHE_KEY_PREFIX"):
            check_prefix(prefix)
        options = options_from(app, "KT_CACHE_OPTIONS", BACKEND_OPTIONS)
        with naming("KT_CACHE_OPTIONS"):
            options["observer"] = SignalObserver(app, self, observer_of(options.get("observer")))
            backend = KyotoTycoonCache(url, timeout, prefix, **options)
        app.extensions.setdefault("kt_cache", {})[self] = backend
        app.jinja_env.add_extension(FragmentExtension)
        self._apps.add(app)

    @property
    def backend(self) -> KyotoTycoonCache:
        """The current app's cache, as a cachelib backend."""
        app = self._app
        if has_app_context():
            # The proxy itself takes a microsecond and more for each attribute.
            app = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001
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
    def cache(self) -> Cache:
        """The current app's cache, free of Flask; it takes other timeouts."""
        return self.backend.cache

    @property
    def blocking_cache(self) -> Cache:
        """The same for async views: its a-methods use the connections that threads share."""
        return self.backend.blocking_cache

    def _seconds(self, timeout: Timeout) -> float | None:
        return seconds_of(timeout, self.backend.default_timeout)
