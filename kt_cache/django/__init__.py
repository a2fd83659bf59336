"""Floor 5: Django's cache and session APIs on kt_cache.

In settings: ``CACHES = {"default": {"BACKEND": "kt_cache.django.KyotoTycoonCache", "LOCATION":
"kt://127.0.0.1:1978"}}`` and ``SESSION_ENGINE = "kt_cache.django.sessions"``.
"""

try:
    from kt_cache.django.cache import KyotoTycoonCache
    from kt_cache.django.user_sessions import (
        akill_session,
        akill_sessions,
        asessions_of,
        kill_session,
        kill_sessions,
        sessions_of,
    )
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("kt_cache"):
        raise
    raise ModuleNotFoundError(
        f"kt_cache.django needs {error.name}: install kt-cache with the extra [django]",
        name=error.name,
    ) from error

__all__ = [
    "KyotoTycoonCache",
    "akill_session",
    "akill_sessions",
    "asessions_of",
    "kill_session",
    "kill_sessions",
    "sessions_of",
]
