"""What is done to the index of a user's sessions, in steps for threads and for event loops."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

from kt_cache.cache.base import USER_PREFIX
from kt_cache.cache.steps import Ask, Compute, Steps, Wait
from kt_cache.client.operation import Pause
from kt_cache.errors import DecodeError, SessionUnavailable
from kt_cache.sessions.copies import Copies
from kt_cache.sessions.options import ADDRESS, AGENT
from kt_cache.sessions.outage import FAILURES
from kt_cache.sessions.places import Places
from kt_cache.sessions.store import SessionStore
from kt_cache.sessions.user_index import (
    Digest,
    Entries,
    Entry,
    Owned,
    UserIndexFormat,
    UserSession,
    digest_of,
    handle_of,
    new_entry,
    shown,
)

__all__ = ["MOST_SESSIONS", "UserSessionSteps"]

logger = logging.getLogger("kt_cache.sessions")

MOST_SESSIONS = 1000
"""Sessions that a user can have at a time."""

_TIDY_EVERY = 50  # entries; a login that finds so many, or twice as many, looks for what is over
_GRACE = 60.0  # seconds that a session may take from its entry in the index to its record
_ATTEMPTS = 200
_UNSURE = (*FAILURES, SessionUnavailable)  # whoever gets one may have stored the session
_PAGE = 500  # users whose records are looked through at once


class _Record(NamedTuple):
    """An index record as it was read: its payload, and the token for writing it."""

    payload: bytes | None
    token: bytes | None


_NO_RECORD = _Record(None, None)


class UserSessionSteps:
    """The steps of :class:`~kt_cache.sessions.users.UserSessions`, which has the parameters."""

    def __init__(
        self,
        sessions: SessionStore,
        *,
        realm: str,
        lifetime_of: Callable[[dict[str, Any]], float | None],
        owner_of: Callable[[dict[str, Any]], object] | None = None,
        copies: Copies | None = None,
        most: int = MOST_SESSIONS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._store = sessions.store
        self._format = UserIndexFormat(sessions.codec, realm)
        self._lifetime_of = lifetime_of
        self._owner_of = owner_of
        self._most = most
        self._clock = clock
        self._notes = sessions.options.note_visitors
        self._places = Places(sessions, copies)
        self._unsure: tuple[type[Exception], ...] = (
            _UNSURE if copies is None else (*_UNSURE, *copies.failures)
        )

    def _storing(
        self,
        now: Owned | None,
        before: Owned | None,
        save: Callable[[], Any],
        discard: Callable[[], Any],
        address: str | None,
        agent: str | None,
    ) -> Steps[bool]:
        if now is not None:
            is_same_user = before is not None and before.user == now.user
            continues = before.session_id if before is not None and is_same_user else None
            noting = self._noting(now.user, now.session_id, continues, address, agent)
            if not (yield from noting):
                return False
        try:
            yield Compute(save)
        except self._unsure:
            raise
        except Exception:
            if now is not None:
                yield from self._letting_go(now)
            raise
        if now is not None and not (yield from self._knowing(now.user, now.session_id)):
            yield Compute(discard)
            return False
        if before is not None and before != now:
            yield from self._letting_go(before)
        return True

    def _letting_go(self, owned: Owned) -> Steps[None]:
        """Take a session out of the index, where what became of it matters more than that.

        An entry that stays is left out when the index is next looked through. But a session whose
        new id its visitor is not told is lost.
        """
        with suppress(*_UNSURE):
            yield from self._forgetting(owned.user, owned.session_id)

    def _noting(
        self,
        user: object,
        session_id: str,
        continues: str | None,
        address: str | None,
        agent: str | None,
    ) -> Steps[bool]:
        key, digest = self._format.key_of(user), self._digest(session_id)
        for pause in _pauses():
            record, entries = yield from self._reading_or_losing(key)
            entry = entries.get(digest)
            if entry is None and continues is not None:
                # Who ends a session may know only its id, and leave its entry here.
                if not (yield from self._places.has(continues)):
                    return False
                entry = entries.get(self._digest(continues))
            if entry is not None and entry.ended:
                return False
            now = self._clock()
            doomed = yield from self._making_room(entries)
            entries[digest] = replace(
                entry or self._new_entry(now, address, agent),
                noted=now,
                session_id=self._places.noted_id(session_id),
            )
            if (yield from self._writing(key, record, entries)):
                if doomed:
                    yield from self._places.remove(doomed)
                return True
            yield Wait(pause)
        raise _too_busy()

    def _new_entry(self, now: float, address: str | None, agent: str | None) -> Entry:
        return new_entry(
            now,
            address if ADDRESS in self._notes else None,
            agent if AGENT in self._notes else None,
        )

    def _making_room(self, entries: Entries) -> Steps[Entries]:
        """Leave out sessions that are over, and mark the oldest as ended if there are too many.

        :return: those marked.
        """
        is_due = len(entries) % _TIDY_EVERY == 0 and len(entries) > 0
        if not is_due and len(entries) < self._most:
            return {}
        yield from self._tidying(entries)
        live = [digest for digest, entry in entries.items() if not entry.ended]
        live.sort(key=lambda digest: entries[digest].created)
        return _mark_as_ended(live[: max(0, len(live) + 1 - self._most)], entries)

    def _tidying(self, entries: Entries) -> Steps[int]:
        """Leave out sessions that are over; how many that were."""
        return self._leave_out(entries, (yield from self._places.present(entries)))

    def _leave_out(self, entries: Entries, present: Collection[Digest]) -> int:
        settled = self._clock() - _GRACE
        over = [
            digest
            for digest, entry in entries.items()
            if digest not in present and entry.noted < settled
        ]
        for digest in over:
            del entries[digest]
        return len(over)

    def _knowing(self, user: object, session_id: str) -> Steps[bool]:
        _, entries = yield from self._reading_or_losing(self._format.key_of(user))
        entry = entries.get(self._digest(session_id))
        return entry is not None and not entry.ended

    def _forgetting(self, user: object, session_id: str) -> Steps[bool]:
        key, digest = self._format.key_of(user), self._digest(session_id)
        for pause in _pauses():
            record, entries = yield from self._reading_or_losing(key)
            if entries.pop(digest, None) is None:
                return False
            if (yield from self._writing(key, record, entries)):
                return True
            yield Wait(pause)
        raise _too_busy()

    def _listing(self, user: object, current: str | None) -> Steps[list[UserSession]]:
        key = self._format.key_of(user)
        record, entries = yield from self._reading(key)
        readable, present = yield from self._places.read(entries)
        theirs = {
            digest: stored for digest, stored in readable.items() if self._is_of(user, stored[0])
        }
        if self._leave_out(entries, present - (readable.keys() - theirs.keys())):
            # Whoever has changed the record meanwhile is not to be waited for: next time, then.
            yield from self._writing(key, record, entries)
        own = None if current is None else self._digest(current)
        seen = {
            digest: self._last_seen(entries[digest], *stored) for digest, stored in theirs.items()
        }
        return [
            shown(digest, entries[digest], seen[digest], digest == own)
            for digest in sorted(seen, key=seen.__getitem__, reverse=True)
        ]

    def _is_of(self, user: object, data: dict[str, Any]) -> bool:
        """Tell whether a session is a user's; who wrote over it may not have known whose it was."""
        if self._owner_of is None:
            return True
        owner = self._owner_of(data)
        return owner is not None and str(owner) == str(user)

    def _last_seen(self, entry: Entry, data: dict[str, Any], left: float) -> float:
        """Return when a session was stored for the last time, by what it had left then and now."""
        lifetime = self._lifetime_of(data)
        if lifetime is None or not isfinite(left):
            return entry.created
        now = self._clock()
        return min(now, max(entry.created, now - (lifetime - left)))

    def _killing_all(
        self, user: object, except_id: str | None, except_handles: Collection[str]
    ) -> Steps[int]:
        spared = None if except_id is None else self._digest(except_id)
        return (
            yield from self._killing(
                user, lambda digest: digest != spared and handle_of(digest) not in except_handles
            )
        )

    def _killing_one(self, user: object, handle: str) -> Steps[bool]:
        killed = yield from self._killing(user, lambda digest: handle_of(digest) == handle)
        return killed > 0

    def _killing(self, user: object, is_doomed: Callable[[Digest], bool]) -> Steps[int]:
        """Mark entries, remove the sessions, then the entries.

        Who stores a session at the same time does so before the removal, or finds the mark after
        it. If this is interrupted, the sessions are listed still, and can be ended again.
        """
        key = self._format.key_of(user)
        for pause in _pauses():
            record, entries = yield from self._reading(key)
            doomed = _mark_as_ended(filter(is_doomed, list(entries)), entries)
            if not doomed:
                return 0
            marked = yield from self._writing(key, record, entries)
            if marked is not None:
                break
            yield Wait(pause)
        else:
            raise _too_busy()
        killed = yield from self._places.remove(doomed)
        for digest in doomed:
            del entries[digest]
        # If others have changed the record meanwhile, the marks stay until the next tidying.
        yield from self._writing(key, marked, entries)
        return killed

    def _sweeping(self) -> Steps[int]:
        swept, after = 0, None
        while True:
            keys, after = yield Ask("page", USER_PREFIX, after, _PAGE)
            for key in keys:
                try:
                    record, entries = yield from self._reading(key)
                except DecodeError as error:
                    logger.warning("%s", error.message)
                    continue
                over = yield from self._tidying(entries)
                # Nothing else writes the record of a user who stays logged in, and keys change.
                is_current = self._format.encode(entries, key) == record.payload
                if not is_current and (yield from self._writing(key, record, entries)):
                    swept += over
            if after is None:
                return swept

    def _reading(self, key: bytes) -> Steps[tuple[_Record, Entries]]:
        """Return a user's record and its entries.

        :raises DecodeError: if it cannot be read.
        """
        record = yield from self._fetching(key)
        return record, self._entries_of(record, key)

    def _reading_or_losing(self, key: bytes) -> Steps[tuple[_Record, Entries]]:
        """Do as :meth:`_reading`, where people who log in must not be kept from it."""
        record = yield from self._fetching(key)
        try:
            return record, self._entries_of(record, key)
        except DecodeError as error:
            logger.warning("%s; for now it begins anew", error.message)
            return record, {}

    def _fetching(self, key: bytes) -> Steps[_Record]:
        found = yield Ask("get_record", key)
        return _NO_RECORD if found is None else _Record(found[0], found[1])

    def _entries_of(self, record: _Record, key: bytes) -> Entries:
        return {} if record.payload is None else self._format.decode(record.payload, key)

    def _writing(self, key: bytes, record: _Record, entries: Entries) -> Steps[_Record | None]:
        """Put entries in the place of a record as it was read; ``None`` if it has changed since."""
        if entries:
            payload = self._format.encode(entries, key)
            token = yield Ask("swap_record", key, record.token, payload, None)
            return None if token is None else _Record(payload, token)
        if record.payload is None or (yield Ask("swap", key, record.payload, None, None)):
            return _NO_RECORD
        return None

    def _digest(self, session_id: str) -> Digest:
        return digest_of(self._sessions.record_key(session_id))


def _mark_as_ended(sessions: Iterable[Digest], entries: Entries) -> Entries:
    """Mark entries; return the marked ones."""
    marked = {digest: replace(entries[digest], ended=True) for digest in sessions}
    entries.update(marked)
    return marked


def _pauses() -> Iterator[float]:
    """Yield seconds to wait after each attempt."""
    return (Pause(lost).seconds for lost in range(1, _ATTEMPTS + 1))


def _too_busy() -> SessionUnavailable:
    return SessionUnavailable(
        f"the list of a user's sessions was changed by others {_ATTEMPTS} times while it was to "
        "be changed: too many sessions of one user begin and end at the same time"
    )
