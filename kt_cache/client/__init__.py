"""Floor 3: the Kyoto Tycoon client."""

from kt_cache.client.cursor import Cursor
from kt_cache.client.sync import KyotoTycoon

__all__ = ["Cursor", "KyotoTycoon"]
