"""A user's sessions, for views, signal handlers and scripts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from kt_cache.django.session_owners import OwnedSession
from kt_cache.sessions import UserSession, UserSessions

__all__ = [
    "akill_session",
    "akill_sessions",
    "asessions_of",
    "kill_session",
    "kill_sessions",
    "sessions_of",
    "site_users",
    "user_id_of",
]


def sessions_of(user: Any, current: str | None = None) -> list[UserSession]:
    """Return a user's sessions, those last seen first. Two round trips.

    :param user: the user, or its primary key.
    :param current: the session key of the request, to mark its session.
    :raises ImproperlyConfigured: if sessions are not kept by kt_cache.
    :raises ConfigError: for an anonymous user, a subclass of ``ValueError``.
    :raises KTError: if the server fails.
    """
    return site_users().sessions_of(user_id_of(user), current)


async def asessions_of(user: Any, current: str | None = None) -> list[UserSession]:
    """See :func:`sessions_of`."""
    return await site_users().asessions_of(user_id_of(user), current)


def kill_sessions(user: Any, except_key: str | None = None) -> int:
    """End a user's sessions. Their next requests are anonymous, in all processes at once.

    :param user: the user, or its primary key.
    :param except_key: the session key of a session to spare, such as the request's own.
    :return: how many there were.
    :raises ImproperlyConfigured: if sessions are not kept by kt_cache.
    :raises ConfigError: for an anonymous user, a subclass of ``ValueError``.
    :raises KTError: if the server fails; call it again then.
    """
    return site_users().kill_sessions(user_id_of(user), except_key)


async def akill_sessions(user: Any, except_key: str | None = None) -> int:
    """See :func:`kill_sessions`."""
    return await site_users().akill_sessions(user_id_of(user), except_key)


def kill_session(user: Any, handle: str) -> bool:
    """End one of a user's sessions.

    :param user: the user, or its primary key.
    :param handle: of the session, from :func:`sessions_of`.
    :return: whether the user had such a session; a handle of another user's does nothing.
    :raises ImproperlyConfigured: if sessions are not kept by kt_cache.
    :raises ConfigError: for an anonymous user, a subclass of ``ValueError``.
    :raises KTError: if the server fails.
    """
    return site_users().kill_session(user_id_of(user), handle)


async def akill_session(user: Any, handle: str) -> bool:
    """See :func:`kill_session`."""
    return await site_users().akill_session(user_id_of(user), handle)


def site_users() -> UserSessions:
    """Return the sessions of all users.

    :raises ImproperlyConfigured: if sessions are not kept by kt_cache.
    """
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    if not isinstance(session, OwnedSession):
        raise ImproperlyConfigured(
            "a user's sessions are known only if kt_cache keeps them: set SESSION_ENGINE to "
            f"'kt_cache.django.sessions', instead of {settings.SESSION_ENGINE!r}"
        )
    return session.users


def user_id_of(user: Any) -> str | None:
    """Return what ``login()`` puts into the session."""
    if hasattr(user, "_meta"):
        key = user._meta.pk  # noqa: SLF001 - documented by Django
        return None if user.pk is None else str(key.value_to_string(user))
    identity = getattr(user, "pk", user)  # an anonymous user has a pk, too, which is None
    return None if identity is None else str(identity)
