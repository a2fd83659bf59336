"""Floor 3: the Kyoto Tycoon client."""

from kt_cache.client.sync import KyotoTycoon

__all__ = ["KyotoTycoon"]
