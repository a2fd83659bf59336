"""The requests set_bulk, get_bulk and remove_bulk, both directions; replies: ``bulk_replies``.

::

    B8 flags:u32 count:u32 (db:u16 ksiz:u32 vsiz:u32 xt:i64 key value)*
    B9 flags:u32 count:u32 (db:u16 ksiz:u32 key)*
    BA flags:u32 count:u32 (db:u16 ksiz:u32 key)*
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from struct import Struct
from typing import NamedTuple, TypeVar

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol.binary.frames import (
    ERROR_REPLY,
    GET_BULK,
    NO_REPLY,
    REMOVE_BULK,
    SET_BULK,
)
from kt_cache.protocol.framing import DEFAULT_LIMITS, Buffer, Limits

__all__ = [
    "BULK_HEAD",
    "RECORD",
    "Key",
    "Keys",
    "KeysDecoder",
    "Record",
    "Records",
    "RecordsDecoder",
    "encode_get",
    "encode_get_keys",
    "encode_remove",
    "encode_set",
    "encode_set_pairs",
    "encode_single_get",
    "encode_single_remove",
    "encode_single_set",
]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

BULK_HEAD = Struct(">BII")  # magic, flags, records
_KEY = Struct(">HI")  # database, key size
RECORD = Struct(">HIIq")  # database, key size, value size, xt
_ONE_KEY = Struct(">BIIHI")
_ONE_RECORD = Struct(">BIIHIIq")
_MOST_KEY, _MOST_VALUE = DEFAULT_LIMITS.key, DEFAULT_LIMITS.value


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


def encode_get(keys: Iterable[tuple[int, bytes]], limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return a get_bulk frame for ``(db, key)`` pairs."""
    return _encode_keys(GET_BULK, 0, keys, limits)


def encode_remove(
    keys: Iterable[tuple[int, bytes]], *, no_reply: bool = False, limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """Return a remove_bulk frame for ``(db, key)`` pairs."""
    return _encode_keys(REMOVE_BULK, NO_REPLY if no_reply else 0, keys, limits)


def _encode_keys(
    magic: int, flags: int, keys: Iterable[tuple[int, bytes]], limits: Limits
) -> bytes:
    pack, parts, db, key = _KEY.pack, [b""], 0, b""
    add = parts.append
    try:
        for db, key in keys:
            add(pack(db, len(key)))
            add(key)
    except struct.error:
        _check(db)
        limits.check_record(len(key))
        raise
    return _join_keys(magic, flags, parts, limits)


def encode_get_keys(
    db: int, keys: Iterable[T], key_of: Callable[[T], bytes], limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """Return ``encode_get`` of keys of one database, each made into bytes on the way.

    :param key_of: makes them.
    """
    pack, parts, key = _KEY.pack, [b""], b""
    add = parts.append
    try:
        for given in keys:
            key = key_of(given)
            add(pack(db, len(key)))
            add(key)
    except struct.error:
        _check(db)
        limits.check_record(len(key))
        raise
    return _join_keys(GET_BULK, 0, parts, limits)


def _join_keys(magic: int, flags: int, parts: list[bytes], limits: Limits) -> bytes:
    """Put a frame together of its records' heads and keys, by turns behind a place for its head."""
    parts[0] = BULK_HEAD.pack(magic, flags, len(parts) // 2)
    frame = b"".join(parts)
    if len(frame) > limits.key:  # else no key can be above it
        for key in parts[2::2]:
            limits.check_record(len(key))
    return frame


def encode_single_get(db: int, key: bytes) -> bytes:
    """Return ``encode_get([(db, key)])``, made in one step."""
    size = len(key)
    if size > _MOST_KEY:
        DEFAULT_LIMITS.check_record(size)
    try:
        return _ONE_KEY.pack(GET_BULK, 0, 1, db, size) + key
    except struct.error:
        return encode_get([(db, key)])  # which says what is wrong


def encode_set(
    records: Iterable[tuple[int, bytes, bytes, int]],
    *,
    no_reply: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Return a set_bulk frame for ``(db, key, value, xt)`` records."""
    pack, parts = RECORD.pack, [b""]
    add, db, key, value, xt = parts.append, 0, b"", b"", 0
    try:
        for db, key, value, xt in records:
            add(pack(db, len(key), len(value), xt))
            add(key)
            add(value)
    except struct.error:
        _check(db, xt)
        limits.check_record(len(key), len(value))
        raise
    return _join_records(parts, no_reply, limits)


def encode_set_pairs(
    db: int,
    pairs: Iterable[tuple[K, V]],
    xt: int,
    key_of: Callable[[K], bytes],
    value_of: Callable[[V], bytes],
    *,
    no_reply: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Return ``encode_set`` of keys and values with one xt in one database, made into bytes here.

    Making them where they are packed, one record at a time, takes a tenth less time than handing
    over iterators that make them.

    :param key_of: makes a pair's key.
    :param value_of: makes its value.
    """
    pack, parts = RECORD.pack, [b""]
    add, key, value = parts.append, b"", b""
    try:
        for name, content in pairs:
            key, value = key_of(name), value_of(content)
            add(pack(db, len(key), len(value), xt))
            add(key)
            add(value)
    except struct.error:
        _check(db, xt)
        limits.check_record(len(key), len(value))
        raise
    return _join_records(parts, no_reply, limits)


def _join_records(parts: list[bytes], no_reply: bool, limits: Limits) -> bytes:
    """Put a frame together as :func:`_join_keys` does, with the values behind the keys."""
    parts[0] = BULK_HEAD.pack(SET_BULK, NO_REPLY if no_reply else 0, len(parts) // 3)
    frame = b"".join(parts)
    if len(frame) > limits.key or len(frame) > limits.value:  # else none of them can be above it
        for key, value in zip(parts[2::3], parts[3::3], strict=True):
            limits.check_record(len(key), len(value))
    return frame


def encode_single_set(
    db: int, key: bytes, value: bytes, xt: int, *, no_reply: bool = False
) -> bytes:
    """Return ``encode_set([(db, key, value, xt)])``, made in one step."""
    size, length = len(key), len(value)
    if size > _MOST_KEY or length > _MOST_VALUE:
        DEFAULT_LIMITS.check_record(size, length)
    flags = NO_REPLY if no_reply else 0
    try:
        return _ONE_RECORD.pack(SET_BULK, flags, 1, db, size, length, xt) + key + value
    except struct.error:
        return encode_set([(db, key, value, xt)], no_reply=no_reply)  # which says what is wrong


def encode_single_remove(db: int, key: bytes, *, no_reply: bool = False) -> bytes:
    """Return ``encode_remove([(db, key)])``, made in one step."""
    size = len(key)
    if size > _MOST_KEY:
        DEFAULT_LIMITS.check_record(size)
    try:
        return _ONE_KEY.pack(REMOVE_BULK, NO_REPLY if no_reply else 0, 1, db, size) + key
    except struct.error:
        return encode_remove([(db, key)], no_reply=no_reply)  # which says what is wrong


def _check(db: int, xt: int = 0) -> None:
    """Say what is wrong with numbers that do not fit into a frame."""
    if not -(2**63) <= xt < 2**63:
        raise LocalProtocolError(f"an expiration time has 64 bits, {xt!r} does not fit")
    if not isinstance(db, int) or not 0 <= db <= 0xFFFF:
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
        unpack, head = RECORD.unpack_from, RECORD.size
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
