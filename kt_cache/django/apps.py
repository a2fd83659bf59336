"""Django's description of this app; in ``INSTALLED_APPS`` it adds the system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register

__all__ = ["KTCacheConfig"]


class KTCacheConfig(AppConfig):
    """The app ``kt_cache.django`` under the label ``kt_cache``."""

    name = "kt_cache.django"
    label = "kt_cache"
    verbose_name = "kt_cache"

    def ready(self) -> None:
        """Register the system checks."""
        from kt_cache.django import checks  # noqa: PLC0415 - needs the settings

        register(checks.check_key_functions, Tags.caches)
        register(checks.check_prefixes, Tags.caches)
        register(checks.check_pickle, Tags.caches, Tags.security, deploy=True)
