"""Floor 5: Django's cache and session APIs on kt_cache.

In settings: ``CACHES = {"default": {"BACKEND": "kt_cache.django.KyotoTycoonCache", "LOCATION":
"kt://127.0.0.1:1978"}}`` and ``SESSION_ENGINE = "kt_cache.django.sessions"``.
"""

from kt_cache.django.cache import KyotoTycoonCache

__all__ = ["KyotoTycoonCache"]
