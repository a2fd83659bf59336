"""How often each page was asked for, counted in the cache."""

from __future__ import annotations

from django.core.cache import cache

TIMEOUT = 24 * 60 * 60


def key_of(page: str) -> str:
    """The cache key under which the hits of a page are counted."""
    return f"hits:{page}"


def count_hit(page: str) -> int:
    """Count one more hit; the count starts again a day after its first hit."""
    key = key_of(page)
    cache.add(key, 0, TIMEOUT)
    return cache.incr(key)
