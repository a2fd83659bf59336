"""A fast, persistent cache and session store for Django and Flask.

Importing this package loads no framework, and no client before it is asked for: the included server
needs none, and starts in two thirds of the time without.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kt_cache._version import __version__
from kt_cache.errors import KTError
from kt_cache.packers import MemcachePacker, SimpleMemcachePacker
from kt_cache.protocol.expiry import NEVER
from kt_cache.serializers import KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE

if TYPE_CHECKING:
    from kt_cache.client import AsyncKyotoTycoon, KyotoTycoon
    from kt_cache.embedded import EmbeddedServer

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

_LATER = {
    "AsyncKyotoTycoon": "kt_cache.client",
    "EmbeddedServer": "kt_cache.embedded",
    "KyotoTycoon": "kt_cache.client",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted(globals().keys() | _LATER.keys())
