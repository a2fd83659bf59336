"""What ``get_or_set`` finds under a key, read together with the tags that its caller names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kt_cache.cache.base import MISSING, warn_of
from kt_cache.cache.generations import are_current, those_that_count
from kt_cache.cache.notes import NOTED, Notes, detach
from kt_cache.cache.protection import Protection
from kt_cache.cache.steps import Ask, Steps
from kt_cache.cache.tags import TagMethods
from kt_cache.errors import DecodeError

__all__ = ["NOTHING", "Entry", "EntryMethods", "Task"]

_NO_NOTES = Notes()


@dataclass(frozen=True)
class Task:
    """One call of ``get_or_set``; see there."""

    raw: bytes  # the stored key
    leader: bytes  # the key of the record that says who is making the value
    make: Any
    timeout: float | None
    tag_keys: Collection[bytes]  # of the records of its tags
    protection: Protection | None
    is_on_loop: bool = False  # of coroutines, so that other tasks go on while this one waits

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
    :param tag_records: those of the caller's tags that were found with it; ``None`` if nobody
        looked.
    """

    payload: bytes | None
    value: Any
    notes: Notes = _NO_NOTES
    tag_records: Mapping[bytes, bytes] | None = None


NOTHING = Entry(None, MISSING)


class EntryMethods(TagMethods):
    """The part of the cache that reads values whose tags are known beforehand."""

    def _reading(self, task: Task) -> Steps[Entry]:
        """Read anew. One round trip, unless the value has other tags than the caller's."""
        if not task.tag_keys:
            return (yield from self._entry(task.raw, (yield Ask("get", task.raw))))
        found = yield Ask("get_many", (task.raw, *task.tag_keys))
        return (yield from self._entry_among(task, found))

    def _entry_among(self, task: Task, found: Mapping[bytes, bytes]) -> Steps[Entry]:
        """Return what records mean that were read together."""
        return (yield from self._entry(task.raw, found.get(task.raw), task.tag_keys, found))

    def _entry(
        self,
        raw: bytes,
        payload: bytes | None,
        tag_keys: Collection[bytes] = (),
        records: Mapping[bytes, bytes] | None = None,
    ) -> Steps[Entry]:
        """Return what a stored payload means, asking for the tags that are not known yet."""
        entry = self._known_entry(raw, payload, tag_keys, records or {})
        if entry is not None or payload is None:
            return entry or NOTHING
        found = (yield from those_that_count({raw: payload})).get(raw)
        if found is None:
            return Entry(payload, MISSING, tag_records=records or {})
        plain, notes = found
        return Entry(payload, self._decode(raw, plain, MISSING), notes, records or {})

    def _known_entry(
        self,
        raw: bytes,
        payload: bytes | None,
        tag_keys: Collection[bytes],
        records: Mapping[bytes, bytes],
    ) -> Entry | None:
        """Return what a stored payload means; ``None`` if further tags are to be asked for.

        :param tag_keys: of the tags that were asked for.
        :param records: what was found under them.
        """
        if payload is None:
            return Entry(None, MISSING, _NO_NOTES, records)
        if payload[:1] != NOTED:
            return Entry(payload, self._decode(raw, payload, MISSING), _NO_NOTES, records)
        try:
            plain, notes = detach(payload)
        except DecodeError as error:
            warn_of(error)
            return Entry(payload, MISSING, _NO_NOTES, records)
        for key, _ in notes.tags:
            if key not in tag_keys:
                return None
        if not are_current(notes, records):
            return Entry(payload, MISSING, _NO_NOTES, records)
        return Entry(payload, self._decode(raw, plain, MISSING), notes, records)
