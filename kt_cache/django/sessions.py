"""The engine for Django's ``SESSION_ENGINE`` setting: ``"kt_cache.django.sessions"``.

Sessions live on the server of the cache named by ``SESSION_CACHE_ALIAS``, in records of their own
that ``cache.clear()`` does not touch. Their data is stored by ``SESSION_SERIALIZER`` (JSON), and
compressed and signed as that cache's values are. The setting ``KT_SESSIONS`` holds the fields of
:class:`~kt_cache.sessions.SessionOptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import (
    VALID_KEY_CHARS,
    CreateError,
    SessionBase,
    UpdateError,
)
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from kt_cache.django.session_failures import RememberedFailures
from kt_cache.django.session_owners import OwnedSession
from kt_cache.django.session_records import session_options, session_records
from kt_cache.errors import SessionUnavailable
from kt_cache.sessions import Loaded, Origin

__all__ = ["SessionStore"]


class RecordSession(SessionBase):
    """A session in a record of its own.

    Unlike Django's cache engine, requests that run at the same time do not undo each other's
    changes; saving a session that was deleted meanwhile never revives it (``UpdateError``); and a
    failing server is an error (``SessionUnavailable``) instead of logging everybody out. The
    methods whose names begin with an ``a`` use connections of the running event loop, no thread.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._records = session_records(self.serializer)
        self._origin: Origin | None = None

    failure: SessionUnavailable | None = None
    """Why the store could not do what was last asked of it, if it could not."""

    _has_new_id = False

    @property
    def is_renewed(self) -> bool:
        """Whether it has a new id or user: nobody may be told so while that is not stored."""
        return self._has_new_id

    @property
    def is_read_only(self) -> bool:
        """Whether the store failed and what is changed here is dropped; by ``on_failure`` alone."""
        return self._origin is not None and self._origin.is_read_only

    # ------------------------------------------------------------ reading

    def load(self) -> dict[str, Any]:
        """Return the session's data; with an unknown id, none and a new id on saving."""
        key = self._session_key
        with RememberedFailures(self):
            return self._taken(self._records.load(key) if key else None)

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        key = self._session_key
        with RememberedFailures(self):
            return self._taken(await self._records.aload(key) if key else None)

    def _taken(self, found: Loaded | None) -> dict[str, Any]:
        if found is None:
            self._session_key = None
            self._origin = None
            return {}
        self._origin = found.origin
        return found.data

    def exists(self, session_key: str | None) -> bool:
        """Tell whether there is a session of that id."""
        return bool(session_key) and self._records.exists(str(session_key))

    async def aexists(self, session_key: str | None) -> bool:
        """See :meth:`exists`."""
        return bool(session_key) and await self._records.aexists(str(session_key))

    # ------------------------------------------------------------ writing

    def create(self) -> None:
        """Store the session under a new id."""
        self._refuse_a_new_id()
        while True:
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    async def acreate(self) -> None:
        """See :meth:`create`."""
        self._refuse_a_new_id()
        while True:
            self._session_key = self._get_new_session_key()
            try:
                await self.asave(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def cycle_key(self) -> None:
        """Go on under a new id.

        :raises SessionInterrupted: if the session was ended meanwhile: it does not go on then.
        """
        self._get_session()  # type: ignore[attr-defined]
        self._refuse_a_new_id()
        self._renew()
        self._has_new_id = self.modified = True

    async def acycle_key(self) -> None:
        """See :meth:`cycle_key`."""
        await self._aget_session()  # type: ignore[attr-defined]
        self._refuse_a_new_id()
        await self._arenew()
        self._has_new_id = self.modified = True

    def _renew(self) -> None:
        if self._session_key and self._origin is None:
            self.load()  # it was cleared before; what is stored goes, but has to be there
        if self._origin is None:
            self.create()
        else:
            self._move(self._get_new_session_key())

    async def _arenew(self) -> None:
        if self._session_key and self._origin is None:
            await self.aload()
        if self._origin is None:
            await self.acreate()
        else:
            await self._amove(self._get_new_session_key())

    def _move(self, new_key: str) -> None:
        with RememberedFailures(self):
            self._moved(new_key, self._records.move(*self._moving(new_key)))

    async def _amove(self, new_key: str) -> None:
        with RememberedFailures(self):
            self._moved(new_key, await self._records.amove(*self._moving(new_key)))

    def _moving(self, new_key: str) -> tuple[Any, ...]:
        data = self._get_session()  # type: ignore[attr-defined]
        return self._session_key, new_key, data, self._age_of, self._origin

    def _moved(self, new_key: str, origin: Origin | None) -> None:
        if origin is None:
            raise SessionInterrupted("The session was ended before it could get a new id.")
        self._session_key, self._origin = new_key, origin

    def _get_new_session_key(self) -> str:
        """Return a new id; that nobody has it is found out by storing the record, atomically."""
        return get_random_string(32, VALID_KEY_CHARS)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    def _refuse_a_new_id(self) -> None:
        if self.is_read_only:
            raise SessionUnavailable(
                "the session could not be loaded, so it cannot be moved to a new id"
            )

    def save(self, must_create: bool = False) -> None:
        """Store the session; if nothing was changed, only give it its lifetime anew, if it is due.

        :raises CreateError: with ``must_create``, if the id is taken.
        :raises UpdateError: without, if the session was deleted meanwhile.
        """
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        key, records = self._session_key, self._records
        if key is None:  # loading it for this call found that it is gone
            raise UpdateError
        with RememberedFailures(self):
            if must_create:
                self._created(records.create(key, data, self._age_of(data)))
                return
            origin = self._origin
            if self.modified or origin is None:
                self._saved(records.save(key, data, self._age_of, origin))
            else:  # what was changed inside of a value is seen by comparing, as Django has it
                self._saved(records.keep(key, data, self._age_of, origin))

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        if self.session_key is None:
            await self.acreate()
            return
        data = await self._aget_session(no_load=must_create)  # type: ignore[attr-defined]
        key, records = self._session_key, self._records
        if key is None:
            raise UpdateError
        with RememberedFailures(self):
            if must_create:
                self._created(await records.acreate(key, data, self._age_of(data)))
                return
            origin = self._origin
            if self.modified or origin is None:
                self._saved(await records.asave(key, data, self._age_of, origin))
            else:  # what was changed inside of a value is seen by comparing, as Django has it
                self._saved(await records.akeep(key, data, self._age_of, origin))

    def _age_of(self, data: Mapping[str, Any]) -> float:
        """Return the lifetime of a session with this data, which may be another request's."""
        return self.get_expiry_age(expiry=data.get("_session_expiry"))

    def _created(self, origin: Origin | None) -> None:
        if origin is None:
            raise CreateError
        self._origin = origin

    def _saved(self, origin: Origin | None) -> None:
        if origin is None:
            raise UpdateError
        self._origin = origin

    # ------------------------------------------------------------ ending

    def delete(self, session_key: str | None = None) -> None:
        """End a session, this one by default."""
        session_id = self.session_key if session_key is None else session_key
        if session_id is not None:
            with RememberedFailures(self):
                self._records.delete(session_id)
            self._forget(session_id)

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        session_id = self.session_key if session_key is None else session_key
        if session_id is not None:
            with RememberedFailures(self):
                await self._records.adelete(session_id)
            self._forget(session_id)

    def flush(self) -> None:
        """End the session; what is put into it from now on is a new one."""
        super().flush()
        self._has_new_id = True

    async def aflush(self) -> None:
        """See :meth:`flush`."""
        await super().aflush()
        self._has_new_id = True

    def _forget(self, session_id: str) -> None:
        if session_id == self.session_key:
            self._origin = None


class SessionStore(OwnedSession, RecordSession):
    """A session in a Kyoto Tycoon server, in the index of its user if it has one."""


# Django imports the engine when a site starts: the time to say that a setting is wrong.
if settings.configured:
    session_options()
