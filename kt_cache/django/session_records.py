"""Where Django's sessions are, by the settings."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from kt_cache.cache.options import nearest
from kt_cache.django.cache import KyotoTycoonCache
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import Serializer
from kt_cache.sessions import SessionOptions
from kt_cache.sessions import SessionStore as Records

__all__ = ["session_cache", "session_options", "session_records"]

_options: SessionOptions | None = None  # what the setting means, once it has been read
_made: WeakKeyDictionary[BaseCache, tuple[type[Any], Records]] = WeakKeyDictionary()


def session_options() -> SessionOptions:
    """Return the options in the setting ``KT_SESSIONS``.

    :raises ImproperlyConfigured: if it is not understood.
    """
    global _options  # noqa: PLW0603 - the setting is read once
    if _options is not None:
        return _options
    given = getattr(settings, "KT_SESSIONS", None)
    try:
        _options = options = SessionOptions.read({} if given is None else given)
    except ConfigError as error:
        raise ImproperlyConfigured(f"KT_SESSIONS: {error.message}") from error
    return options


def _forget_options(*, setting: str, **_: Any) -> None:
    global _options  # noqa: PLW0603
    if setting == "KT_SESSIONS":
        _options = None


setting_changed.connect(_forget_options)  # tests do that


def session_cache() -> KyotoTycoonCache:
    """Return the cache that ``SESSION_CACHE_ALIAS`` names.

    :raises ImproperlyConfigured: if there is none, or it is not one of ours.
    """
    alias = settings.SESSION_CACHE_ALIAS
    try:
        cache = caches[alias]
    except InvalidCacheBackendError as error:
        if alias in settings.CACHES:
            raise
        raise InvalidCacheBackendError(
            f"SESSION_CACHE_ALIAS is {alias!r}, and CACHES has no such cache; "
            f"{nearest(alias, settings.CACHES)}"
        ) from error
    if not isinstance(cache, KyotoTycoonCache):
        raise ImproperlyConfigured(
            "kt_cache's session engines need a kt_cache.django.KyotoTycoonCache; the cache "
            f"{alias!r} (SESSION_CACHE_ALIAS) is not one"
        )
    return cache


def session_records(serializer: type[Any]) -> Records:
    """Return the records on the server of the cache that ``SESSION_CACHE_ALIAS`` names.

    :param serializer: a class for ``SESSION_SERIALIZER``.
    :raises ImproperlyConfigured: if that cache is not one of ours, or ``KT_SESSIONS`` is wrong.
    """
    cache = session_cache()
    options = session_options()
    found = _made.get(cache)
    if found is not None and found[0] is serializer and found[1].options is options:
        return found[1]
    codec = cache.codec.with_serializer(_wrapped(serializer))
    records = Records(cache.store, codec, options)
    _made[cache] = serializer, records
    return records


def _wrapped(kind: type[Any]) -> Serializer:
    """Wrap a Django session serializer; what cannot be decoded is a missing session."""
    serializer = kind()

    def encode(data: Any) -> bytes:
        made = serializer.dumps(data)
        if isinstance(made, bytes):
            return made
        raise EncodeError(
            f"{kind.__name__} (SESSION_SERIALIZER): dumps() must return bytes, "
            f"not {type(made).__name__}"
        )

    def decode(data: bytes) -> Any:
        try:
            return serializer.loads(data)
        except Exception as error:
            raise DecodeError(f"not what {kind.__name__} writes") from error

    return Serializer(f"{kind.__module__}.{kind.__qualname__}", encode, decode)
