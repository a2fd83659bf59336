"""The cache's operations of several commands on a Kyoto Tycoon server that has no script of ours.

Those that change a record are a few commands around one ``cas``; whoever loses a race starts again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from kt_cache.cache.codec import is_counter, read_counter, write_counter
from kt_cache.cache.envelope import is_past, relative_xt, unwrap, wrap
from kt_cache.client import administration, bulk_procedures, key_pages, procedures, records
from kt_cache.client.operation import Operation, Pause
from kt_cache.protocol.expiry import keep_expiry

__all__ = ["add", "increment", "page", "swap", "touch"]

Clock = Callable[[], float]


def add(db: int, key: bytes, payload: bytes, ttl: float | None, clock: Clock) -> Operation[bool]:
    """Store a payload unless there is one. One round trip, or three over a record past its time.

    :param ttl: seconds to live, ``None`` for ever.
    :param clock: Unix time.
    """
    for lost in count(1):
        record = wrap(payload, None if ttl is None else clock() + ttl)
        if (yield procedures.add(db, key, record, relative_xt(ttl))):
            return True
        found = yield records.get(db, key)
        if found is not None:
            old, stored = found
            if not is_past(unwrap(old)[1], stored, clock()):
                return False
            if (yield procedures.cas(db, key, old, record, relative_xt(ttl))):
                return True
        yield Pause(lost)
    raise AssertionError  # pragma: no cover - the loop has no end of its own


def swap(
    db: int, key: bytes, old: bytes, new: bytes | None, ttl: float | None, clock: Clock
) -> Operation[bool]:
    """Store a payload, or remove the record, if its payload is a certain one. Two round trips.

    One where that is a counter: its record is known without reading it, for it has no deadline.
    """
    for lost in count(1):
        record = old
        if not is_counter(old):
            found = yield records.get(db, key)
            if found is None:
                return False
            record, stored = found
            payload, deadline = unwrap(record)
            if payload != old or is_past(deadline, stored, clock()):
                return False
        deadline = None if ttl is None else clock() + ttl
        replacement = None if new is None else wrap(new, deadline)
        if (yield procedures.cas(db, key, record, replacement, relative_xt(ttl))):
            return True
        if is_counter(old):
            return False
        yield Pause(lost)
    raise AssertionError  # pragma: no cover


def increment(db: int, key: bytes, delta: int, clock: Clock) -> Operation[int | None]:
    """Add to a counter and keep its time; ``None`` if there is none. Two round trips."""
    for lost in count(1):
        found = yield records.get(db, key)
        if found is None:
            return None
        old, stored = found
        payload, deadline = unwrap(old)
        if is_past(deadline, stored, clock()):
            return None
        number = read_counter(payload) + delta
        if (yield procedures.cas(db, key, old, write_counter(number), keep_expiry(stored))):
            return number
        yield Pause(lost)
    raise AssertionError  # pragma: no cover


def touch(db: int, key: bytes, ttl: float | None, clock: Clock) -> Operation[bool]:
    """Give a record a new time to live. Two round trips.

    ``cas`` compares values, not times: one that races an increment of the same number may be lost.
    """
    for lost in count(1):
        found = yield records.get(db, key)
        if found is None:
            return False
        old, stored = found
        payload, deadline = unwrap(old)
        now = clock()
        if is_past(deadline, stored, now):
            return False
        new = wrap(payload, None if ttl is None else now + ttl)
        if (yield procedures.cas(db, key, old, new, relative_xt(ttl))):
            return True
        yield Pause(lost)
    raise AssertionError  # pragma: no cover


def page(
    db: int, prefix: bytes, after: bytes | None, limit: int
) -> Operation[tuple[list[bytes], bytes | None]]:
    """List some of the keys that begin with a prefix, and tell where to go on.

    Only an ordered database has a place to go on from. Another one has to look at all its records
    to list a part of them, so it is asked for everything at once.

    :param after: where the last page said to go on; ``None`` to begin.
    :param limit: most keys that an ordered database is asked for.
    :return: the keys, and where to go on, ``None`` at the end.
    """
    if after is not None:
        wanted = min(limit, key_pages.MOST_KEYS)
        listed = yield key_pages.keys_from(db, after + b"\0", wanted)
        keys = [key for key in listed if key.startswith(prefix)]
        return keys, keys[-1] if len(keys) == wanted else None
    keys = yield bulk_procedures.match_prefix(db, prefix, limit)
    if len(keys) < limit:
        return keys, None
    if key_pages.is_ordered((yield administration.status(db))):
        return keys, keys[-1]
    return (yield bulk_procedures.match_prefix(db, prefix)), None
