"""Which caches of ``CACHES`` are ours, and whether their settings are understood."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from kt_cache.django.cache import KyotoTycoonCache

__all__ = ["check_settings", "our_caches"]


def check_settings() -> None:
    """Make every cache of ours once, without a connection, so that a mistake shows at once.

    :raises ImproperlyConfigured: if the setting of one is not understood; it names the alias.
    """
    for alias in _our_aliases():
        try:
            caches.create_connection(alias)
        except ImproperlyConfigured as error:
            raise ImproperlyConfigured(f"in the cache {alias!r}: {error}") from error


def our_caches() -> Iterator[tuple[str, KyotoTycoonCache]]:
    """Yield alias and cache of those that are ours; no other one is made."""
    for alias in _our_aliases():
        cache = caches[alias]
        if isinstance(cache, KyotoTycoonCache):
            yield alias, cache


def _our_aliases() -> Iterator[str]:
    for alias, entry in settings.CACHES.items():
        if _is_ours(entry.get("BACKEND", "")):
            yield alias


def _is_ours(path: str) -> bool:
    try:
        backend = import_string(path)
    except ImportError:
        # A slip in our own path is ours to report. For others' Django does, when they are used.
        return path.startswith("kt_cache.")
    return isinstance(backend, type) and issubclass(backend, KyotoTycoonCache)
