"""Django's description of this app.

In ``INSTALLED_APPS`` it looks at the settings when the site starts, and adds the system checks.
"""

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
        """Look at the caches of ours in ``CACHES``, and register the system checks.

        :raises ImproperlyConfigured: if the setting of one is not understood.
        """
        from kt_cache.django import aliases, checks  # noqa: PLC0415 - needs the settings

        aliases.check_settings()
        register(checks.check_key_functions, Tags.caches)
        register(checks.check_prefixes, Tags.caches)
        register(checks.check_pickle, Tags.caches, Tags.security, deploy=True)
