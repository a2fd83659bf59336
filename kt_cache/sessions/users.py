"""Whose sessions these are: listing a user's sessions, and ending them."""

from __future__ import annotations

from kt_cache.cache.steps import arun, run
from kt_cache.sessions.user_index import UserSession
from kt_cache.sessions.user_steps import UserSessionSteps

__all__ = ["UserSessions"]


class UserSessions(UserSessionSteps):
    """The sessions of each user.

    Beside the session records there is one index record for each user who has sessions. It is
    written when a session begins, ends or changes its id, never for a usual request, and so never
    expires: a session may be prolonged for years. :meth:`sweep` removes what is left of users who
    did not come back.

    A session is to be stored like this: :meth:`note` it, store it, and if :meth:`knows` says that
    it is not in the index any more, somebody has ended all sessions meanwhile: delete it again. So
    no session can be live and not listed, however these calls interleave with others.

    Every method has a twin for event loops, its name with an ``a`` before it. A failing store
    raises ``TransportError``, an index that others change all the time ``KTError``.

    A user is named by an id whose text counts: 7 and "7" are the same. ``None`` and the empty text
    are nobody, and a ``ConfigError``.

    :param sessions: where the sessions are.
    :param realm: keeps users of different kinds of sites apart that have the same id.
    :param lifetime_of: takes a session's data; returns the seconds for which the session was stored
        the last time, or ``None`` if that cannot be told.
    :param most: sessions that a user can have; one more ends the oldest.
    :param clock: Unix time in seconds.
    """

    def note(
        self,
        user: object,
        session_id: str,
        *,
        continues: str | None = None,
        address: str | None = None,
        agent: str | None = None,
    ) -> bool:
        """Take a session into a user's index, before it is stored.

        :param continues: the id of the user's session that goes on under a new one.
        :param address: from where the user comes.
        :param agent: the browser, by its own account.
        :return: ``False`` if the session that is to go on has been ended meanwhile.
        """
        return run(self._store, self._noting(user, session_id, continues, address, agent))

    async def anote(
        self,
        user: object,
        session_id: str,
        *,
        continues: str | None = None,
        address: str | None = None,
        agent: str | None = None,
    ) -> bool:
        """See :meth:`note`."""
        return await arun(self._store, self._noting(user, session_id, continues, address, agent))

    def knows(self, user: object, session_id: str) -> bool:
        """Tell whether a session is in a user's index."""
        return run(self._store, self._knowing(user, session_id))

    async def aknows(self, user: object, session_id: str) -> bool:
        """See :meth:`knows`."""
        return await arun(self._store, self._knowing(user, session_id))

    def forget(self, user: object, session_id: str) -> bool:
        """Take a session out of a user's index, after it was deleted or has another user.

        :return: whether it was there.
        """
        return run(self._store, self._forgetting(user, session_id))

    async def aforget(self, user: object, session_id: str) -> bool:
        """See :meth:`forget`."""
        return await arun(self._store, self._forgetting(user, session_id))

    def sessions_of(self, user: object, current: str | None = None) -> list[UserSession]:
        """Return a user's sessions, those last seen first. Two round trips.

        :param current: the id of the session that is to be marked as the caller's.
        """
        return run(self._store, self._listing(user, current))

    async def asessions_of(self, user: object, current: str | None = None) -> list[UserSession]:
        """See :meth:`sessions_of`."""
        return await arun(self._store, self._listing(user, current))

    def kill_sessions(self, user: object, except_id: str | None = None) -> int:
        """End a user's sessions. Their very next requests are refused, in all processes.

        Logins that happen at the same time may be ended, too.

        :param except_id: the id of a session to spare.
        :return: how many there were.
        """
        return run(self._store, self._killing_all(user, except_id))

    async def akill_sessions(self, user: object, except_id: str | None = None) -> int:
        """See :meth:`kill_sessions`."""
        return await arun(self._store, self._killing_all(user, except_id))

    def kill_session(self, user: object, handle: str) -> bool:
        """End one of a user's sessions.

        :param handle: of the session, from :meth:`sessions_of`.
        :return: whether the user had such a session.
        """
        return run(self._store, self._killing_one(user, handle))

    async def akill_session(self, user: object, handle: str) -> bool:
        """See :meth:`kill_session`."""
        return await arun(self._store, self._killing_one(user, handle))

    def sweep(self) -> int:
        """Take sessions out of all users' indexes that are over by now.

        :return: how many there were.
        """
        return run(self._store, self._sweeping())

    async def asweep(self) -> int:
        """See :meth:`sweep`."""
        return await arun(self._store, self._sweeping())
