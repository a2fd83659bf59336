"""Whose sessions these are: listing a user's sessions, and ending them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from kt_cache.cache.steps import Steps, arun, run
from kt_cache.sessions.outage import FAILURES, unavailable
from kt_cache.sessions.user_index import Owned, UserSession
from kt_cache.sessions.user_steps import UserSessionSteps

__all__ = ["UserSessions"]

T = TypeVar("T")


class UserSessions(UserSessionSteps):
    """The sessions of each user.

    Beside the session records there is one index record for each user who has sessions. It is
    written when a session begins, ends or changes its id, never for a usual request, and so never
    expires: a session may be prolonged for years. :meth:`sweep` removes what is left of users who
    did not come back.

    Whoever stores a session that is new to its user's index calls :meth:`store`, which sees to it
    that none is live without being listed, however that interleaves with other calls.

    Every method has a twin for event loops, its name with an ``a`` before it. A failing store, or
    an index that others do not stop changing, raises ``SessionUnavailable``.

    A user is named by an id whose text counts: 7 and "7" are the same. ``None`` and the empty text
    are nobody, and a ``ConfigError``.

    :param sessions: where the sessions are.
    :param realm: keeps users of different kinds of sites apart that have the same id.
    :param lifetime_of: takes a session's data; returns the seconds for which the session was stored
        the last time, or ``None`` if that cannot be told.
    :param owner_of: takes a session's data; returns the id of its user, or ``None``. A session that
        has another one by now than its index is not listed. Without it all are.
    :param copies: where sessions are kept a second time. They are looked for there, too, and
        removed from there first. The index holds their ids then.
    :param most: sessions that a user can have; one more ends the oldest.
    :param clock: Unix time in seconds.
    """

    def store(
        self,
        now: Owned | None,
        before: Owned | None,
        save: Callable[[], Any],
        discard: Callable[[], Any],
        *,
        address: str | None = None,
        agent: str | None = None,
    ) -> bool:
        """Store a session that has a user it did not have, or an id; or has none any more, or ends.

        :param now: whose session it is, and under which id it is to be stored; ``None`` for one of
            no user, and one that is deleted.
        :param before: what the index says of it, and is not to say any more. Under another id it
            goes on with the same user.
        :param save: stores it, and deletes it under its earlier id. What it raises is raised here;
            unless that is about a failing store, or where the copies are, the session counts as not
            stored.
        :param discard: deletes it again.
        :param address: from where the user comes; kept if the sessions' options say so.
        :param agent: the browser, by its own account; likewise.
        :return: ``False`` if the session was ended meanwhile and is not stored.
        """
        steps = self._storing(now, before, save, discard, address, agent)
        return self._run(steps)

    async def astore(
        self,
        now: Owned | None,
        before: Owned | None,
        save: Callable[[], Any],
        discard: Callable[[], Any],
        *,
        address: str | None = None,
        agent: str | None = None,
    ) -> bool:
        """See :meth:`store`; ``save`` and ``discard`` may be coroutine functions."""
        steps = self._storing(now, before, save, discard, address, agent)
        return await self._arun(steps)

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

        After that, unless :meth:`knows` still finds it there, it has been ended and is to be
        deleted again.

        :param continues: the id of the user's session that goes on under a new one.
        :param address: from where the user comes; kept if the sessions' options say so.
        :param agent: the browser, by its own account; likewise.
        :return: ``False`` if the session that is to go on has been ended meanwhile.
        """
        return self._run(self._noting(user, session_id, continues, address, agent))

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
        return await self._arun(self._noting(user, session_id, continues, address, agent))

    def knows(self, user: object, session_id: str) -> bool:
        """Tell whether a session is in a user's index."""
        return self._run(self._knowing(user, session_id))

    async def aknows(self, user: object, session_id: str) -> bool:
        """See :meth:`knows`."""
        return await self._arun(self._knowing(user, session_id))

    def forget(self, user: object, session_id: str) -> bool:
        """Take a session out of a user's index, after it was deleted or has another user.

        :return: whether it was there.
        """
        return self._run(self._forgetting(user, session_id))

    async def aforget(self, user: object, session_id: str) -> bool:
        """See :meth:`forget`."""
        return await self._arun(self._forgetting(user, session_id))

    def sessions_of(self, user: object, current: str | None = None) -> list[UserSession]:
        """Return a user's sessions, those last seen first. Two round trips.

        :param current: the id of the session that is to be marked as the caller's.
        """
        return self._run(self._listing(user, current))

    async def asessions_of(self, user: object, current: str | None = None) -> list[UserSession]:
        """See :meth:`sessions_of`."""
        return await self._arun(self._listing(user, current))

    def kill_sessions(
        self,
        user: object,
        except_id: str | None = None,
        *,
        except_handles: Collection[str] = (),
    ) -> int:
        """End a user's sessions. Their very next requests are refused, in all processes.

        Logins that happen at the same time may be ended, too.

        :param except_id: the id of a session to spare.
        :param except_handles: the handles of others.
        :return: how many there were.
        """
        return self._run(self._killing_all(user, except_id, except_handles))

    async def akill_sessions(
        self,
        user: object,
        except_id: str | None = None,
        *,
        except_handles: Collection[str] = (),
    ) -> int:
        """See :meth:`kill_sessions`."""
        return await self._arun(self._killing_all(user, except_id, except_handles))

    def kill_session(self, user: object, handle: str) -> bool:
        """End one of a user's sessions.

        :param handle: of the session, from :meth:`sessions_of`.
        :return: whether the user had such a session.
        """
        return self._run(self._killing_one(user, handle))

    async def akill_session(self, user: object, handle: str) -> bool:
        """See :meth:`kill_session`."""
        return await self._arun(self._killing_one(user, handle))

    def sweep(self) -> int:
        """Take sessions out of all users' indexes that are over by now.

        :return: how many there were.
        """
        return self._run(self._sweeping())

    async def asweep(self) -> int:
        """See :meth:`sweep`."""
        return await self._arun(self._sweeping())

    def _run(self, steps: Steps[T]) -> T:
        try:
            return run(self._store, steps)
        except FAILURES as error:
            raise unavailable(error) from error

    async def _arun(self, steps: Steps[T]) -> T:
        try:
            return await arun(self._store, steps)
        except FAILURES as error:
            raise unavailable(error) from error
