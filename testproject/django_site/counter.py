"""How often each page was asked for, counted in the cache."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.cache import cache

from kt_cache.errors import TransportError

TIMEOUT = 24 * 60 * 60


def key_of(page: str) -> str:
    """The cache key under which the hits of a page are counted."""
    return f"hits:{page}"


def count_hit(page: str) -> int | None:
    """Count one more hit; the count starts again a day after its first hit.

    A page is worth showing without its count: that is ``None`` when the cache is down.
    """
    key = key_of(page)
    try:
        cache.add(key, 0, TIMEOUT)
        return cache.incr(key)
    except TransportError:
        return None


async def acount_hit(page: str) -> int | None:
    """The same in an async view: the event loop goes on while the server counts."""
    key = key_of(page)
    try:
        await cache.aadd(key, 0, TIMEOUT)
        return await cache.aincr(key)
    except TransportError:
        return None


async def ahits(pages: Iterable[str]) -> dict[str, int]:
    """The hits of several pages, in one round trip."""
    keys = {key_of(page): page for page in pages}
    found = await cache.aget_many(keys)
    return {page: found.get(key, 0) for key, page in keys.items()}
