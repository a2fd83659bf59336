"""The engine ``"kt_cache.django.sessions_cached_db"``: sessions that the database keeps, too.

They are read from the server, as by :mod:`kt_cache.django.sessions`, and written to both: first to
the server, where the changes of requests that run at the same time are merged, then to the table of
``django.contrib.sessions``. A session that the server has lost is put back from there. Rows are
those of Django's own database engines, so a site can change over in either direction.

The order of things is what keeps an ended session from coming back: its row goes first, then its
record; and whoever puts a record back looks at the row once more behind that. Whoever ends a user's
sessions keeps to that order, too. As rows are found by the session's id alone, the users' indexes
hold ids here, which are in the table as well.

A session of a user is in that one's index before it is put back. So if the server has lost the
index, too, a session is listed, and can be ended, from its next request on.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as Rows
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError, router, transaction
from django.utils import timezone

from kt_cache.cache.steps import Compute, Steps, arun, run
from kt_cache.django.session_owners import OwnedSession
from kt_cache.django.session_rows import SessionRows
from kt_cache.django.sessions import RecordSession as Records
from kt_cache.sessions import UserSessions

__all__ = ["SessionStore"]

_LONGEST_ID = 40  # characters that a row has room for


class DoubleSession(Records, Rows):
    """A session in a record and in a row."""

    # ------------------------------------------------------------ reading

    def load(self) -> dict[str, Any]:
        """Return the session's data, from the database if the server does not have it."""
        return run(self._records.store, self._loading(_Calls("")))

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        return await arun(self._records.store, self._loading(_Calls("a")))

    def exists(self, session_key: str | None) -> bool:
        """Tell whether there is a session of that id, on the server or in the database."""
        return run(self._records.store, self._existing(_Calls(""), session_key))

    async def aexists(self, session_key: str | None) -> bool:
        """See :meth:`exists`."""
        return await arun(self._records.store, self._existing(_Calls("a"), session_key))

    # ------------------------------------------------------------ writing

    def save(self, must_create: bool = False) -> None:
        """Store the session in both places.

        A session that the server has lost meanwhile is put back; one whose row is gone was ended.

        :raises CreateError: with ``must_create``, if the id is taken.
        :raises UpdateError: without, if the session was ended meanwhile.
        :raises DatabaseError: if the database fails. A new session is in neither place then; of one
            that was there before, the record has what was changed and the row gets it with the
            next save that changes something.
        """
        run(self._records.store, self._saving(_Calls(""), must_create))

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        await arun(self._records.store, self._saving(_Calls("a"), must_create))

    def _move(self, new_key: str) -> None:
        run(self._records.store, self._changing_id(_Calls(""), new_key))

    async def _amove(self, new_key: str) -> None:
        await arun(self._records.store, self._changing_id(_Calls("a"), new_key))

    def delete(self, session_key: str | None = None) -> None:
        """End a session, this one by default."""
        run(self._records.store, self._deleting(_Calls(""), session_key))
        session_id = self.session_key if session_key is None else session_key
        using = router.db_for_write(self.model)
        if session_id is not None and transaction.get_connection(using).in_atomic_block:
            # Until the end of the transaction others see the row, and may put the record back.
            transaction.on_commit(partial(Records.delete, self, session_id), using=using)

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        await arun(self._records.store, self._deleting(_Calls("a"), session_key))

    # ------------------------------------------------------------ in steps

    def _loading(self, calls: _Calls) -> Steps[dict[str, Any]]:
        key = self._session_key
        data: dict[str, Any] = yield calls.of(Records, "load", self)
        is_on_server = self._session_key is not None and not self.is_read_only
        if is_on_server or not _may_have_row(key):
            return data
        self._session_key = key
        row = yield calls.of_row(self)
        if row is None:
            self._origin = None
            return {}
        data = self.decode(row.session_data)
        if self.is_read_only:
            return data
        left = (row.expire_date - timezone.now()).total_seconds()
        if not (yield from self._putting_back(calls, data, left)):
            data = yield calls.of(Records, "load", self)
        return data

    def _existing(self, calls: _Calls, session_key: str | None) -> Steps[bool]:
        if (yield calls.of(Records, "exists", self, session_key)):
            return True
        if not _may_have_row(session_key):
            return False
        return bool((yield calls.of(Rows, "exists", self, session_key)))

    def _saving(self, calls: _Calls, must_create: bool) -> Steps[None]:
        if self.session_key is None:
            yield calls.of(type(self), "create", self)
            return
        if must_create:
            yield calls.of(Records, "save", self, True)
            try:
                yield calls.of(Rows, "save", self, True)
            except GeneratorExit:
                raise
            except BaseException:  # there is no row, so nothing would end the record
                yield calls.of(Records, "delete", self)
                raise
            return
        before = self._origin
        try:
            yield calls.of(Records, "save", self)
        except UpdateError:
            if self.session_key is None:
                raise
            yield from self._saving_what_the_server_lost(calls)
            return
        if self.is_read_only or (before is not None and self._origin is before):
            return  # nothing was written
        yield from self._saving_row(calls)

    def _saving_row(self, calls: _Calls) -> Steps[None]:
        try:
            yield calls.of(Rows, "save", self)
        except UpdateError as error:  # as which Django raises whatever the database says
            if not (yield calls.of(Rows, "exists", self, self.session_key)):
                yield from self._deleting_record(calls)
                raise
            failure = error.__context__
            if isinstance(failure, DatabaseError):
                raise failure from failure.__cause__
            raise

    def _saving_what_the_server_lost(self, calls: _Calls) -> Steps[None]:
        yield from self._saving_row(calls)
        data = self._get_session()  # type: ignore[attr-defined]
        left = yield calls.of(type(self), "get_expiry_age", self)
        if not (yield from self._putting_back(calls, data, left)):
            raise UpdateError

    def _putting_back(self, calls: _Calls, data: dict[str, Any], left: float) -> Steps[bool]:
        """Make the record of a row anew, unless somebody else did; whether this is the one.

        One that cannot be read, for signatures or the serializer have changed, is as good as none.
        """
        key, records = self.session_key, self._records
        origin = yield calls.of(
            type(records), "create", records, key, data, left, over_unreadable=True
        )
        if origin is None:
            return False
        if not (yield calls.of(Rows, "exists", self, key)):
            yield from self._deleting_record(calls)
            return False
        self._origin = origin
        return True

    def _deleting_record(self, calls: _Calls) -> Steps[None]:
        """End the session on the server; its origin tells a new id from that of a new session."""
        yield calls.of(type(self._records), "delete", self._records, self.session_key)

    def _changing_id(self, calls: _Calls, new_key: str) -> Steps[None]:
        """Go on under a new id, if nobody has ended the session: its row tells."""
        self._refuse_a_new_id()
        earlier, before = self._session_key, self._origin
        try:
            self._session_key = new_key
            was_live = yield from self._storing_anew(calls, earlier)
        except BaseException:
            self._session_key, self._origin = earlier, before
            raise
        if not was_live:
            yield calls.of(DoubleSession, "delete", self)
            raise SessionInterrupted("The session was ended before it could get a new id.")
        yield calls.of(DoubleSession, "delete", self, earlier)

    def _storing_anew(self, calls: _Calls, earlier: str | None) -> Steps[bool]:
        """Store the session under its new id, and remove the earlier row; whether it was there."""
        yield calls.of(DoubleSession, "save", self, True)
        rows = self.model.objects.filter(session_key=earlier, expire_date__gt=timezone.now())
        try:
            # Of all who remove the row at the same time, one does.
            ended, _ = yield calls.of(type(rows), "delete", rows)
        except DatabaseError:
            yield from self._taking_back(calls)
            raise
        return bool(ended)

    def _taking_back(self, calls: _Calls) -> Steps[None]:
        """Remove what nobody is told the id of; a row that cannot be removed stays in the index."""
        try:
            yield calls.of(DoubleSession, "delete", self)
        except DatabaseError:
            yield calls.of(Records, "delete", self)

    def _deleting(self, calls: _Calls, session_key: str | None) -> Steps[None]:
        session_id = self.session_key if session_key is None else session_key
        if session_id is None:
            return
        if _may_have_row(session_id):
            yield calls.of(Rows, "delete", self, session_id)
        yield calls.of(Records, "delete", self, session_id)


