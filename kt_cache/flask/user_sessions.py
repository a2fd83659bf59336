"""A user's sessions, for views and scripts."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakSet

from flask import Flask, current_app, has_app_context, has_request_context, session

from kt_cache.errors import ConfigError
from kt_cache.flask.session_errors import as_http_errors
from kt_cache.flask.session_owners import SessionOwners
from kt_cache.sessions import UserSession, UserSessions

__all__ = ["UserSessionMethods", "advice_for_nobody", "check_user_key", "users_of_app"]

logger = logging.getLogger("kt_cache.sessions")

_advised: WeakSet[Flask] = WeakSet()  # apps whose log has the advice


class UserSessionMethods:
    """The calls of the session extension about users. They mean the sessions of the current app."""

    def sessions_of(self, user_id: object) -> list[UserSession]:
        """Return a user's sessions, those last seen first. Two round trips.

        In a request its own session is marked as ``current``.

        :param user_id: what the session holds under ``KT_SESSION_USER_KEY``; its text counts.
        :raises RuntimeError: outside an app context, or if the app's sessions are others.
        :raises ConfigError: if there is no id, a subclass of ``ValueError``.
        :raises KTError: if the server fails, a 503 unless a view deals with it.
        """
        with as_http_errors():
            sessions = users_of_app().sessions_of(user_id, _current_id())
        if not sessions:
            _log_advice()
        return sessions

    def kill_sessions(self, user_id: object, *, except_current: bool = False) -> int:
        """End a user's sessions. Their next requests begin without one, in all processes at once.

        :param user_id: what the session holds under ``KT_SESSION_USER_KEY``; its text counts.
        :param except_current: spare the session of the current request.
        :return: how many there were.
        :raises RuntimeError: outside an app context; with ``except_current``, outside a request.
        :raises ConfigError: if there is no id, a subclass of ``ValueError``.
        :raises KTError: if the server fails, a 503 unless a view deals with it; call it again then.
        """
        if except_current and not has_request_context():
            raise RuntimeError("except_current needs a request, whose session is to be spared")
        with as_http_errors():
            count = users_of_app().kill_sessions(user_id, _current_id() if except_current else None)
        if count == 0 and not except_current:
            _log_advice()
        return count

    def kill_session(self, user_id: object, handle: str) -> bool:
        """End one of a user's sessions.

        :param user_id: what the session holds under ``KT_SESSION_USER_KEY``; its text counts.
        :param handle: of the session, from :meth:`sessions_of`.
        :return: whether the user had such a session; a handle of another user's does nothing.
        :raises RuntimeError: outside an app context, or if the app's sessions are others.
        :raises ConfigError: if there is no id, a subclass of ``ValueError``.
        :raises KTError: if the server fails, a 503 unless a view deals with it.
        """
        with as_http_errors():
            return users_of_app().kill_session(user_id, handle)


def users_of_app() -> UserSessions:
    """Return the sessions of all users of the current app.

    :raises RuntimeError: if there is none, or its sessions are not kept by kt_cache.
    """
    if not has_app_context():
        raise RuntimeError("no app whose sessions are meant: call it in app.app_context()")
    owners: Any = getattr(current_app.session_interface, "owners", None)
    if isinstance(owners, SessionOwners):
        return owners.users
    raise RuntimeError(
        f"the sessions of the app {current_app.name!r} are not kept by kt_cache: "
        "call KTSession(app) first"
    )


def advice_for_nobody() -> str | None:
    """Return why nobody may have sessions in the current app: it has a login of its own."""
    if "KT_SESSION_USER_KEY" in current_app.config or hasattr(current_app, "login_manager"):
        return None
    return (
        "a session belongs to the user whose id it holds under '_user_id', where Flask-Login puts "
        "it; if this app uses another key, set app.config['KT_SESSION_USER_KEY'] to it"
    )


def _log_advice() -> None:
    """Log it, once for each app."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001
    advice = None if app in _advised else advice_for_nobody()
    if advice:
        _advised.add(app)
        logger.warning("a user without sessions: %s", advice)


def check_user_key(key: Any) -> str:
    """Return the setting ``KT_SESSION_USER_KEY``.

    :raises ConfigError: if it is no name.
    """
    if isinstance(key, str) and key:
        return key
    raise ConfigError(
        "app.config['KT_SESSION_USER_KEY'] must be the name under which sessions hold the user's "
        f"id, not {key!r}"
    )


def _current_id() -> str | None:
    return getattr(session, "session_id", None) if has_request_context() else None
