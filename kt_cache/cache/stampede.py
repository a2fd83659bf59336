"""``get_or_set``: a value that is made when it is missing, by one caller and not by all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import Any, NamedTuple

from kt_cache.cache.base import MISSING, is_over
from kt_cache.cache.claims import claim, give_up_anyway, new_token
from kt_cache.cache.generations import those_that_count
from kt_cache.cache.log_limit import warn
from kt_cache.cache.notes import NOTED, Notes, attach, detach
from kt_cache.cache.patience import PatientStore
from kt_cache.cache.protection import Protection, growing_pauses, make_protection
from kt_cache.cache.steps import Ask, Compute, FunctionStopped, Steps, Wait, arun, run
from kt_cache.cache.store import Store
from kt_cache.cache.tags import TagMethods
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError, KTError, PoolTimeout

__all__ = ["StampedeMethods"]

_NO_NOTES = Notes()


@dataclass(frozen=True)
class Task:
    """One call of ``get_or_set``; see there."""

    raw: bytes  # the stored key
    leader: bytes  # the key of the record that says who is making the value
    make: Any
    timeout: float | None
    version: int | None
    tags: Iterable[str]
    protection: Protection | None

    @property
    def ttl(self) -> float | None:
        """Seconds for which the record is kept."""
        if self.timeout is None or self.protection is None:
            return self.timeout
        return self.timeout + self.protection.stale


class Entry(NamedTuple):
    """What is stored under a key.

    :param payload: as it is; ``None`` if there is none.
    :param value: ``MISSING`` if there is none, or none that counts.
    """

    payload: bytes | None
    value: Any
    notes: Notes


class Made(NamedTuple):
    """What a function returned.

    :param payload: without notes.
    :param noted: what is to be stored.
    """

    value: Any
    payload: bytes
    noted: bytes


class _KeepOld(Exception):
    """A function failed, and there is an old value.

    :param cause: its error.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


_NOTHING = Entry(None, MISSING, _NO_NOTES)


