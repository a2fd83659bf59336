"""A site's own backend for the tests."""

from __future__ import annotations

from kt_cache.django import KyotoTycoonCache


class OwnBackend(KyotoTycoonCache):
    """Nothing changed."""
