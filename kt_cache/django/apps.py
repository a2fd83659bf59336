"""Django's description of this app; it is optional in ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["KTCacheConfig"]


class KTCacheConfig(AppConfig):
    """The app ``kt_cache.django`` under the label ``kt_cache``."""

    name = "kt_cache.django"
    label = "kt_cache"
    verbose_name = "kt_cache"
