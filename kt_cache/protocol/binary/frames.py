"""What all frames of the binary protocol share: magic bytes, flags, the head of a reply."""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

from kt_cache.errors import RemoteProtocolError, ServerError
from kt_cache.protocol.framing import Buffer

__all__ = [
    "ERROR",
    "ERROR_REPLY",
    "GET_BULK",
    "NO_REPLY",
    "PLAY_SCRIPT",
    "REMOVE_BULK",
    "REPLY_HEAD",
    "SET_BULK",
    "Pair",
    "check_head",
    "starts_binary",
]

PLAY_SCRIPT = 0xB4
SET_BULK = 0xB8
REMOVE_BULK = 0xB9
GET_BULK = 0xBA
ERROR = 0xBF
ERROR_REPLY = b"\xbf"
NO_REPLY = 1

Pair: TypeAlias = tuple[bytes, bytes]

REPLY_HEAD = Struct(">BI")  # magic, records


def starts_binary(first_byte: int) -> bool:
    """Tell from a request's first byte whether it is a binary frame or HTTP."""
    return first_byte >= 0x80 or first_byte == 0


def check_head(magic: int, data: Buffer, end: int) -> int | None:
    """Return the record count of a reply's head, or ``None`` while it is incomplete."""
    if end and data[0] == ERROR:
        if magic != PLAY_SCRIPT:
            raise ServerError("the server could not carry out the request; its log says why")
        # The connection stays open; after a bulk call the server closes it.
        raise ServerError(
            "the function failed, or the server was started without a script that has it "
            "(-scr FILE); its log may tell more",
            connection_ok=end == 1,
        )
    if end and data[0] != magic:
        raise RemoteProtocolError(f"the reply begins with {data[0]:#04x}, not {magic:#04x}")
    if end < REPLY_HEAD.size:
        return None
    count: int = REPLY_HEAD.unpack_from(data)[1]
    return count
