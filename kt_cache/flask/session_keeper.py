"""How what a request leaves in a Flask session is stored: created, kept, moved to a new id, ended.

A session whose user appears, changes or goes always gets a new id, so an id that somebody has
planted or seen is worth nothing after a login, and a request that is still running with the earlier
one undoes no logout.
"""

from __future__ import annotations

import logging
import secrets
from functools import partial

from kt_cache.flask.server_session import ServerSession
from kt_cache.flask.session_owners import SessionEnded, SessionOwners
from kt_cache.sessions import Origin, SessionStore

__all__ = ["SessionKeeper"]

logger = logging.getLogger("kt_cache.sessions")

_ID_BYTES = 32


class SessionKeeper:
    """Stores sessions, and keeps the lists of their users right.

    :param store: where the sessions are.
    :param owners: knows whose they are.
    """

    def __init__(self, store: SessionStore, owners: SessionOwners) -> None:
        self._store = store
        self._owners = owners

    def keep(self, session: ServerSession, lifetime: float) -> bool:
        """Store what has changed in a session that holds data, or prolong it.

        :param lifetime: seconds from now.
        :return: whether it was stored or prolonged, and so the visitor's cookie is to be set. Where
            it was not, the visitor may have another cookie by now: the session was ended by
            somebody else, or nobody has asked the server whether it was.
        :raises SessionConflict: if others have changed the session, too, and that is refused.
        :raises SessionUnavailable: if the store fails.
        """
        try:
            session.origin = self._kept(session, lifetime)
        except SessionEnded:
            session.is_given_up = True
            if session.modified:
                logger.info(
                    "a session was ended during a request: what that changed in it is dropped"
                )
            return False
        return session.is_stored

    def end(self, session: ServerSession) -> bool:
        """Remove a session.

        :return: ``False`` if there is none: others were first, and the visitor may have another one
            by now.
        :raises SessionUnavailable: if the store fails.
        """
        if session.session_id is None:
            return False
        delete = partial(self._store.delete, session.session_id)
        return bool(self._owners.keep(None, session.owned, delete))

    def _kept(self, session: ServerSession, lifetime: float) -> Origin:
        session_id, origin = session.session_id, session.origin
        if session_id is None or origin is None:
            return self._create(session, lifetime)
        if not session.is_read_only and self._is_to_move(session, session_id):
            return self._move(session, session_id, lifetime, origin)
        if session.modified:
            kept = self._store.keep(session_id, session, lifetime, origin)
        else:
            kept = self._store.touch(session_id, lifetime, origin)
        if kept is None:
            raise SessionEnded
        return kept

    def _is_to_move(self, session: ServerSession, session_id: str) -> bool:
        return session.wants_new_id or self._owners.owned(session, session_id) != session.owned

    def _create(self, session: ServerSession, lifetime: float) -> Origin:
        while True:
            new_id = _new_id()
            now = self._owners.owned(session, new_id)
            create = partial(self._store.create, new_id, session, lifetime)
            created = self._owners.keep(now, None, create)
            if created is not None:  # else the id was taken
                session.goes_on_as(new_id, now)
                return created

    def _move(
        self, session: ServerSession, session_id: str, lifetime: float, origin: Origin
    ) -> Origin:
        new_id = _new_id()
        now = self._owners.owned(session, new_id)
        move = partial(self._store.move, session_id, new_id, session, lifetime, origin)
        moved = self._owners.keep(now, session.owned, move)
        if moved is not None:
            session.goes_on_as(new_id, now)
            return moved
        if session.owned is None and now is not None:
            # What was ended was nobody's. A login is good without it: if a visitor presses the
            # button twice, the browser waits for the second answer only.
            return self._create(session, lifetime)
        raise SessionEnded


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)
