"""Generations: what tells whether the tags of a value were deleted after it was stored.

Each tag has a record with a random generation; see :mod:`kt_cache.cache.tags`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from struct import Struct

from kt_cache.cache.base import warn_of
from kt_cache.cache.notes import GENERATION_SIZE, NOTED, Notes, detach
from kt_cache.cache.steps import Ask, Steps
from kt_cache.errors import DecodeError

__all__ = [
    "are_current",
    "make_record",
    "random_generation",
    "read_record",
    "those_that_count",
    "without_notes",
]

_MARK = b"\xb2"
_RECORD = Struct(f">c{GENERATION_SIZE}sd")  # mark, generation, Unix time until which it is kept


def random_generation() -> bytes:
    """Return a generation that no value has."""
    return secrets.token_bytes(GENERATION_SIZE)


def make_record(kept_until: float, generation: bytes) -> bytes:
    """Return a tag's record."""
    return _RECORD.pack(_MARK, generation, kept_until)


def read_record(record: bytes) -> tuple[bytes, float]:
    """Return a tag's generation and until when it is kept.

    A record that is broken has a generation that no value has.
    """
    if len(record) != _RECORD.size or record[:1] != _MARK:
        return random_generation(), 0.0
    _, generation, kept_until = _RECORD.unpack(record)
    return generation, kept_until


def are_current(notes: Notes, records: Mapping[bytes, bytes]) -> bool:
    """Tell whether none of a value's tags was deleted.

    :param records: those of the tags, by their keys.
    """
    for key, generation in notes.tags:
        record = records.get(key)
        if record is None or read_record(record)[0] != generation:
            return False
    return True


def those_that_count(noted: Mapping[bytes, bytes]) -> Steps[dict[bytes, tuple[bytes, Notes]]]:
    """Return, of payloads with notes, those whose tags were not deleted, and their notes.

    One round trip for all of them, if there is any tag.
    """
    parted = {}
    for key, payload in noted.items():
        try:
            parted[key] = detach(payload)
        except DecodeError as error:
            warn_of(error)
    keys = {key for _, notes in parted.values() for key, _ in notes.tags}
    records: dict[bytes, bytes] = (yield Ask("get_many", keys)) if keys else {}
    return {
        key: (payload, notes)
        for key, (payload, notes) in parted.items()
        if are_current(notes, records)
    }


def without_notes(payloads: Mapping[bytes, bytes]) -> Steps[dict[bytes, bytes]]:
    """Return payloads as the codec knows them, without those whose tags were deleted."""
    noted = {key: payload for key, payload in payloads.items() if payload[:1] == NOTED}
    plain = {key: payload for key, payload in payloads.items() if key not in noted}
    found = yield from those_that_count(noted)
    return {**plain, **{key: payload for key, (payload, _) in found.items()}}
