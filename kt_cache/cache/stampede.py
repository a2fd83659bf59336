"""``get_or_set``: a value that is made when it is missing, by one caller and not by all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from kt_cache.cache.base import MISSING, is_over
from kt_cache.cache.claims import claim, give_up_anyway, new_token
from kt_cache.cache.generations import those_that_count
from kt_cache.cache.notes import NOTED, Notes, attach
from kt_cache.cache.protection import Protection, growing_pauses, make_protection
from kt_cache.cache.steps import Ask, Compute, Steps, Wait, arun, run
from kt_cache.cache.tags import TagMethods
from kt_cache.errors import KTError

__all__ = ["StampedeMethods"]

_NO_NOTES = Notes()


@dataclass(frozen=True)
class Task:
    """One call of ``get_or_set``; see there."""

    key: Any
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
        are, and the others wait for the value. If it raises, the next one calls it at once; if the
        caller dies, when its time is over. Nobody waits longer than twice that time and 4 seconds;
        whoever has waited that long calls the function, too. While the server's failures are
        ignored and it fails, everybody calls it.

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
        entry = self._plain_entry(key, raw, payload)
        if entry is not None and entry.value is not MISSING:
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(key, raw, leader, default, timeout, version, tags or (), protection)
        return run(self.store, self._getting_or_setting(task, payload, entry))

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
        entry = self._plain_entry(key, raw, payload)
        if entry is not None and entry.value is not MISSING:
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(key, raw, leader, default, timeout, version, tags or (), protection)
        return await arun(self.store, self._getting_or_setting(task, payload, entry))

    # ------------------------------------------------------------ in steps

    def _getting_or_setting(
        self, task: Task, payload: bytes | None, entry: Entry | None
    ) -> Steps[Any]:
        """Go on from what is stored.

        :param entry: what the payload means, if that is known already.
        """
        if entry is None:
            entry = yield from self._entry(task.key, task.raw, payload)
        if not self._must_make(entry, task.protection):
            return entry.value
        if task.protection is None:
            return (yield from self._making_if_missing(task, entry))
        return (yield from self._taking_turns(task, task.protection, entry))

    def _making_if_missing(self, task: Task, entry: Entry) -> Steps[Any]:
        """Make a value, store it unless somebody else was faster, and return what counts."""
        value, payload = yield from self._making(task)
        if is_over(task.timeout):
            return value
        store = Ask("add", task.raw, payload, task.ttl)
        if entry.payload is not None:  # what counts as missing may be there all the same
            store = Ask("swap", task.raw, entry.payload, payload, task.ttl)
        try:
            if (yield store):
                return value
        except KTError as error:
            if not self._ignores(error):
                raise
            return value
        other = yield from self._entry(task.key, task.raw, (yield Ask("get", task.raw)))
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
                break
            if leads:
                return (yield from self._leading(task, entry, token))
            if entry.value is MISSING:
                entry = yield from self._watching(task, deadline, pauses)
            if entry.value is not MISSING:
                return entry.value
        return (yield from self._making_and_storing(task))

    def _leading(self, task: Task, before: Entry, token: bytes) -> Steps[Any]:
        """Make a value, unless somebody else did since the caller looked."""
        try:
            entry = yield from self._entry(task.key, task.raw, (yield Ask("get", task.raw)))
            if entry.value is MISSING or entry.payload == before.payload:
                value = yield from self._making_and_storing(task)
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
            found = yield Ask("get_many", [task.raw, task.leader])
            entry = yield from self._entry(task.key, task.raw, found.get(task.raw))
            over = time.monotonic() >= deadline
            if entry.value is not MISSING or task.leader not in found or over:
                return entry

    def _making_and_storing(self, task: Task) -> Steps[Any]:
        value, payload = yield from self._making(task)
        if not is_over(task.timeout):
            yield Ask("set", task.raw, payload, task.ttl)
        return value

    def _making(self, task: Task) -> Steps[tuple[Any, bytes]]:
        """Return a new value, and the payload to store."""
        # Before the function: what it reads may change, and a tag be deleted, while it runs.
        tags = yield from self._generations(task.tags, task.ttl, task.version)
        began = time.monotonic()
        value = (yield Compute(task.make)) if callable(task.make) else task.make
        seconds = time.monotonic() - began
        payload = self.codec.encode(value, task.raw)
        fresh_until = inf
        if task.timeout is not None and task.protection is not None and task.protection.needs_notes:
            fresh_until = self._clock() + task.timeout
        if tags or fresh_until != inf:
            payload = attach(payload, Notes(fresh_until, seconds, tags))
        return value, payload

    def _plain_entry(self, key: Any, raw: bytes, payload: bytes | None) -> Entry | None:
        """Return what a stored payload without notes means; ``None`` if it has notes.

        Without notes a value is never to be made anew, so it is the answer.
        """
        if payload is None:
            return _NOTHING
        if payload[:1] == NOTED:
            return None
        return Entry(payload, self._decode(key, raw, payload, MISSING), _NO_NOTES)

    def _entry(self, key: Any, raw: bytes, payload: bytes | None) -> Steps[Entry]:
        """Return what a stored payload means."""
        if payload is None:
            return _NOTHING
        entry = self._plain_entry(key, raw, payload)
        if entry is not None:
            return entry
        found = (yield from those_that_count({raw: payload})).get(raw)
        if found is None:
            return Entry(payload, MISSING, _NO_NOTES)
        plain, notes = found
        return Entry(payload, self._decode(key, raw, plain, MISSING), notes)

    def _must_make(self, entry: Entry, protection: Protection | None) -> bool:
        if entry.value is MISSING:
            return True
        return protection is not None and protection.is_due(entry.notes, self._clock())
