"""Sessions that know whose they are: each logged-in one is in its user's index.

The index follows the data: a session belongs to the user whose id ``login()`` puts into it. So it
makes no difference who logs in or out, changes the password, or the session's id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest

from kt_cache.django.session_failures import RememberedFailures
from kt_cache.errors import SessionUnavailable
from kt_cache.sessions import Copies, Origin, Owned, UserSessions
from kt_cache.sessions import SessionStore as Records

__all__ = ["OwnedSession"]

_REALM = "django"


class OwnedSession(SessionBase):
    """Keeps the index right; stands before the class that stores sessions.

    Requests that neither log in nor out cost nothing. A login takes three round trips more, a
    logout two or three.
    """

    _records: Records
    _origin: Origin | None
    _noted: Owned | None = None  # what the index has, as far as is known here
    _visitor: Mapping[str, str | None] = {}  # at a login

    @property
    def users(self) -> UserSessions:
        """The sessions of every user."""
        return UserSessions(
            self._records,
            realm=_REALM,
            lifetime_of=self._lifetime_of,
            owner_of=lambda data: data.get(SESSION_KEY),
            copies=self._copies,
        )

    @property
    def _copies(self) -> Copies | None:
        """Where sessions are kept a second time."""
        return None

    @property
    def is_renewed(self) -> bool:
        """Whether it has a new id or user: nobody may be told so while that is not stored."""
        user = getattr(self, "_session_cache", {}).get(SESSION_KEY)
        noted = None if self._noted is None else self._noted.user
        has_other_user = noted != (None if user is None else str(user))
        return has_other_user or super().is_renewed  # type: ignore[misc]

    def _lifetime_of(self, data: dict[str, Any]) -> float | None:
        expiry = data.get("_session_expiry")
        # One that ends at a certain moment has a lifetime only by when it was stored.
        return None if isinstance(expiry, datetime | str) else self.get_expiry_age(expiry=expiry)

    def load(self) -> dict[str, Any]:
        """Return the session's data."""
        return self._loaded(super().load())

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        return self._loaded(await super().aload())

    def save(self, must_create: bool = False) -> None:
        """Store the session.

        :raises CreateError: with ``must_create``, if the id is taken.
        :raises UpdateError: without, if the session was ended meanwhile.
        :raises SessionInterrupted: with ``must_create``, if it was ended at the same time.
        :raises SessionUnavailable: if the store fails; with ``on_failure="read-only"`` only if the
            session has another user than the stored one.
        """
        if self.session_key is None:
            super().save(must_create)  # which comes back here with an id
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        if self.session_key is None:  # loading it for this call found that it is gone
            raise UpdateError
        now = self._owned(data, self.session_key)
        if self._is_noted(now):
            super().save(must_create)
            return
        # create() leaves the session that it began with where it is, and in the index.
        before = None if must_create else self._noted
        self._store(now, before, partial(super().save, must_create), super().delete, must_create)

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        if self.session_key is None:
            await super().asave(must_create)
            return
        data = await self._aget_session(no_load=must_create)  # type: ignore[attr-defined]
        if self.session_key is None:  # loading it for this call found that it is gone
            raise UpdateError
        now = self._owned(data, self.session_key)
        if self._is_noted(now):
            await super().asave(must_create)
            return
        before = None if must_create else self._noted
        save = partial(super().asave, must_create)
        await self._astore(now, before, save, super().adelete, must_create)

    def _move(self, new_key: str) -> None:
        now = self._owned(self._get_session(), new_key)  # type: ignore[attr-defined]
        move = partial(super()._move, new_key)  # type: ignore[misc]
        self._store(now, self._noted, move, super().delete, True)

    async def _amove(self, new_key: str) -> None:
        now = self._owned(await self._aget_session(), new_key)  # type: ignore[attr-defined]
        move = partial(super()._amove, new_key)  # type: ignore[misc]
        await self._astore(now, self._noted, move, super().adelete, True)

    def _store(
        self,
        now: Owned | None,
        before: Owned | None,
        save: Callable[[], None],
        discard: Callable[[], None],
        has_new_id: bool,
    ) -> None:
        def save_for_certain() -> None:
            save()
            self._refuse_a_loss()

        with RememberedFailures(self):
            stored = self.users.store(now, before, save_for_certain, discard, **self._visitor)
            self._stored(now, stored, has_new_id)

    async def _astore(
        self,
        now: Owned | None,
        before: Owned | None,
        save: Callable[[], Awaitable[None]],
        discard: Callable[[], Awaitable[None]],
        has_new_id: bool,
    ) -> None:
        async def save_for_certain() -> None:
            await save()
            self._refuse_a_loss()

        with RememberedFailures(self):
            stored = await self.users.astore(
                now, before, save_for_certain, discard, **self._visitor
            )
            self._stored(now, stored, has_new_id)

    def delete(self, session_key: str | None = None) -> None:
        """End a session, this one by default."""
        delete = partial(super().delete, session_key)
        with RememberedFailures(self):
            self.users.store(None, self._ending(session_key), delete, delete)

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        delete = partial(super().adelete, session_key)
        with RememberedFailures(self):
            await self.users.astore(None, self._ending(session_key), delete, delete)

    @classmethod
    def clear_expired(cls) -> None:
        """Take sessions that are over out of the indexes; the server ends them by itself."""
        cls().users.sweep()

    @classmethod
    async def aclear_expired(cls) -> None:
        """See :meth:`clear_expired`."""
        await cls().users.asweep()

    def come_from(self, request: HttpRequest) -> None:
        """Remember from where a login comes; whether that is kept is up to ``KT_SESSIONS``.

        Headers that proxies add are not believed: whoever wants them has a middleware that puts
        the address into ``REMOTE_ADDR``.
        """
        self._visitor = {
            "address": request.META.get("REMOTE_ADDR"),
            "agent": request.META.get("HTTP_USER_AGENT"),
        }

    # ------------------------------------------------------------ what both ways share

    def _owned(self, data: dict[str, Any], session_id: str | None) -> Owned | None:
        user = data.get(SESSION_KEY)
        return None if user is None or session_id is None else Owned(str(user), session_id)

    def _is_noted(self, now: Owned | None) -> bool:
        # What is dropped anyway need not be noted.
        is_read_only = self._origin is not None and self._origin.is_read_only
        return is_read_only or now == self._noted

    def _loaded(self, data: dict[str, Any]) -> dict[str, Any]:
        self._noted = self._owned(data, self.session_key)
        return data

    def _refuse_a_loss(self) -> None:
        # The index must not say of a session what may not have been stored.
        if self._origin is not None and self._origin.is_read_only:
            raise SessionUnavailable("the session has another user now, and could not be stored")

    def _stored(self, now: Owned | None, stored: bool, has_new_id: bool) -> None:
        if stored:
            self._noted = now
        elif has_new_id:
            raise SessionInterrupted("The session was ended before the request was complete.")
        else:
            raise UpdateError

    def _ending(self, session_key: str | None) -> Owned | None:
        """Return what is to be taken out of the index with a session, perhaps an earlier one."""
        session_id = session_key or self.session_key
        if self._noted is None or session_id is None:
            return None
        return Owned(self._noted.user, session_id)

    def _forget(self, session_id: str) -> None:
        super()._forget(session_id)  # type: ignore[misc]
        if self._noted is not None and self._noted.session_id == session_id:
            self._noted = None


def _note_visitor(sender: Any, request: HttpRequest, **_: Any) -> None:  # noqa: ARG001 - as sent
    session = getattr(request, "session", None)
    if isinstance(session, OwnedSession):
        session.come_from(request)


# Whoever has this module has the sessions that want to know.
user_logged_in.connect(_note_visitor, dispatch_uid="kt_cache.sessions")
