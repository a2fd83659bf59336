"""Fixtures of this folder."""

from tests.support.stores import (
    cache,
    clock,
    config,
    either_cache,
    proxy,
    recorded_store,
    stopped_cache,
    stopped_store,
    store,
)

__all__ = [
    "cache",
    "clock",
    "config",
    "either_cache",
    "proxy",
    "recorded_store",
    "stopped_cache",
    "stopped_store",
    "store",
]
