"""System checks of the settings for sessions, registered with those of caches.

What they find would otherwise be found by the first visitor, whose page, and everybody else's,
is an error then.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004 - Django's name for it
)
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from kt_cache.cache.options import nearest
from kt_cache.django.session_records import session_cache, session_options
from kt_cache.django.sessions import RecordSession
from kt_cache.sessions.options import READ_ONLY

__all__ = ["check_engine", "check_names", "check_sessions"]

_ENGINES = ("kt_cache.django.sessions", "kt_cache.django.sessions_cached_db")
_MIDDLEWARE = "kt_cache.django.session_middleware.SessionMiddleware"
_DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
_SAMPLE = {"_auth_user_id": "7", "visits": 1}  # any serializer can store that


def check_engine(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Find settings with which no session can be loaded or stored."""
    path = settings.SESSION_ENGINE
    if path.startswith("kt_cache.") and path not in _ENGINES:
        return [
            Error(
                f"SESSION_ENGINE is {path!r}, which is no session engine.",
                hint=f"Name a module: {nearest(path, _ENGINES)}",
                obj="SESSION_ENGINE",
                id="kt_cache.E001",
            )
        ]
    engine = _our_engine()
    if engine is None:
        return []
    return [*_errors_of_cache(), *_errors_of_table(engine), *_errors_of_serializer()]


def check_names(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of settings that look like ours, such as those for Flask, and that nobody reads."""
    return [
        Warning(
            f"{name} is not a setting of kt_cache for Django: nothing reads it.",
            hint="Options of sessions are in the dictionary KT_SESSIONS; where sessions are says "
            "the cache of CACHES that SESSION_CACHE_ALIAS names. If the setting is your own, "
            "silence this check.",
            obj=name,
            id="kt_cache.W005",
        )
        for name in dir(settings)
        if name.startswith("KT_SESSION") and name != "KT_SESSIONS"
    ]


def check_sessions(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of options that do not work with Django's own middleware."""
    if session_options().on_failure != READ_ONLY or _DJANGOS not in settings.MIDDLEWARE:
        return []
    if _our_engine() is None:
        return []
    return [
        Warning(
            "KT_SESSIONS['on_failure'] is 'read-only', but with Django's own session middleware "
            "visitors without a session get an error page when the store of the sessions fails. "
            "Pages made without the visitor's session may be kept by caches, and set_expiry() "
            "changes the cookie, though it is not stored.",
            hint=f"In MIDDLEWARE, put {_MIDDLEWARE!r} in the place of {_DJANGOS!r}.",
            obj="KT_SESSIONS",
            id="kt_cache.W004",
        )
    ]


def _our_engine() -> type[RecordSession] | None:
    """Return the class of the site's sessions if it is one of ours, or stands on one."""
    try:
        engine = getattr(import_module(settings.SESSION_ENGINE), "SessionStore", None)
    except ImportError:
        return None  # Django says so when the site starts
    return engine if isinstance(engine, type) and issubclass(engine, RecordSession) else None


def _errors_of_cache() -> list[CheckMessage]:
    try:
        session_cache()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint="SESSION_CACHE_ALIAS ('default' if it is not set) names the cache of CACHES "
                "on whose server the sessions are.",
                obj="SESSION_CACHE_ALIAS",
                id="kt_cache.E002",
            )
        ]
    return []


def _errors_of_table(engine: Any) -> list[CheckMessage]:
    if not hasattr(engine, "get_model_class"):
        return []
    try:
        engine.get_model_class()
    except RuntimeError as error:
        return [
            Error(
                f"SESSION_ENGINE keeps sessions in the database, too, which has no table for them: "
                f"{error}",
                hint="Put 'django.contrib.sessions' into INSTALLED_APPS and run manage.py migrate, "
                "or set SESSION_ENGINE to 'kt_cache.django.sessions'.",
                obj="SESSION_ENGINE",
                id="kt_cache.E003",
            )
        ]
    return []


def _errors_of_serializer() -> list[CheckMessage]:
    problem = _problem_of_serializer(settings.SESSION_SERIALIZER)
    if problem is None:
        return []
    return [
        Error(
            f"SESSION_SERIALIZER is {settings.SESSION_SERIALIZER!r}: {problem}.",
            hint="It names a class with the methods dumps(), which returns bytes, and loads(), "
            "which takes them, such as 'django.contrib.sessions.serializers.JSONSerializer'.",
            obj="SESSION_SERIALIZER",
            id="kt_cache.E004",
        )
    ]


def _problem_of_serializer(path: str) -> str | None:
    try:
        serializer = import_string(path)()
        stored = serializer.dumps(_SAMPLE)
        if not isinstance(stored, bytes):
            return f"its dumps() returns {type(stored).__name__} instead of bytes"
        if serializer.loads(stored) != _SAMPLE:
            return "its loads() does not return what dumps() was given"
    except Exception as error:  # noqa: BLE001 - a class of the site's own may raise anything
        return f"{type(error).__name__}: {error}"
    return None
