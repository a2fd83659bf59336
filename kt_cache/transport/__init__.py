"""Floor 2: connections to a server and pools of them. Knows sockets and time, but no command."""

from kt_cache.transport.config import PoolConfig
from kt_cache.transport.pool import Pool, PoolStats
from kt_cache.transport.registry import close_pools, get_pool

__all__ = ["Pool", "PoolConfig", "PoolStats", "close_pools", "get_pool"]
