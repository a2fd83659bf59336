"""set_bulk, get_bulk and remove_bulk, both directions.

Requests::

    B8 flags:u32 count:u32 (db:u16 ksiz:u32 vsiz:u32 xt:i64 key value)*
    B9 flags:u32 count:u32 (db:u16 ksiz:u32 key)*
    BA flags:u32 count:u32 (db:u16 ksiz:u32 key)*

Replies::

    B8 stored:u32
    B9 removed:u32
    BA found:u32 (db:u16 ksiz:u32 vsiz:u32 xt:i64 key value)*

or the one byte ``BF``, after which the server closes.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from struct import Struct
from typing import NamedTuple

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol.binary.frames import (
    ERROR_REPLY,
    GET_BULK,
    NO_REPLY,
    REMOVE_BULK,
    REPLY_HEAD,
    SET_BULK,
    check_head,
)
from kt_cache.protocol.framing import DEFAULT_LIMITS, Buffer, Incomplete, Limits, check_end

__all__ = [
    "BULK_HEAD",
    "GetReplyDecoder",
    "Key",
    "Keys",
    "KeysDecoder",
    "Record",
    "Records",
    "RecordsDecoder",
    "decode_remove_reply",
    "decode_set_reply",
    "decode_single_get_reply",
    "encode_count_reply",
    "encode_get",
    "encode_get_reply",
    "encode_remove",
    "encode_set",
    "encode_single_get",
    "encode_single_set",
]

BULK_HEAD = Struct(">BII")  # magic, flags, records
_KEY = Struct(">HI")  # database, key size
_RECORD = Struct(">HIIq")  # database, key size, value size, xt
_ONE_KEY = Struct(">BIIHI")
_ONE_RECORD = Struct(">BIIHIIq")
_ONE_FOUND = Struct(">BI2xIIq")
_FOUND_NONE = REPLY_HEAD.pack(GET_BULK, 0)
_ONE_FOUND_SIZE = _ONE_FOUND.size
_unpack_one_found = _ONE_FOUND.unpack_from
_MOST_KEY, _MOST_VALUE = DEFAULT_LIMITS.key, DEFAULT_LIMITS.value
_MAX_COUNT = 2**32 - 1


class Record(NamedTuple):
    """One stored record.

    :param db: database index.
    :param xt: as given (see :mod:`~kt_cache.protocol.expiry`) in a request, absolute in a reply.
    """

    db: int
    key: bytes
    value: bytes
    xt: int


class Key(NamedTuple):
    """One key in one database."""

    db: int
    key: bytes


# Half the price of calling the classes, which counts where there is one for every record.
_make = tuple.__new__


# ---------------------------------------------------------------- requests, client side


def encode_get(keys: Collection[tuple[int, bytes]], limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return a get_bulk frame for ``(db, key)`` pairs."""
    return _encode_keys(GET_BULK, 0, keys, limits)


