"""System checks of the settings for sessions, registered with those of caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name for it

from kt_cache.django.session_records import session_options
from kt_cache.sessions.options import READ_ONLY

__all__ = ["check_sessions"]

_ENGINES = ("kt_cache.django.sessions", "kt_cache.django.sessions_cached_db")
_MIDDLEWARE = "kt_cache.django.session_middleware.SessionMiddleware"
_DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


def check_sessions(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of options that do not work with Django's own middleware."""
    if session_options().on_failure != READ_ONLY or settings.SESSION_ENGINE not in _ENGINES:
        return []
    if _DJANGOS not in settings.MIDDLEWARE:
        return []
    return [
        Warning(
            "KT_SESSIONS['on_failure'] is 'read-only', but with Django's own session middleware "
            "visitors without a session get an error page when the store of the sessions fails.",
            hint=f"In MIDDLEWARE, put {_MIDDLEWARE!r} in the place of {_DJANGOS!r}.",
            obj="KT_SESSIONS",
            id="kt_cache.W004",
        )
    ]