class StampedeMethods(TagMethods):
    """The part of the cache that makes values that are missing."""

    def get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """Return a value; if there is none, make it, store it and return it.

        With ``lock``, ``stale`` or ``beta`` one caller at a time calls the function, wherever they
        are, and the others wait for the value. If it raises, the next one calls it at once, unless
        there is an old value: all get that then, for the time of ``lock``. If the
        caller dies, when its time is over. Nobody waits longer than twice that time and 4 seconds;
        whoever has waited that long calls the function, too. While the server's failures are
        ignored and it fails, everybody calls it.

        The value is what is stored, decoded anew, also for the caller who made it.

        :param default: the value, or a function that makes it; for the a-method also a coroutine
            function.
        :param lock: seconds that the one who calls the function has; ``True`` for 30.
        :param stale: seconds for which the value is kept beyond its timeout. Meanwhile one caller
            makes it anew and the others get the old one, without waiting.
        :param beta: also make it anew before its timeout, by chance, the earlier the longer the
            making takes; 1.0 is a good value, more is earlier.
        :param tags: of the value. What is deleted while the function runs is deleted.
        :raises ConfigError: if an option is not understood.
        :raises EncodeError: if the codec cannot encode the value.
        """
        protection = make_protection(lock, stale, beta)
        raw = self.make_key(key, version)
        payload = self.store.get(raw)
        entry = self._plain_entry(raw, payload)
        if entry is not None and entry.value is not MISSING:
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(raw, leader, default, timeout, version, tags or (), protection)
        return run(self._patient_store(task), self._getting_or_setting(task, payload, entry))

    async def aget_or_set(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """See :meth:`get_or_set`."""
        protection = make_protection(lock, stale, beta)
        raw = self.make_key(key, version)
        payload = await self.store.aget(raw)
        entry = self._plain_entry(raw, payload)
        if entry is not None and entry.value is not MISSING:
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(raw, leader, default, timeout, version, tags or (), protection)
        return await arun(self._patient_store(task), self._getting_or_setting(task, payload, entry))

    def _patient_store(self, task: Task) -> Store:
        """Return the store with which many callers of one protected value take turns."""
        store = self.store
        if (
            task.protection is None
            or not self._ignores_errors
            or not isinstance(store, StoreWrapper)
        ):
            return store
        # A claim that finds no connection is nothing to wait for if there is an old value.
        return PatientStore(store, task.protection.patience, ("add", task.leader))

    # ------------------------------------------------------------ in steps

    def _getting_or_setting(
        self, task: Task, payload: bytes | None, entry: Entry | None
    ) -> Steps[Any]:
        """Go on from what is stored.

        :param entry: what the payload means, if that is known already.
        """
        if entry is None:
            entry = yield from self._entry(task.raw, payload)
        if not self._must_make(entry, task.protection):
            return entry.value
        if task.protection is None:
            return (yield from self._making_if_missing(task, entry))
        return (yield from self._taking_turns(task, task.protection, entry))

    def _making_if_missing(self, task: Task, entry: Entry) -> Steps[Any]:
        """Make a value, store it unless somebody else was faster, and return what counts."""
        made = yield from self._making(task, _NOTHING)
        value, payload = made.value, made.noted
        if is_over(task.timeout):
            return value
        store = Ask("add", task.raw, payload, task.ttl)
        if entry.payload is not None:  # what counts as missing may be there all the same
            store = Ask("swap", task.raw, entry.payload, payload, task.ttl)
        try:
            if (yield store):
                return self._as_stored(task, made)
        except KTError as error:
            if not self._ignores(error):
                raise
            return value
        other = yield from self._entry(task.raw, (yield Ask("get", task.raw)))
        return value if other.value is MISSING else other.value

    def _taking_turns(self, task: Task, protection: Protection, entry: Entry) -> Steps[Any]:
        """Make a value if it is this caller's turn; get it from whose turn it is if not."""
        token = new_token()
        deadline = time.monotonic() + protection.patience
        pauses = growing_pauses()
        while time.monotonic() < deadline:
            try:
                leads = yield from claim(task.leader, token, protection.turn)
            except KTError as error:
                if not self._ignores(error):
                    raise
                if entry.value is not MISSING:
                    return entry.value
                if not isinstance(error, PoolTimeout):
                    break
                leads = False
            if leads:
                return (yield from self._leading(task, entry, token))
            if entry.value is MISSING:
                entry = yield from self._watching(task, deadline, pauses)
            if entry.value is not MISSING:
                return entry.value
        return (yield from self._making_and_storing(task, entry))

    def _leading(self, task: Task, before: Entry, token: bytes) -> Steps[Any]:
        """Make a value, unless somebody else did since the caller looked."""
        try:
            entry = yield from self._entry(task.raw, (yield Ask("get", task.raw)))
            if entry.value is MISSING or entry.payload == before.payload:
                value = yield from self._making_and_storing(task, entry)
            else:
                value = entry.value
        except GeneratorExit:
            raise
        except BaseException:
            yield from give_up_anyway(task.leader, token)
            raise
        yield from give_up_anyway(task.leader, token)
        return value

    def _watching(self, task: Task, deadline: float, pauses: Iterator[float]) -> Steps[Entry]:
        """Wait until there is a value, or nobody who makes it, or no time left."""
        while True:
            yield Wait(max(0.0, min(next(pauses), deadline - time.monotonic())))
            # An observer takes the kind of the first key for that of the call.
            found = yield Ask("get_many", [task.leader, task.raw])
            entry = yield from self._entry(task.raw, found.get(task.raw))
            over = time.monotonic() >= deadline
            if entry.value is not MISSING or task.leader not in found or over:
                return entry

    def _making_and_storing(self, task: Task, old: Entry) -> Steps[Any]:
        try:
            made = yield from self._making(task, old)
        except _KeepOld as failed:
            error = failed.cause
        else:
            return (yield from self._storing(task, made))
        return (yield from self._keeping(task, old, error))

    def _storing(self, task: Task, made: Made) -> Steps[Any]:
        if is_over(task.timeout) or (yield Ask("set", task.raw, made.noted, task.ttl)) is False:
            return made.value  # it is not stored
        return self._as_stored(task, made)

    def _keeping(self, task: Task, old: Entry, error: Exception) -> Steps[Any]:
        """Let a value count as fresh until it is time to try again, as making it anew failed."""
        found = yield Ask("get_with_ttl", task.raw)
        payload, left = found or (None, 0.0)
        entry = yield from self._entry(task.raw, payload)
        if payload is None or entry.value is MISSING:  # deleted in the meantime
            raise error
        if payload != old.payload or task.protection is None:
            return entry.value
        text = "making a value anew failed: %s; the old one is kept in use for now"
        cause = error.cause if isinstance(error, FunctionStopped) else error
        warn("kept", text, type(cause).__name__)
        plain, notes = detach(payload)
        fresh = replace(notes, fresh_until=self._clock() + task.protection.turn)
        ttl = None if isinf(left) else left
        try:
            yield Ask("swap", task.raw, payload, attach(plain, fresh), ttl)
        except KTError as second:
            if not self._ignores(second):
                raise
        return old.value

    def _as_stored(self, task: Task, made: Made) -> Any:
        """Return a value as all others will get it, and as one that is nobody else's."""
        return self._decode(task.raw, made.payload, made.value)

    def _making(self, task: Task, old: Entry) -> Steps[Made]:
        """Call the function.

        :param old: what is stored, and is returned should the function fail.
        """
        # Before the function: what it reads may change, and a tag be deleted, while it runs.
        tags = yield from self._generations(task.tags, task.ttl, task.version)
        began = time.monotonic()
        try:
            value = (yield Compute(task.make)) if callable(task.make) else task.make
        except ConfigError:
            raise
        except Exception as error:
            if old.value is MISSING:
                raise
            raise _KeepOld(error) from error
        seconds = time.monotonic() - began
        payload = noted = self.codec.encode(value, task.raw)
        fresh_until = inf
        if task.timeout is not None and task.protection is not None and task.protection.needs_notes:
            fresh_until = self._clock() + task.timeout
        if tags or fresh_until != inf:
            noted = attach(payload, Notes(fresh_until, seconds, tags))
        return Made(value, payload, noted)

    def _plain_entry(self, raw: bytes, payload: bytes | None) -> Entry | None:
        """Return what a stored payload without notes means; ``None`` if it has notes.

        Without notes a value is never to be made anew, so it is the answer.
        """
        if payload is None:
            return _NOTHING
        if payload[:1] == NOTED:
            return None
        return Entry(payload, self._decode(raw, payload, MISSING), _NO_NOTES)

    def _entry(self, raw: bytes, payload: bytes | None) -> Steps[Entry]:
        """Return what a stored payload means."""
        if payload is None:
            return _NOTHING
        entry = self._plain_entry(raw, payload)
        if entry is not None:
            return entry
        found = (yield from those_that_count({raw: payload})).get(raw)
        if found is None:
            return Entry(payload, MISSING, _NO_NOTES)
        plain, notes = found
        return Entry(payload, self._decode(raw, plain, MISSING), notes)

    def _must_make(self, entry: Entry, protection: Protection | None) -> bool:
        if entry.value is MISSING:
            return True
        return protection is not None and protection.is_due(entry.notes, self._clock())
