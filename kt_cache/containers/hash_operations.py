"""What a hash does, as operations. One trip each, but for names that the script keeps to itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kt_cache.client.operation import Operation
from kt_cache.containers.place import Key, Place, given, number_in
from kt_cache.protocol.lua_dump import dump_map, load_map
from kt_cache.serializers import encode_key

__all__ = [
    "contains",
    "get",
    "get_all",
    "get_bulk",
    "get_raw",
    "length",
    "pack",
    "pack_into",
    "remove",
    "remove_bulk",
    "set_bulk",
    "set_one",
    "set_raw",
    "setnx",
    "unpack",
]

_RESERVED = frozenset((b"db", b"table_key"))
"""Names that functions of many names take for something else, so they go one by one."""


def _split(names: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the names that can be sent together, and those that cannot."""
    unique = list(dict.fromkeys(names))
    return (
        [name for name in unique if name not in _RESERVED],
        [name for name in unique if name in _RESERVED],
    )


def set_bulk(place: Place, data: Mapping[Any, Any]) -> Operation[int]:
    """Set many values: how many."""
    values = {encode_key(name): place.encoded(value) for name, value in data.items()}
    together, alone = _split(values)
    done = 0
    if together:
        pairs = [(name, values[name]) for name in together]
        done = number_in((yield from place.call("hmset", pairs, repeatable=True)))
    for name in alone:
        done += yield from _set(place, name, values[name])
    return done


def get_bulk(place: Place, names: Iterable[Key]) -> Operation[dict[Any, Any]]:
    """Return the values found among names."""
    together, alone = _split(encode_key(name) for name in names)
    found = {}
    if together:
        pairs = [(name, b"") for name in together]
        found = yield from place.call("hmget", pairs, repeatable=True)
    for name in alone:
        output = yield from place.call("hget", [(b"key", name)], repeatable=True)
        if b"value" in output:
            found[name] = output[b"value"]
    return _shown(place, found)


def remove_bulk(place: Place, names: Iterable[Key]) -> Operation[int]:
    """Remove many values: how many there were."""
    together, alone = _split(encode_key(name) for name in names)
    removed = 0
    if together:
        pairs = [(name, b"") for name in together]
        removed = number_in((yield from place.call("hmdel", pairs)))
    for name in alone:
        removed += yield from remove(place, name)
    return removed


def get_all(place: Place) -> Operation[dict[Any, Any]]:
    """Return all values."""
    return (yield from get_raw(place)) or {}


def set_one(place: Place, name: Key, value: Any) -> Operation[int]:
    """Set one value: 1."""
    return (yield from _set(place, encode_key(name), place.encoded(value)))


def _set(place: Place, name: bytes, data: bytes) -> Operation[int]:
    pairs = [(b"key", name), (b"value", data)]
    return number_in((yield from place.call("hset", pairs, repeatable=True)))


def setnx(place: Place, name: Key, value: Any) -> Operation[int]:
    """Set one value unless there is one: 1 or 0."""
    pairs = [(b"key", encode_key(name)), (b"value", place.encoded(value))]
    return number_in((yield from place.call("hsetnx", pairs)))


def get(place: Place, name: Key) -> Operation[Any]:
    """Return one value, or ``None``."""
    output = yield from place.call("hget", [(b"key", encode_key(name))], repeatable=True)
    return place.decoded(output[b"value"]) if b"value" in output else None


def remove(place: Place, name: Key) -> Operation[int]:
    """Remove one value: 1 or 0."""
    return number_in((yield from place.call("hdel", [(b"key", encode_key(name))])))


def length(place: Place) -> Operation[int]:
    """Return the number of values."""
    return number_in((yield from place.call("hlen", repeatable=True)))


def contains(place: Place, name: Key) -> Operation[bool]:
    """Tell whether there is a value."""
    pairs = [(b"key", encode_key(name))]
    return number_in((yield from place.call("hcontains", pairs, repeatable=True))) > 0


def unpack(place: Place, prefix: Key | None) -> Operation[int]:
    """Store each value in a record of its own: how many."""
    return number_in((yield from place.call("hunpack", given(prefix=prefix), repeatable=True)))


def pack(place: Place, start: Key | None, stop: Key | None, count: int | None) -> Operation[int]:
    """Set values from records: how many."""
    inputs = given(start=start, stop=stop, count=count)
    return number_in((yield from place.call("hpack", inputs)))


def pack_into(place: Place, function: str, key: bytes) -> Operation[int]:
    """Store names or values as a list: how many."""
    return number_in((yield from place.call(function, [(b"key", key)])))


def get_raw(place: Place) -> Operation[dict[Any, Any] | None]:
    """Return all values, or ``None`` if there is no record."""
    data = yield from place.read()
    if data is None:
        return None
    return _shown(place, load_map(data, strict=True))


def _shown(place: Place, found: Mapping[bytes, bytes]) -> dict[Any, Any]:
    return {place.shown(name): place.decoded(value) for name, value in found.items()}


def set_raw(place: Place, d: Mapping[Any, Any]) -> Operation[int]:
    """Replace all values, and the record's time: 1."""
    values = {encode_key(name): place.encoded(value) for name, value in d.items()}
    return (yield from place.replace(dump_map(values)))
