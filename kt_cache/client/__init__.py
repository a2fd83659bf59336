"""Floor 3: the Kyoto Tycoon client."""

from kt_cache.client.aio import AsyncKyotoTycoon
from kt_cache.client.aio_cursor import AsyncCursor
from kt_cache.client.cursor import Cursor
from kt_cache.client.sync import KyotoTycoon

__all__ = ["AsyncCursor", "AsyncKyotoTycoon", "Cursor", "KyotoTycoon"]
