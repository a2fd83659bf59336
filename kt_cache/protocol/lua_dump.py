"""Maps and arrays of strings as the server's Lua functions mapdump and arraydump write them.

Array: per element ``size:varint bytes``. Map: per pair ``ksiz:varint vsiz:varint key value``.
There is no head and no count; nothing at all is an empty map or array. Loading stops quietly where
data is cut short, as the reference server's mapload and arrayload do. Those fail where the cut is
within a size (arrayload never returns); these do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kt_cache.errors import DecodeError
from kt_cache.protocol.varint import decode_varint, encode_varint

__all__ = ["dump_array", "dump_map", "load_array", "load_map"]


def dump_map(pairs: Mapping[bytes, bytes]) -> bytes:
    """Return a map's bytes, its pairs in the mapping's own order."""
    parts: list[bytes] = []
    for key, value in pairs.items():
        parts += (encode_varint(len(key)), encode_varint(len(value)), key, value)
    return b"".join(parts)


def load_map(data: bytes, *, strict: bool = False) -> dict[bytes, bytes]:
    """Return a map; of pairs with the same key the last counts, one cut short is left out.

    :param strict: whether to raise if one is cut short.
    :raises DecodeError: in that case.
    """
    pairs: dict[bytes, bytes] = {}
    position, end = 0, len(data)
    while (key_size := decode_varint(data, position)) is not None:
        value_size = decode_varint(data, key_size[1])
        if value_size is None:
            break
        key_at = value_size[1]
        value_at = key_at + key_size[0]
        stop = value_at + value_size[0]
        if stop > end:
            break
        pairs[data[key_at:value_at]] = data[value_at:stop]
        position = stop
    if strict and position != end:
        raise DecodeError("the value is not a whole dump of a map")
    return pairs


def dump_array(items: Iterable[bytes]) -> bytes:
    """Return an array's bytes."""
    parts: list[bytes] = []
    for item in items:
        parts += (encode_varint(len(item)), item)
    return b"".join(parts)


def load_array(data: bytes, *, strict: bool = False) -> list[bytes]:
    """Return an array; an element cut short is left out.

    :param strict: whether to raise if one is cut short.
    :raises DecodeError: in that case.
    """
    items: list[bytes] = []
    position, end = 0, len(data)
    while (size := decode_varint(data, position)) is not None:
        start = size[1]
        stop = start + size[0]
        if stop > end:
            break
        items.append(data[start:stop])
        position = stop
    if strict and position != end:
        raise DecodeError("the value is not a whole dump of an array")
    return items
