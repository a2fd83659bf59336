"""Packers: objects that turn values into bytes and back by ``pack`` and ``unpack``.

Any object with these two methods is taken as a client's ``serializer``. The ones here lay values
out as a Kyoto Tycoon server with its memcached plug-in does (``opts=f``), which keeps an item's
32-bit flags, big-endian, in the last four bytes of the record. So other programs, such as a web
server, can read through the memcached protocol what was stored through this client, and the other
way round.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Protocol

from kt_cache.errors import ConfigError, DecodeError, EncodeError

__all__ = ["MemcachePacker", "Packer", "SimpleMemcachePacker"]

_FLAGS = 4  # bytes
_MAX_SIZE = 2**28  # bytes; the largest value a server takes


class Packer(Protocol):
    """What a serializer may be instead of a name."""

    def pack(self, data: Any, /) -> bytes:
        """Return a value's bytes."""

    def unpack(self, data: bytes, /) -> Any:
        """Return the value in the bytes of a record."""


class SimpleMemcachePacker:
    """Stores ``(bytes, flags)`` pairs."""

    def pack(self, data: tuple[bytes, int]) -> bytes:
        """Return the record's bytes.

        :param data: the item and its flags, from 0 to 2**32 - 1.
        :raises EncodeError: if it is anything else.
        """
        try:
            item, flags = data
        except (TypeError, ValueError):
            raise EncodeError("expected a pair of bytes and flags") from None
        whole = isinstance(flags, int) and not isinstance(flags, bool)
        if not whole or not 0 <= flags < 2**32:
            raise EncodeError("flags must be a number from 0 to 2**32 - 1")
        return _item(item) + flags.to_bytes(_FLAGS, "big")

    def unpack(self, data: bytes) -> tuple[bytes, int]:
        """Return the item and its flags.

        :raises DecodeError: if the record has fewer than four bytes.
        """
        return _split(data)


class MemcachePacker:
    """Stores bytes with all flags zero, or compressed and with one flag set.

    :param gzip_enabled: whether to compress items, and to decompress those with the flag set.
    :param gzip_threshold: smallest size, in bytes, from which items are compressed.
    :param gzip_flag: number of the flag that says so, from 1 to 32.
    :raises ConfigError: if an argument is out of range.
    """

    def __init__(
        self, gzip_enabled: bool = False, gzip_threshold: int = 128, gzip_flag: int = 1
    ) -> None:
        if not 1 <= gzip_flag <= 32:
            raise ConfigError(f"gzip_flag must be a number from 1 to 32, not {gzip_flag!r}")
        if gzip_threshold < 0:
            raise ConfigError(f"gzip_threshold must not be negative, not {gzip_threshold!r}")
        self.gzip_enabled = gzip_enabled
        self.gzip_threshold = gzip_threshold
        self.gzip_flag = gzip_flag
        self._mask = 1 << (gzip_flag - 1)

    def pack(self, data: bytes) -> bytes:
        """Return the record's bytes.

        :raises EncodeError: if ``data`` is not bytes.
        """
        item = _item(data)
        if not self.gzip_enabled or len(item) < self.gzip_threshold:
            return item + bytes(_FLAGS)
        # No time in the header: the same item is the same record, as cas expects.
        return gzip.compress(item, mtime=0) + self._mask.to_bytes(_FLAGS, "big")

    def unpack(self, data: bytes) -> bytes:
        """Return the item.

        :raises DecodeError: if the record is too short, or not gzip though its flag says so.
        """
        item, flags = _split(data)
        if self.gzip_enabled and flags & self._mask:
            return _decompressed(item)
        return item


def _item(data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    raise EncodeError(f"expected bytes, not {type(data).__name__}")


def _split(data: bytes) -> tuple[bytes, int]:
    if len(data) < _FLAGS:
        raise DecodeError("the record is too short to hold flags")
    return data[:-_FLAGS], int.from_bytes(data[-_FLAGS:], "big")


def _decompressed(item: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        # A few bytes may stand for gigabytes.
        found = unpacking.decompress(item, _MAX_SIZE)
    except zlib.error:
        raise DecodeError("the record's flag says gzip, which it is not") from None
    if not unpacking.eof:
        raise DecodeError("the record's gzip data is cut short or unpacks to too much")
    return found
