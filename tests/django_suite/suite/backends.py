"""The backend with its asynchronous methods in the place of the others."""

import os

from asgiref.sync import async_to_sync

from kt_cache.django import KyotoTycoonCache

# One of the tests stores a query set, which is carried out while it is pickled: on the event loop.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

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
