"""A fast, persistent cache and session store for Django and Flask.

Importing this package loads no framework.
"""

from kt_cache._version import __version__
from kt_cache.client import AsyncKyotoTycoon, KyotoTycoon
from kt_cache.embedded import EmbeddedServer
from kt_cache.errors import KTError
from kt_cache.packers import MemcachePacker, SimpleMemcachePacker
from kt_cache.protocol.expiry import NEVER
from kt_cache.serializers import KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE

__all__ = [
    "KT_BINARY",
    "KT_JSON",
    "KT_MSGPACK",
    "KT_NONE",
    "KT_PICKLE",
    "NEVER",
    "AsyncKyotoTycoon",
    "EmbeddedServer",
    "KTError",
    "KyotoTycoon",
    "MemcachePacker",
    "SimpleMemcachePacker",
    "__version__",
]
