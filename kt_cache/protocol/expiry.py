"""Expiration times (xt) as Kyoto Tycoon gives, stores and shows them.

Given: a signed number; zero and above is seconds from the server's now, below zero is the negated
absolute time. Stored and shown: absolute seconds since 1970, at most :data:`NEVER`. A record is
dead when the current second is *above* its time, so it outlives it by up to one second.
Every rule about xt is here; nothing else computes one.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from kt_cache.errors import ConfigError

__all__ = [
    "ABSOLUTE_FROM",
    "NEVER",
    "NEVER_GIVEN",
    "ExpireTime",
    "is_dead",
    "keep_expiry",
    "latest_dead",
    "resolve_expiry",
    "to_script",
    "to_wire",
]

NEVER = 2**40 - 1
"""Stored time of a record that does not expire."""

NEVER_GIVEN = 2**63 - 1
"""What is sent for "does not expire"."""

ABSOLUTE_FROM = 10**9
"""Numbers from here on are Unix times, below they are times to live."""

ExpireTime: TypeAlias = "int | float | datetime | timedelta | None"


def to_wire(expire_time: ExpireTime) -> int:
    """Return the xt to send for a time as callers give it.

    :param expire_time: ``None`` for never; seconds to live (below 10**9, rounded up), a Unix time
        (from 10**9), a ``timedelta`` or a ``datetime``. A negative number is sent as it is: the
        negated Unix time.
    :return: signed 64-bit xt.
    :raises ConfigError: for any other type, or not a finite number.
    """
    if expire_time is None:
        return NEVER_GIVEN
    if isinstance(expire_time, timedelta):
        return max(0, math.ceil(expire_time.total_seconds()))
    if isinstance(expire_time, datetime):
        return -min(max(1, math.ceil(_timestamp(expire_time))), NEVER)
    try:
        seconds = math.ceil(expire_time)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"expire_time must be a number of seconds, a datetime or a timedelta, "
            f"not {expire_time!r}"
        ) from error
    if seconds >= ABSOLUTE_FROM:
        return -min(seconds, NEVER)
    return max(seconds, -NEVER)


def to_script(expire_time: ExpireTime) -> int:
    """Return the xt to give to a script: Lua's numbers cannot hold the usual "never".

    :param expire_time: as for :func:`to_wire`.
    """
    return -NEVER if expire_time is None else to_wire(expire_time)


def _timestamp(moment: datetime) -> float:
    try:
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        # At either end of the calendar the local time zone can lead out of it.
        return moment.replace(tzinfo=timezone.utc).timestamp()


def keep_expiry(stored: int) -> int:
    """Return the xt to send so that a record keeps the time just read back."""
    return NEVER_GIVEN if stored >= NEVER else -stored


def resolve_expiry(given: int, now: int) -> int:
    """Return the absolute time that a server stores for a given xt.

    :param given: signed 64-bit xt.
    :param now: current Unix time in whole seconds.
    """
    absolute = now + given if given >= 0 else -given
    return min(absolute, NEVER)


def is_dead(stored: int, now: int) -> bool:
    """Tell whether a record with that stored time is gone in the current second."""
    return now > stored


def latest_dead(now: int) -> int:
    """Return the highest time of a record that is gone in the current second."""
    return now - 1
