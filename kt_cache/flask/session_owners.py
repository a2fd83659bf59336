"""Whose Flask sessions are: each that names its user is in that user's index.

The index follows the data: a session belongs to the user whose id it holds under a certain key, by
default Flask-Login's. So nobody has to be told of logins and logouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import has_request_context, request

from kt_cache.sessions import Owned, SessionStore, UserSessions

__all__ = ["USER_KEY", "SessionEnded", "SessionOwners"]

USER_KEY = "_user_id"
"""Under which key Flask-Login keeps the user's id, and so do sites on which it is not set."""

_REALM = "flask"


T = TypeVar("T")


class SessionEnded(Exception):
    """A session is not stored, for it was ended while the request ran."""


class _NotStored(Exception):
    """Nothing was stored that could be in a user's list."""


class SessionOwners:
    """Keeps the index right.

    :param store: of the sessions.
    :param user_key: of the user's id in a session's data.
    :param lifetime_of: takes a session's data; returns its lifetime in seconds, if that is known.
    """

    def __init__(
        self,
        store: SessionStore,
        user_key: str,
        lifetime_of: Callable[[dict[str, Any]], float | None],
    ) -> None:
        self.users = UserSessions(
            store, realm=_REALM, lifetime_of=lifetime_of, owner_of=lambda data: data.get(user_key)
        )
        self._store = store
        self.user_key = user_key

    def owned(self, data: dict[str, Any], session_id: str | None) -> Owned | None:
        """Return whose session this is; ``None`` if nobody's."""
        user = dict.get(data, self.user_key)  # which does not count as an access of a view
        if session_id is None or user is None or user == "":
            return None
        return Owned(str(user), session_id)

    def keep(
        self, now: Owned | None, before: Owned | None, save: Callable[[], T | None]
    ) -> T | None:
        """Store a session, or end it.

        :param now: whose it is to be.
        :param before: whose it was, by what is known here.
        :param save: does it; returns something false if there was nothing to be done any more.
        :return: what ``save`` returned.
        :raises SessionEnded: if the user's sessions were ended meanwhile, and this one with them.
        """
        if now == before:
            return save()
        saved: list[T | None] = []

        def save_for_certain() -> None:
            saved.append(save())
            if not saved[0] and now is not None:
                raise _NotStored

        def discard() -> None:
            if now is not None:
                self._store.delete(now.session_id)

        try:
            if not self.users.store(now, before, save_for_certain, discard, **_visitor()):
                raise SessionEnded
        except _NotStored:
            return None
        return saved[0]


def _visitor() -> dict[str, str | None]:
    if not has_request_context():
        return {}
    return {"address": request.remote_addr, "agent": request.headers.get("User-Agent")}
