"""The pools of event loops: one per configuration and loop, ended with their loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress

from kt_cache.transport.aio_pool import AsyncPool
from kt_cache.transport.config import PoolConfig

__all__ = ["get_async_pool"]


class _LoopPools:
    """The pools of one event loop, the running one.

    They end with it: ``asyncio.run`` and its like finish every asynchronous generator begun on a
    loop before they close it, so there is one that waits for just that.
    """

    def __init__(self) -> None:
        self.pools: dict[PoolConfig, AsyncPool] = {}
        self._ending = _close_at_end(self.pools)
        with suppress(StopIteration):
            self._ending.__anext__().send(None)  # begins it; there is nothing to wait for

    def forsake(self) -> None:
        """Close the sockets and leave the loop alone."""
        for pool in self.pools.values():
            pool.forsake()


async def _close_at_end(pools: dict[PoolConfig, AsyncPool]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for pool in pools.values():
            pool.close()


_loops: dict[asyncio.AbstractEventLoop, _LoopPools] = {}
_lock = threading.Lock()


def get_async_pool(config: PoolConfig) -> AsyncPool:
    """Return the running event loop's pool for a configuration; equal ones share it.

    What is left of loops that were closed without ceremony is cleared away on the way.

    :raises RuntimeError: if no event loop is running.
    """
    loop = asyncio.get_running_loop()
    with _lock:
        for other in [other for other in _loops if other.is_closed()]:
            _loops.pop(other).forsake()
        if loop not in _loops:
            _loops[loop] = _LoopPools()
        pools = _loops[loop].pools
        if config not in pools:
            pools[config] = AsyncPool(config, loop)
        return pools[config]


def _forsake_all() -> None:
    for each in _loops.values():
        each.forsake()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    # The parent's loops stay listed: letting go of them would wake the parent's up.
    _forsake_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_forsake_all)
