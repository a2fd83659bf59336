"""What a server answers, for scripts: the bytes of replies."""

from __future__ import annotations

from kt_cache.protocol import binary
from kt_cache.protocol.binary import REMOVE_BULK, SET_BULK
from kt_cache.protocol.http import encode_response
from kt_cache.protocol.rpc import encode_reply_body

NEVER = 2**40 - 1

STORED = binary.encode_count_reply(SET_BULK, 1)
REMOVED = binary.encode_count_reply(REMOVE_BULK, 1)
MISSING = binary.encode_get_reply([])


def found(*records: tuple[str, str]) -> bytes:
    """Return the reply to a get_bulk that found these keys and values, in database 0."""
    return binary.encode_get_reply(
        [(0, key.encode(), value.encode(), NEVER) for key, value in records]
    )


def stored(count: int) -> bytes:
    """Return the reply to a set_bulk."""
    return binary.encode_count_reply(SET_BULK, count)


def rpc(status: int = 200, *, close: bool = False, **rows: str) -> bytes:
    """Return the reply to a procedure call."""
    kind, body = encode_reply_body({name.encode(): text.encode() for name, text in rows.items()})
    headers = [("Content-Type", kind)]
    return encode_response(status, headers, body, server="kt", date="now", close=close)
