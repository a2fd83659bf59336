"""What a list does, as operations of one trip each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kt_cache.client.operation import Operation
from kt_cache.containers.place import (
    Key,
    Output,
    Place,
    as_index,
    given,
    in_order,
    number_in,
    numbered,
)
from kt_cache.errors import ConfigError
from kt_cache.protocol.lua_dump import dump_array, load_array

__all__ = [
    "extend",
    "find",
    "get_items",
    "get_range",
    "get_raw",
    "get_slice",
    "index",
    "insert",
    "length",
    "move",
    "pack",
    "pop_end",
    "pop_index",
    "push",
    "remove",
    "remove_range",
    "remove_slice",
    "set_one",
    "set_raw",
    "unpack",
]

_LENGTH = b"length"


def _value(place: Place, output: Output) -> Any:
    return place.decoded(output[b"value"]) if b"value" in output else None


def _found(place: Place, output: Output, name: bytes) -> bytes:
    """Return an output that is only there if the list has such an index."""
    if name not in output:
        raise IndexError(f"the list {place.key!r} has no such index")
    return output[name]


def push(place: Place, function: str, value: Any) -> Operation[int]:
    """Add a value at one end: the new length."""
    output = yield from place.call(function, [(b"value", place.encoded(value))])
    return number_in(output, _LENGTH)


def extend(place: Place, values: Iterable[Any]) -> Operation[int]:
    """Add values at the end: the new length."""
    inputs = numbered(place.encoded(value) for value in values)
    return number_in((yield from place.call("lextend", inputs)), _LENGTH)


def get_range(place: Place, start: int | None, stop: int | None) -> Operation[list[Any]]:
    """Return the values of a range."""
    output = yield from place.call("lrange", given(start=start, stop=stop), repeatable=True)
    return [place.decoded(value) for value in in_order(output)]


def get_slice(place: Place, part: slice) -> Operation[list[Any]]:
    """Return the values of a slice."""
    return (yield from get_range(place, *_ends(part)))


def remove_slice(place: Place, part: slice) -> Operation[int]:
    """Remove the values of a slice: the new length."""
    return (yield from remove_range(place, *_ends(part)))


def _ends(part: slice) -> tuple[int | None, int | None]:
    if part.step not in (None, 1):
        raise ConfigError(f"a slice of a list on the server has no step; got {part.step!r}")
    return part.start, part.stop


def index(place: Place, at: int) -> Operation[Any]:
    """Return one value; IndexError if there is none."""
    output = yield from place.call("lindex", [(b"index", as_index(at))], repeatable=True)
    return place.decoded(_found(place, output, b"value"))


def insert(place: Place, at: int, value: Any) -> Operation[int]:
    """Put a value before the one at an index: the new length; IndexError if there is none."""
    inputs = [(b"index", as_index(at)), (b"value", place.encoded(value))]
    output = yield from place.call("linsert", inputs)
    _found(place, output, _LENGTH)
    return number_in(output, _LENGTH)


def set_one(place: Place, at: int, value: Any) -> Operation[None]:
    """Replace a value; IndexError if there is none."""
    inputs = [(b"index", as_index(at)), (b"value", place.encoded(value))]
    output = yield from place.call("lset", inputs, repeatable=True)
    _found(place, output, b"num")


def remove(place: Place, at: int) -> Operation[Any]:
    """Remove a value and return it; IndexError if there is none."""
    output = yield from place.call("lrem", [(b"index", as_index(at))])
    return place.decoded(_found(place, output, b"value"))


def remove_range(place: Place, start: int | None, stop: int | None) -> Operation[int]:
    """Remove the values of a range: the new length."""
    return number_in((yield from place.call("lremrange", given(start=start, stop=stop))), _LENGTH)


def pop_end(place: Place, function: str) -> Operation[Any]:
    """Remove a value at one end and return it, or ``None``."""
    return _value(place, (yield from place.call(function)))


def pop_index(place: Place, at: int | None) -> Operation[Any]:
    """Remove a value, by default the last, and return it, or ``None``."""
    if at is None:
        return (yield from pop_end(place, "lrpop"))
    return _value(place, (yield from place.call("lrem", [(b"index", as_index(at))])))


def move(place: Place, function: str, dest: bytes) -> Operation[Any]:
    """Move a value from one list to another and return it; IndexError if there is none."""
    output = yield from place.call(function, [(b"dest", dest)])
    if b"value" not in output:
        raise IndexError(f"the list {place.key!r} is empty")
    return place.decoded(output[b"value"])


def length(place: Place) -> Operation[int]:
    """Return the number of values."""
    return number_in((yield from place.call("llen", repeatable=True)))


def find(place: Place, function: str, value: Any) -> Operation[int | None]:
    """Return the index of a value, or ``None``."""
    inputs = [(b"value", place.encoded(value))]
    found = number_in((yield from place.call(function, inputs, repeatable=True)), b"index")
    return None if found < 0 else found


def unpack(
    place: Place, start: int | None, stop: int | None, prefix: Key | None, fmt: Key | None
) -> Operation[int]:
    """Store each value of a range in a record of its own: how many."""
    inputs = given(start=start, stop=stop, prefix=prefix, format=fmt)
    output = yield from place.call("lunpack", inputs, repeatable=True)
    return number_in(output) if output else 0  # other scripts do not say zero


def pack(place: Place, start: Key | None, stop: Key | None, count: int | None) -> Operation[int]:
    """Add the values of records at the end: how many."""
    inputs = given(start=start, stop=stop, count=count)
    return number_in((yield from place.call("lpack", inputs)))


def get_raw(place: Place) -> Operation[list[Any] | None]:
    """Return all values, or ``None`` if there is no record."""
    data = yield from place.read()
    if data is None:
        return None
    return [place.decoded(value) for value in load_array(data, strict=True)]


def get_items(place: Place) -> Operation[list[Any]]:
    """Return all values."""
    return (yield from get_raw(place)) or []


def set_raw(place: Place, values: Iterable[Any]) -> Operation[int]:
    """Replace all values, and the record's time: 1."""
    return (yield from place.replace(dump_array(place.encoded(value) for value in values)))
