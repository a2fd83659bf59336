"""The process-wide pools: one per configuration, shared by all threads."""

from __future__ import annotations

import atexit
import os
import threading

from kt_cache.transport.config import PoolConfig
from kt_cache.transport.pool import Pool

__all__ = ["close_pools", "get_pool"]

_pools: dict[PoolConfig, Pool] = {}
_lock = threading.Lock()


def get_pool(config: PoolConfig) -> Pool:
    """Return this process's pool for a configuration; equal ones share it."""
    pool = _pools.get(config)
    if pool is not None:
        return pool
    with _lock:
        return _pools.setdefault(config, Pool(config))


def close_pools() -> None:
    """Close every idle connection of this process. The pools stay usable."""
    for pool in list(_pools.values()):
        pool.expire()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    for pool in _pools.values():
        pool.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(close_pools)
