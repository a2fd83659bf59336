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
        """Look at the settings, and register the system checks.

        :raises ImproperlyConfigured: if one of ``CACHES``, or ``KT_SESSIONS``, is not understood.
        """
        from kt_cache.django import (  # noqa: PLC0415 - need the settings
            aliases,
            checks,
            session_checks,
            session_records,
        )

        aliases.check_settings()
        session_records.session_options()
        register(checks.check_key_functions, Tags.caches)
        register(checks.check_prefixes, Tags.caches)
        register(session_checks.check_engine)
        register(session_checks.check_names)
        register(session_checks.check_sessions)
        register(checks.check_pickle, Tags.caches, Tags.security, deploy=True)
