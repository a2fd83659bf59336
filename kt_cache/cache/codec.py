"""Values <-> payloads. Nothing here knows of time.

A payload that starts with a digit or ``-`` is a counter: an ``int`` in ASCII decimal, so that a
script can add to it. Every other payload starts with a byte that names its format, and before that
there may be marks of compression and of a signature. Configuration decides which formats are read
and whether there must be a signature, never the stored bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kt_cache.cache.compressors import Compression
from kt_cache.cache.signing import Signer
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import (
    KT_BINARY,
    KT_JSON,
    KT_MSGPACK,
    KT_NONE,
    KT_PICKLE,
    Serializer,
    get_serializer,
)

__all__ = ["RAW", "Codec", "is_counter", "read_counter", "write_counter"]


def _plain_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise EncodeError(f"the raw serializer stores bytes alone, not {type(value).__name__}")


RAW = Serializer("raw", _plain_bytes, bytes)
"""Stores bytes as they are, and nothing else."""

_FORMATS = {
    KT_PICKLE: 0x81,
    KT_JSON: 0x82,
    KT_MSGPACK: 0x83,
    KT_NONE: 0x84,
    RAW.name: 0x84,
    KT_BINARY: 0x85,
}
_CUSTOM = 0x8F  # 0x91 is a signature's, and 0xA1 to 0xA3 are those of compressors
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
    """Turns values into payloads and back: serializes, compresses, signs.

    What is not allowed by these arguments is refused before anything of it is unpacked or decoded.

    :param serializer: one of the ``KT_`` constants or a ``Serializer``; writes values.
    :param read_serializers: read too what these wrote.
    :param compression: compresses and unpacks; ``None`` for neither.
    :param signer: signs, and requires signatures; ``None`` for neither. Counters are never signed.
    :raises ConfigError: if two serializers cannot be told apart by what they write.
    """

    def __init__(
        self,
        serializer: str | Serializer = KT_PICKLE,
        *,
        read_serializers: Iterable[str | Serializer] = (),
        compression: Compression | None = None,
        signer: Signer | None = None,
    ) -> None:
        chosen = get_serializer(serializer)
        self.serializer = chosen
        self.compression = compression
        self.signer = signer
        self._serialize = chosen.encode
        self._deserialize = chosen.decode
        self._mark = _mark(chosen)
        self._readers = _by_mark([chosen, *map(get_serializer, read_serializers)])
        self._is_plain = compression is None and signer is None
        # What nearly every payload begins with that may be decoded at once.
        self._plain_mark = self._mark if signer is None else None

    def with_serializer(self, serializer: str | Serializer) -> Codec:
        """Return a codec that differs in its serializer, and reads what that wrote only."""
        return Codec(serializer, compression=self.compression, signer=self.signer)

    def reads_unsigned(self, serializer: str) -> bool:
        """Tell whether values of a serializer are read, whoever wrote them.

        :param serializer: one of the ``KT_`` constants.
        """
        return self.signer is None and _mark(get_serializer(serializer)) in self._readers

    def encode(self, value: Any, key: bytes) -> bytes:
        """Return a value's payload.

        :param key: the stored key.
        :raises EncodeError: if the serializer cannot encode it.
        """
        if type(value) is int and -_MOST < value < _MOST:
            return write_counter(value)
        payload = self._mark + self._serialize(value)
        if self._is_plain:
            return payload
        if self.compression is not None:
            payload = self.compression.shrink(payload)
        return payload if self.signer is None else self.signer.sign(payload, key)

    def decode(self, payload: bytes, key: bytes) -> Any:
        """Return a payload's value.

        :param key: the stored key it was found under.
        :raises DecodeError: if it is of another format than configured, not signed as it must be,
            or broken.
        """
        if payload[:1] == self._plain_mark:
            return self._deserialize(payload[1:])
        if is_counter(payload):
            return read_counter(payload)
        if self.signer is not None:
            payload = self.signer.verify(payload, key)
        compression = self.compression
        compressor = None if compression is None else compression.reader(payload)
        deserialize = self._readers.get(payload[:1] if compressor is None else payload[1:2])
        if deserialize is None:
            raise DecodeError("the value is in a format that is not configured")
        if compression is None or compressor is None:
            return deserialize(payload[1:])
        return deserialize(compression.expand(payload, compressor))


def _mark(serializer: Serializer) -> bytes:
    """Return the byte that payloads of a serializer begin with."""
    return bytes((_FORMATS.get(serializer.name, _CUSTOM),))


def _by_mark(serializers: Iterable[Serializer]) -> dict[bytes, Callable[[bytes], Any]]:
    found: dict[bytes, Serializer] = {}
    for each in serializers:
        other = found.setdefault(_mark(each), each)
        if other is not each:
            raise ConfigError(
                f"read_serializers: stored values of {other.name!r} and {each.name!r} cannot be "
                "told apart"
            )
    return {mark: each.decode for mark, each in found.items()}
