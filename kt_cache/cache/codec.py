"""Values <-> payloads. Nothing here knows of time.

A payload that starts with a digit or ``-`` is a counter: an ``int`` in ASCII decimal, so that a
script can add to it. Every other payload starts with a byte that names its format; configuration
decides which formats are read, never the stored byte.
"""

from __future__ import annotations

from typing import Any

from kt_cache.errors import DecodeError
from kt_cache.serializers import (
    KT_BINARY,
    KT_JSON,
    KT_MSGPACK,
    KT_NONE,
    KT_PICKLE,
    Serializer,
    get_serializer,
)

__all__ = ["Codec", "is_counter", "read_counter", "write_counter"]

_FORMATS = {KT_PICKLE: 0x81, KT_JSON: 0x82, KT_MSGPACK: 0x83, KT_NONE: 0x84, KT_BINARY: 0x85}
_CUSTOM = 0x8F
_COUNTER_STARTS = frozenset(b"-0123456789")
# Python converts at least 640 digits, whatever its limit is set to. Larger numbers are not
# counters and go through the serializer.
_MOST = 10**600


def is_counter(payload: bytes) -> bool:
    """Tell whether a payload is a counter."""
    return payload[:1] != b"" and payload[0] in _COUNTER_STARTS


def read_counter(payload: bytes) -> int:
    """Return a counter's number.

    :raises DecodeError: if the payload is not a counter.
    """
    digits = payload[1:] if payload[:1] == b"-" else payload
    if digits.isdigit():  # int() itself would take blanks and underscores too
        try:
            return int(payload)
        except ValueError:  # more digits than Python converts
            pass
    raise DecodeError("the value is not an integer")


def write_counter(number: int) -> bytes:
    """Return a counter's payload."""
    return b"%d" % number


class Codec:
    """Turns values into payloads and back.

    :param serializer: one of the ``KT_`` constants or a ``Serializer``. Payloads that another one
        wrote are refused.
    """

    def __init__(self, serializer: str | Serializer = KT_PICKLE) -> None:
        chosen = get_serializer(serializer)
        self.serializer = chosen
        self._serialize = chosen.encode
        self._deserialize = chosen.decode
        self._format = _FORMATS.get(chosen.name, _CUSTOM)
        self._mark = bytes((self._format,))

    def encode(self, value: Any) -> bytes:
        """Return a value's payload.

        :raises EncodeError: if the serializer cannot encode it.
        """
        if type(value) is int and -_MOST < value < _MOST:
            return write_counter(value)
        return self._mark + self._serialize(value)

    def decode(self, payload: bytes) -> Any:
        """Return a payload's value.

        :raises DecodeError: if it is of another format than configured, or broken.
        """
        if payload[:1] == self._mark:
            return self._deserialize(payload[1:])
        if is_counter(payload):
            return read_counter(payload)
        raise DecodeError("the value is in a format that is not configured")