class SessionStore(OwnedSession, DoubleSession):
    """A session in a Kyoto Tycoon server and in the database, in its user's index if it has one.

    The database is read only for a session that the server does not have, and written with every
    save. Of two requests that save at the same time either may write the row last: the record has
    what both changed, the row may lack some of it until the session is saved again.
    """

    @property
    def _copies(self) -> SessionRows:
        return SessionRows(self, self._records)

    def _putting_back(self, calls: _Calls, data: dict[str, Any], left: float) -> Steps[bool]:
        """Note the session in its user's index first: none is live without being listed.

        Who ends it from then on removes the row before the record, so if the row is there behind
        that, the record is still to be removed. The entry of one that is ended goes when its index
        is next looked through.
        """
        owned = self._owned(data, self.session_key)
        if owned is not None:
            note = calls.of(UserSessions, "note", self.users, owned.user, owned.session_id)
            if not (yield note):
                return False  # somebody is ending it
        return (yield from super()._putting_back(calls, data, left))

    @classmethod
    def clear_expired(cls) -> None:
        """Remove the rows of sessions that are over, and take those out of the indexes."""
        super(OwnedSession, cls).clear_expired()
        super().clear_expired()

    @classmethod
    async def aclear_expired(cls) -> None:
        """See :meth:`clear_expired`."""
        await super(OwnedSession, cls).aclear_expired()
        await super().aclear_expired()

    @classmethod
    def restore(cls) -> int:
        """Put back, and into the indexes, what the server has lost of what the database has.

        Every row is read, and takes three round trips or more.

        :return: how many sessions that were.
        :raises SessionUnavailable: if the server fails; call it again then.
        :raises DatabaseError: if the database fails.
        """
        rows = cls.get_model_class().objects.filter(expire_date__gt=timezone.now())
        keys = rows.values_list("session_key", flat=True)
        return sum(cls(key).put_back() for key in keys.iterator())

    def put_back(self) -> bool:
        """Put the session back, and into its user's index, if the server has lost either.

        :return: whether it has.
        """
        was_there = self._records.exists(str(self.session_key))
        self.load()
        owned = self._noted
        if owned is None or self.users.knows(owned.user, owned.session_id):
            return not was_there and self.session_key is not None
        self.users.note(owned.user, owned.session_id)
        if not self.exists(owned.session_id):  # it was ended meanwhile
            self.users.forget(owned.user, owned.session_id)
        return True


class _Calls:
    """Steps that call a method, or its twin for event loops.

    :param way: what stands before the twin's name.
    """

    def __init__(self, way: str) -> None:
        self._way = way

    def of(self, kind: type[Any], name: str, *arguments: Any, **options: Any) -> Compute:
        """Call a method as a class has it.

        :param arguments: the object, and the method's.
        """
        return Compute(partial(getattr(kind, self._way + name), *arguments, **options))

    def of_row(self, session: DoubleSession) -> Compute:
        """Read the session's row; without one it has no id any more."""
        return Compute(getattr(session, f"_{self._way}get_session_from_db"))


def _may_have_row(session_key: str | None) -> bool:
    """Tell whether the database can be asked for an id: some refuse what is no text to them."""
    if not session_key or len(session_key) > _LONGEST_ID:
        return False
    return session_key.isascii() and session_key.isalnum()
