"""Deadline + payload <-> record: finer time than the server keeps.

A Kyoto Tycoon server keeps whole seconds and lets a record die only in the second after its own,
so one stored for a second can live almost two. The exact deadline therefore travels with the
payload. It never overrules the server: it counts only if it agrees with the record's own time
(another client may have changed that) and with the reader's clock (which may be wrong).

Layout: ``01``, the deadline as a big-endian double (Unix time), the payload. A payload without
deadline, and a counter, is stored as it is; one that begins with ``01`` itself gets a deadline
that never comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from struct import Struct

from kt_cache.cache.codec import is_counter
from kt_cache.errors import ConfigError
from kt_cache.protocol.binary import Found
from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN

__all__ = ["envelope_of", "is_past", "relative_xt", "time_left", "unwrap", "unwrap_living", "wrap"]

_MARK = b"\x01"
_HEAD = Struct(">cd")
_HEAD_SIZE = _HEAD.size
_deadline_of = Struct(">xd").unpack_from
_TOLERANCE = 2.0  # seconds by which deadline, record and reader may disagree
_OVERDUE = 1.0  # seconds in which the server ends a record that nobody but it may end


def wrap(payload: bytes, deadline: float | None) -> bytes:
    """Return the record of a payload.

    :param deadline: Unix time at which it is gone; ``None`` for never.
    """
    if is_counter(payload):
        return payload
    if deadline is None:
        if payload[:1] != _MARK:
            return payload
        deadline = math.inf
    return _HEAD.pack(_MARK, deadline) + payload


def envelope_of(deadline: float | None) -> bytes:
    """Return what stands before a payload that is no counter; nothing for one without end."""
    return b"" if deadline is None else _HEAD.pack(_MARK, deadline)


def unwrap(record: bytes) -> tuple[bytes, float | None]:
    """Return a record's payload and its deadline, if it has one."""
    if record[:1] != _MARK or len(record) < _HEAD_SIZE:
        return record, None
    (deadline,) = _deadline_of(record)
    return record[_HEAD_SIZE:], deadline


def unwrap_living(found: Iterable[Found], now: float) -> dict[bytes, bytes]:
    """Return key -> payload of the records that do not count as gone.

    :param found: as the server answered.
    :param now: the reader's clock.
    """
    payloads = {}
    for _, key, record, stored in found:
        if record[:1] == _MARK and len(record) >= _HEAD_SIZE:  # unwrap, without a call for each
            (deadline,) = _deadline_of(record)
            if now >= deadline and is_past(deadline, stored, now):
                continue
            record = record[_HEAD_SIZE:]  # noqa: PLW2901 - what is left of it
        payloads[key] = record
    return payloads


def is_past(deadline: float | None, stored: int, now: float) -> bool:
    """Tell whether a record that the server still holds is to count as gone.

    :param deadline: the record's, as unwrapped.
    :param stored: the record's absolute xt.
    :param now: the reader's clock.
    """
    if deadline is None or now < deadline:
        return False
    return abs(deadline - stored) <= _TOLERANCE and now <= stored + _TOLERANCE


def time_left(deadline: float | None, stored: int, now: float) -> float:
    """Return the seconds after which a record that counts as there is gone, infinite for never.

    Always above zero: a record that is there although its time is over ends very soon.

    :param deadline: the record's, as unwrapped.
    :param stored: the record's absolute xt.
    :param now: the reader's clock.
    """
    if deadline is not None and abs(deadline - stored) <= _TOLERANCE:
        left = deadline - now
    elif stored >= NEVER:
        return math.inf
    else:
        left = stored - now
    return left if left > 0 else _OVERDUE


def relative_xt(ttl: float | None) -> int:
    """Return the xt to send for a time to live in seconds, rounded up; ``None`` is never.

    :raises ConfigError: if it is not a number.
    """
    if ttl is None:
        return NEVER_GIVEN
    if type(ttl) is int and ttl <= NEVER_GIVEN:
        return ttl  # as nearly always
    try:
        return math.ceil(min(ttl, NEVER_GIVEN))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a timeout must be a number of seconds, not {ttl!r}") from error
