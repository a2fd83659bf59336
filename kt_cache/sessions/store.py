"""Session records in a store."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from time import monotonic
from typing import Any, TypeVar

from kt_cache.cache.base import PROTECTED_PREFIX
from kt_cache.cache.codec import Codec
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict
from kt_cache.errors import DecodeError, KTError, SessionUnavailable
from kt_cache.sessions import saving
from kt_cache.sessions.lifetimes import Lifetime, seconds_of
from kt_cache.sessions.options import ERROR, LAST_WRITE, SessionOptions
from kt_cache.sessions.origin import UNSTORED, Loaded, Origin
from kt_cache.sessions.outage import (
    FAILURES,
    note_dropped_write,
    note_empty_session,
    note_unreadable_session,
    unavailable,
)

__all__ = ["SessionStore"]

T = TypeVar("T")

_USUAL = SessionOptions()


class SessionStore:
    """Keeps one record per session: a mapping of top-level keys to what the codec can store.

    :meth:`load` gives the data and an :class:`~kt_cache.sessions.Origin`; whoever saves hands that
    back and gets a new one, for the next save. So a save is one swap from the record as it was
    loaded to the new one. Only if that is refused, because another request has changed the session,
    the three versions are compared, as the option ``mode`` says. Nobody but :meth:`create` makes a
    record: a session that was deleted never comes back.

    A record's key is a SHA-256 of the session id under a prefix that no ``clear()`` touches, so
    an id can be read from no listing, log or error. Any text is an id; adapters take over none
    that :meth:`load` does not find.

    A failure of the store never looks like a missing session, also if the cache on the same store
    ignores it: it raises :class:`~kt_cache.errors.SessionUnavailable`. With the option
    ``on_failure="read-only"`` it does so only where the caller must know, in :meth:`exists`,
    :meth:`create` and :meth:`delete`, and if the database does not exist; :meth:`load` then gives
    an empty session with an origin that ``is_read_only``, and what would write one is dropped.

    Every method has a twin for event loops, its name with an ``a`` before it.

    :param store: where the records are.
    :param codec: how a session's data becomes a payload.
    :param options: how sessions are saved and renewed.
    """

    def __init__(self, store: Store, codec: Codec, options: SessionOptions = _USUAL) -> None:
        self.store = strict(store)
        self.codec = codec
        self.options = options

    @staticmethod
    def record_key(session_id: str) -> bytes:
        """Return the key of a session's record."""
        digest = hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
        return PROTECTED_PREFIX + digest.encode()

    # ------------------------------------------------------------ reading

    def load(self, session_id: str) -> Loaded | None:
        """Return a session, or ``None`` if there is no such session. One round trip.

        :raises SessionUnavailable: if the store fails and the options do not say ``read-only``.
        """
        key = self.record_key(session_id)
        try:
            found = self.store.get_record(key)
        except FAILURES as error:
            return self._not_loaded(error)
        return None if found is None else self._loaded(key, *found)

    async def aload(self, session_id: str) -> Loaded | None:
        """See :meth:`load`."""
        key = self.record_key(session_id)
        try:
            found = await self.store.aget_record(key)
        except FAILURES as error:
            return self._not_loaded(error)
        return None if found is None else self._loaded(key, *found)

    def exists(self, session_id: str) -> bool:
        """Tell whether there is such a session. One round trip.

        :raises SessionUnavailable: if the store fails.
        """
        return self._run(_existing(self.record_key(session_id)))

    async def aexists(self, session_id: str) -> bool:
        """See :meth:`exists`."""
        return await self._arun(_existing(self.record_key(session_id)))

    # ------------------------------------------------------------ writing

    def create(
        self,
        session_id: str,
        data: MutableMapping[str, Any],
        lifetime: float,
        *,
        over_unreadable: bool = False,
    ) -> Origin | None:
        """Store a new session, atomically. One round trip.

        :param lifetime: seconds; zero and below stores nothing.
        :param over_unreadable: a record that cannot be read is in nobody's way.
        :return: ``None`` if the id is taken.
        :raises EncodeError: if the data cannot be stored.
        :raises SessionUnavailable: if the store fails.
        """
        return self._run(self._creating(session_id, data, lifetime, over_unreadable))

    async def acreate(
        self,
        session_id: str,
        data: MutableMapping[str, Any],
        lifetime: float,
        *,
        over_unreadable: bool = False,
    ) -> Origin | None:
        """See :meth:`create`."""
        return await self._arun(self._creating(session_id, data, lifetime, over_unreadable))

    def save(
        self,
        session_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin | None = None,
    ) -> Origin | None:
        """Store the data of an existing session. One round trip, unless others changed it.

        :param data: what others have changed meanwhile is changed in it, too, if that is merged.
        :param lifetime: seconds from now; zero and below ends the session. A function of the data
            is asked again for data that was merged.
        :param origin: what loading, creating or saving it returned last; without one, whatever is
            stored is replaced.
        :return: where the next save starts from, or ``None`` if there is no such session any more.
        :raises SessionConflict: in the mode ``error``, if others changed the same key; in all but
            ``last-write``, if they do not stop changing the session. Nothing was stored.
        :raises EncodeError: if the data cannot be stored.
        :raises SessionUnavailable: if the store fails and the options do not say ``read-only``.
        """
        return self._write(self._saving(session_id, data, lifetime, origin), origin)

    async def asave(
        self,
        session_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin | None = None,
    ) -> Origin | None:
        """See :meth:`save`."""
        return await self._awrite(self._saving(session_id, data, lifetime, origin), origin)

    def touch(self, session_id: str, lifetime: float, origin: Origin) -> Origin | None:
        """Give a session its lifetime anew and leave its data alone.

        No round trip as long as less than the part ``touch_after`` of its lifetime is over.

        :param lifetime: seconds from now; zero and below ends the session.
        :param origin: what loading, creating or saving it returned last.
        :return: as of :meth:`save`; a session that is not due is not asked for.
        :raises SessionUnavailable: if the store fails and the options do not say ``read-only``.
        """
        return self._write(self._touching(session_id, lifetime, origin), origin)

    async def atouch(self, session_id: str, lifetime: float, origin: Origin) -> Origin | None:
        """See :meth:`touch`."""
        return await self._awrite(self._touching(session_id, lifetime, origin), origin)

    def keep(
        self, session_id: str, data: MutableMapping[str, Any], lifetime: Lifetime, origin: Origin
    ) -> Origin | None:
        """Save a session whose data differs from what is stored, and touch another one.

        Arguments, result and errors are those of :meth:`save`.
        """
        return self._write(self._keeping(session_id, data, lifetime, origin), origin)

    async def akeep(
        self, session_id: str, data: MutableMapping[str, Any], lifetime: Lifetime, origin: Origin
    ) -> Origin | None:
        """See :meth:`keep`."""
        return await self._awrite(self._keeping(session_id, data, lifetime, origin), origin)

    def move(
        self,
        session_id: str,
        new_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin,
    ) -> Origin | None:
        """Store a session under a new id. Two round trips, unless others changed it.

        What others have changed since it was loaded goes along, as with :meth:`save`.

        :param data: as of :meth:`save`.
        :param lifetime: as of :meth:`save`.
        :param origin: what loading, creating or saving it returned last.
        :return: where the next save starts from, or ``None`` if the session was ended meanwhile:
            it does not go on under the new id either.
        :raises SessionConflict: as :meth:`save`, or if the new id is taken.
        :raises EncodeError: if the data cannot be stored.
        :raises SessionUnavailable: if the store fails, or did when the session was loaded.
        """
        return self._run(self._moving(session_id, new_id, data, lifetime, origin))

    async def amove(
        self,
        session_id: str,
        new_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin,
    ) -> Origin | None:
        """See :meth:`move`."""
        return await self._arun(self._moving(session_id, new_id, data, lifetime, origin))

    def delete(self, session_id: str) -> bool:
        """End a session. One round trip.

        :return: whether there was one.
        :raises SessionUnavailable: if the store fails; the session may be there still.
        """
        return self._run(saving.delete(self.record_key(session_id)))

    async def adelete(self, session_id: str) -> bool:
        """See :meth:`delete`."""
        return await self._arun(saving.delete(self.record_key(session_id)))

    # ------------------------------------------------------------ which steps to take

    def _creating(
        self, session_id: str, data: MutableMapping[str, Any], lifetime: float, anyway: bool
    ) -> Steps[Origin | None]:
        key = self.record_key(session_id)
        payload = self.codec.encode(_as_dict(data), key)
        if anyway:
            return saving.create_over_unreadable(key, payload, lifetime, self.codec)
        return saving.create(key, payload, lifetime)

    def _saving(
        self,
        session_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin | None,
    ) -> Steps[Origin | None]:
        key = self.record_key(session_id)
        payload = self.codec.encode(_as_dict(data), key)
        return self._storing(key, data, payload, lifetime, origin)

    def _keeping(
        self, session_id: str, data: MutableMapping[str, Any], lifetime: Lifetime, origin: Origin
    ) -> Steps[Origin | None]:
        key = self.record_key(session_id)
        payload = self.codec.encode(_as_dict(data), key)
        if payload == origin.payload or (origin.is_read_only and not data):
            return self._touching(session_id, seconds_of(lifetime, data), origin)
        return self._storing(key, data, payload, lifetime, origin)

    def _storing(
        self,
        key: bytes,
        data: MutableMapping[str, Any],
        payload: bytes,
        lifetime: Lifetime,
        origin: Origin | None,
    ) -> Steps[Origin | None]:
        if origin is not None and origin.is_read_only:
            note_dropped_write()
            return saving.leave(origin)
        seconds = seconds_of(lifetime, data)
        if seconds <= 0:
            return saving.end(key, payload)
        mode = self.options.mode
        if origin is None or origin.token is None or mode == LAST_WRITE:
            return saving.replace(key, payload, seconds)
        refuse = mode == ERROR
        return saving.save(
            key, data, payload, lifetime, seconds, origin, self.codec, refuse_conflicts=refuse
        )

    def _moving(
        self,
        session_id: str,
        new_id: str,
        data: MutableMapping[str, Any],
        lifetime: Lifetime,
        origin: Origin,
    ) -> Steps[Origin | None]:
        if origin.is_read_only:
            raise SessionUnavailable(
                "the session could not be loaded, so it cannot be moved to a new id"
            )
        key, new_key = self.record_key(session_id), self.record_key(new_id)
        if self.options.mode == ERROR:
            # What cannot go on must be known before there is another record.
            saved = yield from self._saving(session_id, data, lifetime, origin)
            if saved is None:
                return None
            origin = saved
        payload = self.codec.encode(_as_dict(data), new_key)
        moving = saving.move(
            key,
            new_key,
            data,
            payload,
            lifetime,
            origin,
            self.codec,
            last_write=self.options.mode == LAST_WRITE,
        )
        return (yield from moving)

    def _touching(self, session_id: str, lifetime: float, origin: Origin) -> Steps[Origin | None]:
        if origin.is_read_only:
            return saving.leave(origin)
        if lifetime <= 0:
            return saving.end(self.record_key(session_id), origin.payload)
        # A lifetime that was made shorter is given at once, too.
        if abs(lifetime - origin.seconds_left) < lifetime * self.options.touch_after:
            return saving.leave(origin)
        return saving.touch(self.record_key(session_id), lifetime, origin)

    # ------------------------------------------------------------ what both ways share

    def _run(self, steps: Steps[T]) -> T:
        try:
            return run(self.store, steps)
        except FAILURES as error:
            raise unavailable(error) from error

    async def _arun(self, steps: Steps[T]) -> T:
        try:
            return await arun(self.store, steps)
        except FAILURES as error:
            raise unavailable(error) from error

    def _write(self, steps: Steps[Origin | None], origin: Origin | None) -> Origin | None:
        try:
            return run(self.store, steps)
        except FAILURES as error:
            return self._not_written(error, origin)

    async def _awrite(self, steps: Steps[Origin | None], origin: Origin | None) -> Origin | None:
        try:
            return await arun(self.store, steps)
        except FAILURES as error:
            return self._not_written(error, origin)

    def _loaded(self, key: bytes, payload: bytes, token: bytes, left: float) -> Loaded | None:
        try:
            data = self.codec.decode(payload, key)
        except DecodeError as error:
            note_unreadable_session(error.message)
            return None
        if not isinstance(data, dict):
            note_unreadable_session("it is not a mapping")
            return None
        return Loaded(data, Origin(payload, token, monotonic() + left))

    def _not_loaded(self, error: KTError) -> Loaded:
        if not self.options.goes_on_after(error):
            raise unavailable(error) from error
        note_empty_session(error)
        return Loaded({}, UNSTORED)

    def _not_written(self, error: KTError, origin: Origin | None) -> Origin:
        if not self.options.goes_on_after(error):
            raise unavailable(error) from error
        note_dropped_write(error)
        return (origin or UNSTORED)._replace(is_read_only=True)


def _as_dict(data: MutableMapping[str, Any]) -> dict[str, Any]:
    if isinstance(data, dict):
        return dict(dict.items(data))  # past what a subclass does for those who look into it
    return dict(data)


def _existing(key: bytes) -> Steps[bool]:
    return (yield Ask("get", key)) is not None
