"""Notes beside a value: until when it is fresh, how long it took to make, which tags it has.

A payload with notes begins with ``B1``, which no other payload does; those without cost nothing
but that comparison. Layout: ``B1``, fresh until (big-endian double, Unix time, infinite for ever),
seconds it took (double), number of tags; per tag the length of its record's key, the generation,
the key; then the value's payload. Like a deadline, notes are not covered by a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from struct import Struct

from kt_cache.errors import DecodeError

__all__ = ["GENERATION_SIZE", "NOTED", "Notes", "Tags", "any_noted", "attach", "detach"]

NOTED = b"\xb1"
"""What a payload with notes begins with."""

GENERATION_SIZE = 8  # bytes

Tags = tuple[tuple[bytes, bytes], ...]
"""Per tag the key of its record, and the generation that the value belongs to."""

_HEAD = Struct(">cddH")
_TAG = Struct(f">I{GENERATION_SIZE}s")


@dataclass(frozen=True)
class Notes:
    """What is kept beside a value.

    :param fresh_until: Unix time from which on it should be made anew.
    :param seconds: how long it took to make it.
    :param tags: see :data:`Tags`.
    """

    fresh_until: float = inf
    seconds: float = 0.0
    tags: Tags = ()


def any_noted(payloads: Mapping[bytes, bytes]) -> bool:
    """Tell whether any of the payloads has notes."""
    return any([payload[:1] == NOTED for payload in payloads.values()])  # noqa: C419 - faster


def attach(payload: bytes, notes: Notes) -> bytes:
    """Return a payload with notes."""
    parts = [_HEAD.pack(NOTED, notes.fresh_until, notes.seconds, len(notes.tags))]
    for key, generation in notes.tags:
        parts += (_TAG.pack(len(key), generation), key)
    return b"".join((*parts, payload))


def detach(noted: bytes) -> tuple[bytes, Notes]:
    """Return the value's payload and the notes.

    :raises DecodeError: if it is cut off.
    """
    if len(noted) < _HEAD.size:
        raise DecodeError("the notes beside the value are cut off")
    _, fresh_until, seconds, count = _HEAD.unpack_from(noted)
    at, tags = _HEAD.size, []
    for _ in range(count):
        if len(noted) < at + _TAG.size:
            raise DecodeError("the notes beside the value are cut off")
        length, generation = _TAG.unpack_from(noted, at)
        at += _TAG.size + length
        tags.append((noted[at - length : at], generation))
    if len(noted) < at:
        raise DecodeError("the notes beside the value are cut off")
    return noted[at:], Notes(fresh_until, seconds, tuple(tags))
