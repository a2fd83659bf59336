"""What a set does, as operations of one trip each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kt_cache.client.operation import Operation
from kt_cache.containers.place import (
    Place,
    given,
    in_order,
    number_in,
    numbered,
)
from kt_cache.protocol.lua_dump import load_map

__all__ = ["add_bulk", "combine", "contains", "count", "members", "pop", "remove_bulk"]


def add_bulk(place: Place, values: Iterable[Any]) -> Operation[int]:
    """Add members: how many are new."""
    return (yield from _many(place, "sadd", values))


def remove_bulk(place: Place, values: Iterable[Any]) -> Operation[int]:
    """Remove members: how many there were."""
    return (yield from _many(place, "srem", values))


def _many(place: Place, function: str, values: Iterable[Any]) -> Operation[int]:
    inputs = numbered(place.encoded(value) for value in values)
    return number_in((yield from place.call(function, inputs))) if inputs else 0


def count(place: Place) -> Operation[int]:
    """Return the number of members."""
    return number_in((yield from place.call("scard", repeatable=True)))


def contains(place: Place, value: Any) -> Operation[bool]:
    """Tell whether a value is a member."""
    pairs = [(b"value", place.encoded(value))]
    return number_in((yield from place.call("sismember", pairs, repeatable=True))) > 0


def members(place: Place) -> Operation[set[Any]]:
    """Return all members."""
    data = yield from place.read()
    return {place.decoded(member) for member in load_map(data or b"", strict=True)}


def pop(place: Place) -> Operation[Any]:
    """Remove any member and return it, or ``None``."""
    output = yield from place.call("spop")
    return place.decoded(output[b"value"]) if b"value" in output else None


def combine(place: Place, function: str, other: bytes, dest: bytes | None) -> Operation[set[Any]]:
    """Return what the function makes of two sets, and store it if ``dest`` is given."""
    output = yield from place.call(function, given(key2=other, dest=dest), repeatable=True)
    return {place.decoded(member) for member in in_order(output)}
