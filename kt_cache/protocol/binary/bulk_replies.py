"""The replies to set_bulk, get_bulk and remove_bulk, both directions; requests: ``bulk``.

::

    B8 stored:u32
    B9 removed:u32
    BA found:u32 (db:u16 ksiz:u32 vsiz:u32 xt:i64 key value)*

or the one byte ``BF``, after which the server closes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from struct import Struct
from typing import TypeAlias

from kt_cache.errors import RemoteProtocolError
from kt_cache.protocol.binary.bulk import RECORD
from kt_cache.protocol.binary.frames import (
    GET_BULK,
    REMOVE_BULK,
    REPLY_HEAD,
    SET_BULK,
    check_head,
)
from kt_cache.protocol.framing import (
    DEFAULT_LIMITS,
    Buffer,
    Incomplete,
    Limits,
    begin,
    check_end,
)

__all__ = [
    "Found",
    "GetReplyDecoder",
    "PairsDecoder",
    "decode_remove_reply",
    "decode_set_reply",
    "decode_single_get_reply",
    "encode_count_reply",
    "encode_get_reply",
]

Found = tuple[int, bytes, bytes, int]
"""Database index, key, value, absolute xt: a bare tuple, as there is one for every record."""

Pairs: TypeAlias = "tuple[Sequence[bytes], Sequence[bytes]]"
"""Keys and values, each at the place of its key."""

_SIZES = Struct(">2xII8x")  # those of a RECORD
_ONE_FOUND = Struct(">BI2xIIq")
_REMOVED_ONE = REPLY_HEAD.pack(REMOVE_BULK, 1)
_REMOVED_NONE = REPLY_HEAD.pack(REMOVE_BULK, 0)
_FOUND_NONE = REPLY_HEAD.pack(GET_BULK, 0)
_ONE_FOUND_SIZE = _ONE_FOUND.size
_unpack_one_found = _ONE_FOUND.unpack_from
_MAX_COUNT = 2**32 - 1


# ---------------------------------------------------------------- encoding


def encode_count_reply(magic: int, count: int) -> bytes:
    """Return the reply to set_bulk or remove_bulk: how many records it touched."""
    return REPLY_HEAD.pack(magic, count)


def encode_get_reply(records: Sequence[tuple[int, bytes, bytes, int]]) -> bytes:
    """Return the reply to get_bulk; a record's xt is absolute here."""
    parts = [REPLY_HEAD.pack(GET_BULK, len(records))]
    pack = RECORD.pack
    for db, key, value, xt in records:
        parts += (pack(db, len(key), len(value), xt), key, value)
    return b"".join(parts)


# ---------------------------------------------------------------- decoding


def decode_set_reply(data: Buffer, end: int) -> int | Incomplete:
    """Decode a set_bulk reply: the number of records stored."""
    return _decode_count(SET_BULK, data, end)


def decode_remove_reply(data: Buffer, end: int) -> int | Incomplete:
    """Decode a remove_bulk reply: the number of records removed."""
    if end == REPLY_HEAD.size:
        if data == _REMOVED_ONE:
            return 1
        if data == _REMOVED_NONE:
            return 0
    return _decode_count(REMOVE_BULK, data, end)


def _decode_count(magic: int, data: Buffer, end: int) -> int | Incomplete:
    if end != REPLY_HEAD.size or data[0] != magic:
        if check_head(magic, data, end) is None:
            return Incomplete(REPLY_HEAD.size)
        check_end(REPLY_HEAD.size, end)
    count: int = REPLY_HEAD.unpack_from(data)[1]
    return count


