"""Value serializers: Python value <-> bytes.

The names are those of the earlier Kyoto Tycoon clients, so code and data move over unchanged.
``KT_PICKLE`` can run code when it decodes: use it only for data nobody else can write.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.packers import Packer

__all__ = [
    "KT_BINARY",
    "KT_JSON",
    "KT_MSGPACK",
    "KT_NONE",
    "KT_PICKLE",
    "Serializer",
    "decode_key",
    "encode_key",
    "get_serializer",
    "guarded",
]

KT_BINARY = "binary"
KT_JSON = "json"
KT_MSGPACK = "msgpack"
KT_NONE = "none"
KT_PICKLE = "pickle"


@dataclass(frozen=True, slots=True)
class Serializer:
    """A pair of functions with a name.

    :param name: one of the ``KT_`` constants, or a name of your own.
    :param encode: value -> bytes; raises :class:`~kt_cache.errors.EncodeError`.
    :param decode: bytes -> value; raises :class:`~kt_cache.errors.DecodeError`.
    """

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]

    @property
    def usual_encode(self) -> Callable[[Any], bytes]:
        """What encodes the usual kind of value fastest; may raise TypeError for another kind."""
        return self.encode

    @property
    def usual_decode(self) -> Callable[[bytes], Any]:
        """What decodes it; may raise UnicodeDecodeError for another kind."""
        return self.decode


def encode_key(key: str | bytes) -> bytes:
    """Return a key's bytes: ``str`` as UTF-8, bytes as they are.

    :raises EncodeError: for any other type, or a ``str`` that UTF-8 cannot carry.
    """
    if isinstance(key, str):
        try:
            return key.encode()
        except UnicodeEncodeError as error:
            raise EncodeError("the key is not valid Unicode", key=key) from error
    if isinstance(key, bytes):
        return key
    raise EncodeError(f"a key must be str or bytes, not {type(key).__name__}")


def decode_key(key: bytes) -> str | bytes:
    """Return a key as ``str``, or as the bytes it is if it is not UTF-8."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return key


def _encode_raw(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"the text is not valid Unicode ({error.reason})") from None
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EncodeError(
            f"the binary serializer stores bytes, str and numbers, not {type(value).__name__}; "
            "choose KT_JSON, KT_MSGPACK or KT_PICKLE for other types"
        )
    # The plain number's text: a subclass such as an enumeration may show itself otherwise.
    show = int.__repr__ if isinstance(value, int) else float.__repr__
    try:
        return show(value).encode()
    except ValueError:
        raise EncodeError("the number has more digits than Python converts to text") from None


def _decode_raw(data: bytes) -> bytes:
    return data


# ASCII alone, as the earlier clients write it: cas and the containers compare bytes.
_json_encoder = json.JSONEncoder(separators=(",", ":"))


def guarded(
    name: str,
    encode: Callable[[Any], bytes],
    decode: Callable[[bytes], Any],
) -> Serializer:
    """Return a serializer of a library's functions, or a caller's, that raises only our errors.

    :param name: what its errors call it.
    :param encode: value -> bytes; may raise anything.
    :param decode: bytes -> value; may raise anything.
    """

    def guarded_encode(value: Any) -> bytes:
        try:
            return encode(value)
        except EncodeError:
            raise
        except Exception as error:  # whatever the library or the object's own methods raise
            # These name types and functions; the text of others may quote the value.
            tells = isinstance(error, TypeError | AttributeError | pickle.PicklingError)
            reason = error if tells else type(error).__name__
            raise EncodeError(f"{name} cannot encode {type(value).__name__}: {reason}") from error

    def guarded_decode(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            raise
        except Exception as error:  # noqa: BLE001 - a serializer may raise anything
            # The library's own message may quote the data.
            raise DecodeError(f"the value is not {name} ({type(error).__name__})") from None

    return Serializer(name, guarded_encode, guarded_decode)


class _Texts(Serializer):
    """Stores what has a plain form, which usually is text."""

    __slots__ = ()

    @property
    def usual_encode(self) -> Callable[[Any], bytes]:
        return str.encode

    @property
    def usual_decode(self) -> Callable[[bytes], Any]:
        return bytes.decode if self.decode is decode_key else self.decode


_SERIALIZERS = {
    KT_BINARY: _Texts(KT_BINARY, _encode_raw, decode_key),
    KT_NONE: _Texts(KT_NONE, _encode_raw, _decode_raw),
    KT_JSON: guarded(KT_JSON, lambda value: _json_encoder.encode(value).encode(), json.loads),
    KT_MSGPACK: guarded(
        KT_MSGPACK,
        lambda value: bytes(msgpack.packb(value, use_bin_type=True)),
        lambda data: msgpack.unpackb(data, raw=False, strict_map_key=False),
    ),
    KT_PICKLE: guarded(
        KT_PICKLE,
        lambda value: pickle.dumps(value, pickle.HIGHEST_PROTOCOL),
        pickle.loads,
    ),
}


# Pairs of methods that make an object a serializer. The module msgpack has the first two, and
# its pack and unpack are for streams.
_METHODS = (("dumps", "loads"), ("pack", "unpack"), ("encode", "decode"))


def get_serializer(serializer: str | Serializer | Packer | None) -> Serializer:
    """Return the serializer of that name, or made of an object; ``None`` means ``KT_BINARY``.

    :param serializer: a ``KT_`` constant, a :class:`Serializer`, or an object with the methods
        ``pack`` and ``unpack``, ``dumps`` and ``loads``, or ``encode`` and ``decode``.
    :raises ConfigError: if it is none of these.
    """
    if isinstance(serializer, Serializer):
        return serializer
    if serializer is None:
        serializer = KT_BINARY
    if isinstance(serializer, str) and serializer in _SERIALIZERS:
        return _SERIALIZERS[serializer]
    for encoding, decoding in _METHODS:
        encode, decode = getattr(serializer, encoding, None), getattr(serializer, decoding, None)
        if callable(encode) and callable(decode):
            return guarded(type(serializer).__name__, _to_bytes(encode), decode)
    names = ", ".join(sorted(_SERIALIZERS))
    raise ConfigError(
        f"unknown serializer {serializer!r}; choose one of: {names}, or give an object with the "
        "methods pack and unpack, dumps and loads, or encode and decode"
    )


def _to_bytes(method: Callable[[Any], Any]) -> Callable[[Any], bytes]:
    """Make an encoder of a method that may return anything."""

    def encode(value: Any) -> bytes:
        made = method(value)
        if isinstance(made, bytes):
            return made
        raise EncodeError(f"the serializer made {type(made).__name__} instead of bytes")

    return encode