def encode_remove(
    keys: Collection[tuple[int, bytes]], *, no_reply: bool = False, limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """Return a remove_bulk frame for ``(db, key)`` pairs."""
    return _encode_keys(REMOVE_BULK, NO_REPLY if no_reply else 0, keys, limits)


def _encode_keys(
    magic: int, flags: int, keys: Collection[tuple[int, bytes]], limits: Limits
) -> bytes:
    parts = [BULK_HEAD.pack(magic, flags, len(keys))]
    pack, most = _KEY.pack, limits.key
    for db, key in keys:
        size = len(key)
        if size > most or not 0 <= db <= 0xFFFF:
            _check(limits, db, size)
        parts.append(pack(db, size))
        parts.append(key)
    return b"".join(parts)


def encode_single_get(db: int, key: bytes) -> bytes:
    """Return ``encode_get([(db, key)])``, made in one step."""
    size = len(key)
    try:
        if size <= _MOST_KEY:
            return _ONE_KEY.pack(GET_BULK, 0, 1, db, size) + key
    except struct.error:
        pass
    return encode_get([(db, key)])  # which says what is wrong


def encode_set(
    records: Collection[tuple[int, bytes, bytes, int]],
    *,
    no_reply: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Return a set_bulk frame for ``(db, key, value, xt)`` records."""
    parts = [BULK_HEAD.pack(SET_BULK, NO_REPLY if no_reply else 0, len(records))]
    pack, most_key, most_value = _RECORD.pack, limits.key, limits.value
    for db, key, value, xt in records:
        size, length = len(key), len(value)
        if size > most_key or length > most_value or not 0 <= db <= 0xFFFF:
            _check(limits, db, size, length)
        parts += (pack(db, size, length, xt), key, value)
    return b"".join(parts)


def encode_single_set(
    db: int, key: bytes, value: bytes, xt: int, *, no_reply: bool = False
) -> bytes:
    """Return ``encode_set([(db, key, value, xt)])``, made in one step."""
    size, length = len(key), len(value)
    flags = NO_REPLY if no_reply else 0
    try:
        if size <= _MOST_KEY and length <= _MOST_VALUE:
            return _ONE_RECORD.pack(SET_BULK, flags, 1, db, size, length, xt) + key + value
    except struct.error:
        pass
    return encode_set([(db, key, value, xt)], no_reply=no_reply)  # which says what is wrong


def _check(limits: Limits, db: int, key_size: int, value_size: int = 0) -> None:
    """Say what is wrong with a record that cannot be sent."""
    limits.check_record(key_size, value_size)
    if not 0 <= db <= 0xFFFF:
        raise LocalProtocolError(f"a database index is a number from 0 to 65535, not {db!r}")


# ---------------------------------------------------------------- requests, server side


class Keys(NamedTuple):
    """Some or all keys of a get_bulk or remove_bulk frame.

    :param magic: :data:`GET_BULK` or :data:`REMOVE_BULK`.
    :param done: whether these are the frame's last ones.
    """

    magic: int
    no_reply: bool
    keys: list[Key]
    done: bool


class Records(NamedTuple):
    """Some or all records of a set_bulk frame; ``done`` with the frame's last ones."""

    no_reply: bool
    records: list[Record]
    done: bool


class RecordsDecoder:
    """Decodes what follows the head of a set_bulk frame, as much of it as is there.

    The reference server applies records as they arrive, so a frame of any length needs no more
    memory than its largest record.

    :param flags: the head's flags.
    :param count: the head's record count.
    """

    __slots__ = ("_left", "_limits", "_no_reply")

    def __init__(self, flags: int, count: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self._no_reply = bool(flags & NO_REPLY)
        self._left = count
        self._limits = limits

    @property
    def error_reply(self) -> bytes:
        """What answers a frame that breaks off here."""
        return b"" if self._no_reply else ERROR_REPLY

    def decode(self, data: Buffer, start: int, end: int) -> tuple[Records | None, int]:
        """Return the records that are complete, or ``None``, and where decoding stopped."""
        records: list[Record] = []
        unpack, head = _RECORD.unpack_from, _RECORD.size
        most_key, most_value = self._limits.key, self._limits.value
        while len(records) < self._left:
            body = start + head
            if body > end:
                break
            db, key_size, value_size, xt = unpack(data, start)
            if key_size > most_key or value_size > most_value:
                if records:
                    break  # what came before is applied first; the next call raises
                raise RemoteProtocolError("a record's size is above the limit")
            value_at = body + key_size
            stop = value_at + value_size
            if stop > end:
                break
            fields = (db, bytes(data[body:value_at]), bytes(data[value_at:stop]), xt)
            records.append(_make(Record, fields))
            start = stop
        self._left -= len(records)
        if self._left and not records:
            return None, start
        return Records(self._no_reply, records, not self._left), start


class KeysDecoder:
    """Decodes what follows the head of a get_bulk or remove_bulk frame, likewise."""

    __slots__ = ("_left", "_limits", "_magic", "_no_reply")

    def __init__(self, magic: int, flags: int, count: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self._magic = magic
        self._no_reply = bool(flags & NO_REPLY) and magic == REMOVE_BULK
        self._left = count
        self._limits = limits

    @property
    def error_reply(self) -> bytes:
        """What answers a frame that breaks off here."""
        return b"" if self._no_reply else ERROR_REPLY

    def decode(self, data: Buffer, start: int, end: int) -> tuple[Keys | None, int]:
        """Return the keys that are complete, or ``None``, and where decoding stopped."""
        keys: list[Key] = []
        unpack, head, most = _KEY.unpack_from, _KEY.size, self._limits.key
        while len(keys) < self._left:
            body = start + head
            if body > end:
                break
            db, key_size = unpack(data, start)
            if key_size > most:
                if keys:
                    break
                raise RemoteProtocolError("a key's size is above the limit")
            stop = body + key_size
            if stop > end:
                break
            keys.append(_make(Key, (db, bytes(data[body:stop]))))
            start = stop
        self._left -= len(keys)
        if self._left and not keys:
            return None, start
        return Keys(self._magic, self._no_reply, keys, not self._left), start


# ---------------------------------------------------------------- replies, server side


def encode_count_reply(magic: int, count: int) -> bytes:
    """Return the reply to set_bulk or remove_bulk: how many records it touched."""
    return REPLY_HEAD.pack(magic, count)


def encode_get_reply(records: Sequence[tuple[int, bytes, bytes, int]]) -> bytes:
    """Return the reply to get_bulk; a record's xt is absolute here."""
    parts = [REPLY_HEAD.pack(GET_BULK, len(records))]
    pack = _RECORD.pack
    for db, key, value, xt in records:
        parts += (pack(db, len(key), len(value), xt), key, value)
    return b"".join(parts)


# ---------------------------------------------------------------- replies, client side


def decode_set_reply(data: Buffer, end: int) -> int | Incomplete:
    """Decode a set_bulk reply: the number of records stored."""
    return _decode_count(SET_BULK, data, end)


def decode_remove_reply(data: Buffer, end: int) -> int | Incomplete:
    """Decode a remove_bulk reply: the number of records removed."""
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
    return (records[0].value, records[0].xt) if records else None


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
        self._records: list[Record] = []

    def __call__(self, data: Buffer, end: int) -> list[Record] | Incomplete:
        """Return the records in the reply ``data[:end]``."""
        if self._left < 0:
            count = check_head(GET_BULK, data, end)
            if count is None:
                return Incomplete(REPLY_HEAD.size)
            if count > self._most:
                raise RemoteProtocolError(f"{count} records in the reply to {self._most} keys")
            self._left = count
        left, position, append = self._left, self._position, self._records.append
        unpack, head = _RECORD.unpack_from, _RECORD.size
        most_key, most_value = self._limits.key, self._limits.value
        slices_are_bytes = type(data) is bytes
        while left:
            body = need = position + head
            if need > end:
                break
            db, key_size, value_size, xt = unpack(data, position)
            if key_size > most_key or value_size > most_value:
                raise RemoteProtocolError("a record's size in the reply is above the limit")
            value_at = body + key_size
            stop = need = value_at + value_size
            if need > end:
                break
            key, value = data[body:value_at], data[value_at:stop]
            if not slices_are_bytes:
                key, value = bytes(key), bytes(value)
            append(_make(Record, (db, key, value, xt)))
            position = stop
            left -= 1
        else:
            check_end(position, end)
            return self._records
        self._left, self._position = left, position
        return Incomplete(need)
