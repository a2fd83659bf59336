"""The backend with its asynchronous methods in the place of the others."""

from asgiref.sync import async_to_sync

from kt_cache.django import KyotoTycoonCache

ROUTED = [
    *("get", "get_many", "get_or_set", "has_key", "set", "set_many", "add", "touch"),
    *("incr", "decr", "incr_version", "decr_version", "delete", "delete_many", "clear", "flush"),
]


def through_asyncio(name):
    def method(self, *args, **kwargs):
        return async_to_sync(getattr(super(AsyncMethods, self), "a" + name))(*args, **kwargs)

    return method


class AsyncMethods(KyotoTycoonCache):
    """Each call runs on an event loop of its own."""


for name in ROUTED:
    setattr(AsyncMethods, name, through_asyncio(name))
