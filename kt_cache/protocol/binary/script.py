"""play_script, both directions.

Request: ``B4 flags:u32 nsiz:u32 count:u32 name (ksiz:u32 vsiz:u32 key value)*``; reply:
``B4 count:u32 (ksiz:u32 vsiz:u32 key value)*`` or the one byte ``BF``, after which the connection
stays open. Names of inputs and outputs carry no underscore here, unlike over HTTP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from struct import Struct
from typing import NamedTuple

from kt_cache.errors import RemoteProtocolError
from kt_cache.protocol.binary.frames import NO_REPLY, PLAY_SCRIPT, REPLY_HEAD, Pair, check_head
from kt_cache.protocol.framing import (
    DEFAULT_LIMITS,
    Buffer,
    Incomplete,
    Limits,
    begin,
    check_end,
)

__all__ = [
    "SCRIPT_HEAD",
    "Script",
    "ScriptDecoder",
    "ScriptReplyDecoder",
    "decode_script_reply",
    "encode_script",
    "encode_script_reply",
]

SCRIPT_HEAD = Struct(">BIII")  # magic, flags, name size, records
_PAIR = Struct(">II")  # key size, value size
_ONE_PAIR = Struct(">BIII")
_ONE_PAIR_SIZE = _ONE_PAIR.size
_unpack_one_pair = _ONE_PAIR.unpack_from


def encode_script(
    name: bytes,
    pairs: Collection[Pair] = (),
    *,
    no_reply: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """Return a play_script frame; names of inputs carry no underscore here."""
    if len(name) > limits.key:
        limits.check_record(len(name))
    head = SCRIPT_HEAD.pack(PLAY_SCRIPT, NO_REPLY if no_reply else 0, len(name), len(pairs))
    return _join_pairs([head, name], pairs, limits)


def _join_pairs(parts: list[bytes], pairs: Iterable[Pair], limits: Limits) -> bytes:
    pack, add, most_key, most_value = _PAIR.pack, parts.append, limits.key, limits.value
    for key, value in pairs:
        size, length = len(key), len(value)
        if size > most_key or length > most_value:
            limits.check_record(size, length)
        add(pack(size, length))
        add(key)
        add(value)
    return b"".join(parts)


class Script(NamedTuple):
    """A complete play_script frame."""

    no_reply: bool
    name: bytes
    pairs: list[Pair]


class ScriptDecoder:
    """Decodes what follows the head of a play_script frame; hands it out when it is complete.

    :param flags: the head's flags.
    :param name_size: the head's name size, in bytes.
    :param count: the head's record count.
    """

    __slots__ = ("_left", "_limits", "_name", "_name_size", "_no_reply", "_pairs", "_size")

    error_reply = b""
    """A frame that breaks off is answered with nothing."""

    def __init__(
        self, flags: int, name_size: int, count: int, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._no_reply = bool(flags & NO_REPLY)
        self._name_size = name_size
        self._left = count
        self._limits = limits
        self._name: bytes | None = None
        self._pairs: list[Pair] = []
        self._size = 0

    def decode(self, data: Buffer, start: int, end: int) -> tuple[Script | None, int]:
        """Return the script call once it is complete, and where decoding stopped."""
        limits = self._limits
        if self._name is None:
            if self._name_size > limits.key:
                raise RemoteProtocolError("the script name's size is above the limit")
            stop = start + self._name_size
            if stop > end:
                return None, start
            self._name = bytes(data[start:stop])
            start = stop
        while self._left:
            body = start + _PAIR.size
            if body > end:
                return None, start
            key_size, value_size = _PAIR.unpack_from(data, start)
            size = self._size + _PAIR.size + key_size + value_size
            if key_size > limits.key or value_size > limits.value or size > limits.body:
                raise RemoteProtocolError("a script record's size is above the limit")
            value_at = body + key_size
            stop = value_at + value_size
            if stop > end:
                return None, start
            self._pairs.append((bytes(data[body:value_at]), bytes(data[value_at:stop])))
            self._size = size
            self._left -= 1
            start = stop
        # The name ends at its first NUL, as in the reference server.
        return Script(self._no_reply, self._name.split(b"\0", 1)[0], self._pairs), start


def encode_script_reply(pairs: Iterable[Pair]) -> bytes:
    """Return the reply to play_script, sorted by key as the reference server sorts it."""
    ordered = sorted(pairs)
    return _join_pairs([REPLY_HEAD.pack(PLAY_SCRIPT, len(ordered))], ordered, DEFAULT_LIMITS)


def decode_script_reply(data: Buffer, end: int) -> list[Pair] | Incomplete:
    """Decode the reply to a play_script: its output as pairs of name and value."""
    if end >= _ONE_PAIR_SIZE:
        magic, count, key_size, value_size = _unpack_one_pair(data)
        value_at = _ONE_PAIR_SIZE + key_size
        if value_at + value_size == end and count == 1 and magic == PLAY_SCRIPT:
            return [(bytes(data[_ONE_PAIR_SIZE:value_at]), bytes(data[value_at:end]))]
    return begin(ScriptReplyDecoder(), data, end)


class ScriptReplyDecoder:
    """Decodes the same replies, keeping its place in those that come in pieces."""

    __slots__ = ("_left", "_limits", "_pairs", "_position")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._left = -1
        self._position = REPLY_HEAD.size
        self._pairs: list[Pair] = []

    def __call__(self, data: Buffer, end: int) -> list[Pair] | Incomplete:
        """Return the pairs in the reply ``data[:end]``."""
        if self._left < 0:
            count = check_head(PLAY_SCRIPT, data, end)
            if count is None:
                return Incomplete(REPLY_HEAD.size)
            self._left = count
        limits, unpack, head = self._limits, _PAIR.unpack_from, _PAIR.size
        while self._left:
            body = self._position + head
            if body > end:
                return Incomplete(body)
            key_size, value_size = unpack(data, self._position)
            value_at = body + key_size
            stop = value_at + value_size
            if key_size > limits.key or value_size > limits.value or stop > limits.body:
                raise RemoteProtocolError("the script's output is above the limit")
            if stop > end:
                return Incomplete(stop)
            self._pairs.append((bytes(data[body:value_at]), bytes(data[value_at:stop])))
            self._position = stop
            self._left -= 1
        check_end(self._position, end)
        return self._pairs