def decode_single_get_reply(data: Buffer, end: int) -> tuple[bytes, int] | Incomplete | None:
    """Decode the reply to a get_bulk of one key: ``(value, xt)``, or ``None`` if it is missing."""
    if end >= _ONE_FOUND_SIZE:
        magic, count, key_size, value_size, xt = _unpack_one_found(data)
        value_at = _ONE_FOUND_SIZE + key_size
        if value_at + value_size == end and count == 1 and magic == GET_BULK:
            value = data[value_at:end]
            return (value if type(value) is bytes else bytes(value)), xt
    elif end == REPLY_HEAD.size and data[:end] == _FOUND_NONE:
        return None
    records = GetReplyDecoder(1)(data, end)
    if isinstance(records, Incomplete):
        return records
    if not records:
        return None
    ((_, _, value, xt),) = records
    return value, xt


class GetReplyDecoder:
    """Decodes the reply to a get_bulk of several keys: the records found, in request order.

    :param most: how many records were asked for; more in the reply is an error.
    """

    __slots__ = ("_left", "_limits", "_most", "_position", "_records")

    def __init__(self, most: int = _MAX_COUNT, limits: Limits = DEFAULT_LIMITS) -> None:
        self._most = most
        self._limits = limits
        self._left = -1
        self._position = REPLY_HEAD.size
        self._records: list[Found] = []

    def __call__(self, data: Buffer, end: int) -> list[Found] | Incomplete:
        """Return the records in the reply ``data[:end]``."""
        if self._left < 0:
            count = check_head(GET_BULK, data, end)
            if count is None:
                return Incomplete(REPLY_HEAD.size)
            if count > self._most:
                raise RemoteProtocolError(f"{count} records in the reply to {self._most} keys")
            self._left = count
        left, position, append = self._left, self._position, self._records.append
        unpack, head = RECORD.unpack_from, RECORD.size
        whole = data if isinstance(data, bytes) else None  # whose slices need no copying
        while left:
            body = need = position + head
            if need > end:
                break
            db, key_size, value_size, xt = unpack(data, position)
            value_at = body + key_size
            stop = value_at + value_size
            if stop > end:
                if key_size > self._limits.key or value_size > self._limits.value:
                    raise RemoteProtocolError("a record's size in the reply is above the limit")
                need = stop
                break
            if whole is not None:
                append((db, whole[body:value_at], whole[value_at:stop], xt))
            else:
                append((db, bytes(data[body:value_at]), bytes(data[value_at:stop]), xt))
            position = stop
            left -= 1
        else:
            check_end(position, end)
            return self._records
        self._left, self._position = left, position
        return Incomplete(need)


class PairsDecoder:
    """Decodes the same replies, of whose records only keys and values are wanted.

    It begins anew with every reply that it is given, and names another one to go on with.

    :param most: as for :class:`GetReplyDecoder`.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, data: Buffer, end: int) -> Pairs | Incomplete:
        """Return the keys, and the values, of the records in the reply ``data[:end]``."""
        if isinstance(data, bytes) and end == len(data):
            pairs = self._decode_whole(data, end)
            if pairs is not None:
                return pairs
        records_of = GetReplyDecoder(self._most)

        def go_on(data: Buffer, end: int) -> Pairs | Incomplete:
            records = records_of(data, end)
            if isinstance(records, Incomplete):
                return records
            return [key for _, key, _, _ in records], [value for _, _, value, _ in records]

        return begin(go_on, data, end)

    def _decode_whole(self, data: bytes, end: int) -> tuple[list[bytes], list[bytes]] | None:
        """Do so in one go, if the reply is in one piece and as it should be."""
        if end < REPLY_HEAD.size:
            return None
        magic, count = REPLY_HEAD.unpack_from(data)
        if magic != GET_BULK or count > self._most:
            return None
        keys: list[bytes] = []
        values: list[bytes] = []
        add_key, add_value, unpack = keys.append, values.append, _SIZES.unpack_from
        stop, head = REPLY_HEAD.size, RECORD.size
        try:
            for _ in range(count):
                key_size, value_size = unpack(data, stop)
                key_at = stop + head
                value_at = key_at + key_size
                stop = value_at + value_size
                add_key(data[key_at:value_at])
                add_value(data[value_at:stop])
        except struct.error:  # it goes on in the next piece
            return None
        return (keys, values) if stop == end else None
