"""What a queue does, as operations of one trip each, and what a schedule does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kt_cache.client import bulk_procedures, records
from kt_cache.client.operation import Operation
from kt_cache.containers.patience import PatientOperation, waits
from kt_cache.containers.place import (
    Output,
    Pairs,
    Place,
    as_index,
    as_number,
    given,
    in_order,
    number_in,
    numbered,
)
from kt_cache.errors import ConfigError, ServerError

__all__ = [
    "add",
    "bpop",
    "clear",
    "clear_schedule",
    "count",
    "count_scheduled",
    "extend",
    "look",
    "peek_scheduled",
    "read_schedule",
    "remove",
    "schedule",
    "set_priority",
    "take",
    "transfer",
]

# An item's place is kept in twelve digits.
_HIGHEST_PRIORITY = 500_000_000_000
_LOWEST_PRIORITY = _HIGHEST_PRIORITY - 999_999_999_999
_LATEST = 999_999_999_999
_EARLIEST = -99_999_999_999

_LONGEST_WAIT = 5.0
"""Seconds for which one call may keep a thread of the server, and an item may be taken for a
caller who is gone."""


def _score(score: float | None, lowest: int, highest: int) -> Pairs:
    if score is None:
        return []
    data = as_number("score", score)
    if not lowest <= score <= highest:
        raise ConfigError(f"score must be from {lowest} to {highest}, not {score!r}")
    return [(b"score", data)]


def _priority(score: float | None) -> Pairs:
    return _score(score, _LOWEST_PRIORITY, _HIGHEST_PRIORITY)


def _limits(n: int | None, min_score: float | None) -> Pairs:
    return given(n=n, min_score=None if min_score is None else as_number("min_score", min_score))


def add(place: Place, item: Any, score: float | None) -> Operation[int]:
    """Add an item: its number."""
    inputs = [(b"data", place.encoded(item)), *_priority(score)]
    return number_in((yield from place.call("queue_add", inputs)), b"id")


def extend(place: Place, items: Iterable[Any], score: float | None) -> Operation[int]:
    """Add items: how many."""
    inputs = numbered(place.encoded(item) for item in items)
    if not inputs:
        return 0
    return number_in((yield from place.call("queue_madd", inputs + _priority(score))))


def take(place: Place, function: str, n: int, min_score: float | None) -> Operation[Any]:
    """Remove items and return them: one or ``None`` if ``n`` is 1, else a list."""
    output = yield from place.call(function, _limits(n, min_score))
    return _one_or_many(place, output, n)


def look(place: Place, function: str, n: int, min_score: float | None) -> Operation[Any]:
    """Return items, which stay: one or ``None`` if ``n`` is 1, else a list."""
    output = yield from place.call(function, _limits(n, min_score), repeatable=True)
    return _one_or_many(place, output, n)


def transfer(place: Place, dest: bytes, n: int) -> Operation[Any]:
    """Move items to another queue and return them: one or ``None`` if ``n`` is 1, else a list."""
    if dest == place.key:
        raise ConfigError("a queue cannot be transferred to itself")
    output = yield from place.call("queue_transfer", [(b"dest", dest), (b"n", as_index(n))])
    return _one_or_many(place, output, n)


def _one_or_many(place: Place, output: Output, n: int) -> Any:
    items = [place.decoded(item) for item in in_order(output)]
    if n == 1:
        return items[0] if items else None
    return items


def bpop(place: Place, timeout: float | None, min_score: float | None) -> PatientOperation[Any]:
    """Remove the first item and return it; wait for one if there is none.

    :param timeout: seconds altogether; ``None`` for no end.
    """
    for seconds in waits("timeout", timeout, _LONGEST_WAIT):
        inputs = [(b"timeout", b"%f" % seconds), *_limits(None, min_score)]
        output = yield place.command("queue_bpop", inputs), seconds
        if output:
            return _one_or_many(place, dict(output), 1)
    return None


def count(place: Place) -> Operation[int]:
    """Return the number of items."""
    return number_in((yield from place.call("queue_size", repeatable=True)))


def remove(
    place: Place, function: str, data: Any, n: int | None, min_score: float | None
) -> Operation[int]:
    """Remove items that are equal to one: how many."""
    inputs = [(b"data", place.encoded(data)), *_limits(n, min_score)]
    return number_in((yield from place.call(function, inputs)))


def set_priority(place: Place, data: Any, score: float, n: int | None) -> Operation[int]:
    """Give items that are equal to one another score: how many."""
    inputs = [(b"data", place.encoded(data)), *_priority(score), *_limits(n, None)]
    return number_in((yield from place.call("queue_set_score", inputs)))


def clear(place: Place) -> Operation[int]:
    """Remove all items: how many."""
    return number_in((yield from place.call("queue_clear")))


# ---------------------------------------------------------------- schedules


def schedule(place: Place, item: Any, score: float) -> Operation[bytes]:
    """Add an item to a schedule: the key of its record."""
    inputs = [*_score(score, _EARLIEST, _LATEST), (b"value", place.encoded(item))]
    output = yield from place.call("schedule_add", inputs)
    if b"key" not in output:
        raise ServerError("the script did not answer with the item's key")
    return output[b"key"]


def read_schedule(place: Place, score: float | None, n: int | None) -> Operation[list[Any]]:
    """Remove the items up to a score and return them."""
    inputs = given(score=None if score is None else as_number("score", score), n=n)
    output = yield from place.call("schedule_read", inputs)
    return [place.decoded(item) for item in in_order(output)]


def _item_keys(place: Place, n: int | None = None) -> Operation[list[tuple[int, bytes]]]:
    keys = yield bulk_procedures.match_prefix(place.db, place.key + b"\t", n)
    return [(place.db, key) for key in keys]


def count_scheduled(place: Place) -> Operation[int]:
    """Return the number of items."""
    return len((yield from _item_keys(place)))


def peek_scheduled(place: Place, n: int | None) -> Operation[list[Any]]:
    """Return items without removing them. Two trips."""
    keys = yield from _item_keys(place, n)
    found = (yield records.get_bulk(keys)) if keys else []
    return [place.decoded(value) for _, _, value, _ in found]


def clear_schedule(place: Place) -> Operation[int]:
    """Remove all items and the counter of ids: how many records. Two trips."""
    keys = yield from _item_keys(place)
    removed: int = yield records.remove_bulk([*keys, (place.db, place.key)])
    return removed
