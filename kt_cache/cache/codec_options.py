"""From options to the codec they describe; the same for every framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

from kt_cache.cache.codec import RAW, Codec
from kt_cache.cache.compressors import COMPRESSORS, Compression, Compressor, get_compressor
from kt_cache.cache.options import imported, nearest
from kt_cache.cache.signing import Signer
from kt_cache.errors import ConfigError
from kt_cache.serializers import (
    KT_BINARY,
    KT_JSON,
    KT_MSGPACK,
    KT_NONE,
    KT_PICKLE,
    Serializer,
    get_serializer,
    guarded,
)

__all__ = ["CODEC_OPTIONS", "PAYLOAD_OPTIONS", "pop_codec"]

PAYLOAD_OPTIONS = frozenset(
    {"compressor", "read_compressors", "compress_threshold", "decompress_limit", "signing_keys"}
)
"""Names of the options for what is done to serialized values."""

CODEC_OPTIONS = PAYLOAD_OPTIONS | {"serializer", "read_serializers"}
"""Names of the options that a codec takes."""

_Made = TypeVar("_Made")

_DEFAULT_THRESHOLD = 1024  # bytes
_DEFAULT_LIMIT = 64 * 2**20  # bytes
_LARGEST = 2**30  # bytes that either may be set to

_SERIALIZERS = frozenset({KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE, RAW.name})


def pop_codec(
    options: MutableMapping[str, Any],
    serializer: str | Serializer = KT_PICKLE,
    *,
    further: Iterable[Serializer] = (),
) -> Codec:
    """Take the options for values out of a mapping and return the codec they describe.

    ``None`` means the default of each.

    :param options: those of :data:`CODEC_OPTIONS` are removed.
    :param serializer: where the options name none.
    :param further: serializers that the options may name besides the usual ones.
    :raises ConfigError: if one is not understood; the message names it.
    """
    given = {name: options.pop(name, None) for name in CODEC_OPTIONS}
    written = given["serializer"]
    read = _listed("read_serializers", given["read_serializers"])
    names = {each.name: each for each in further}
    return Codec(
        serializer if written is None else _serializer("serializer", written, names),
        read_serializers=[
            _serializer("read_serializers", each, names) for each in read if each != written
        ],
        compression=_compression(given),
        signer=_signer(given["signing_keys"]),
    )


def _listed(option: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(value)
    raise ConfigError(f"{option} must be a list, not {type(value).__name__}")


# ---------------------------------------------------------------- serializers


def _serializer(option: str, given: Any, names: Mapping[str, Serializer]) -> Serializer:
    """Return the serializer of a name, a dotted path or an object.

    :param names: further ones.
    """
    if isinstance(given, str):
        if given in names:
            return names[given]
        if given == RAW.name:
            return RAW
        if given in _SERIALIZERS:
            return get_serializer(given)
        if "." not in given:
            raise ConfigError(
                f"{option}: unknown serializer {given!r} (one of your own is a dotted path); "
                f"{nearest(given, _SERIALIZERS | names.keys())}"
            )
    found = imported(option, given) if isinstance(given, str) else given
    if isinstance(found, type):
        found = _instance(option, found)
    if isinstance(found, Serializer):
        return guarded(found.name, found.encode, found.decode)
    try:
        return get_serializer(found)
    except ConfigError:
        raise ConfigError(
            f"{option}: {given!r} is not a serializer; it needs the methods dumps and loads, "
            "pack and unpack, or encode and decode"
        ) from None


def _instance(option: str, kind: type[Any]) -> Any:
    try:
        return kind()
    except TypeError as error:
        raise ConfigError(
            f"{option}: {kind.__module__}.{kind.__qualname__} is called without arguments, "
            f"which fails: {error}"
        ) from error


# ---------------------------------------------------------------- compression, signatures


def _compression(given: Mapping[str, Any]) -> Compression | None:
    compressor = _compressor("compressor", given["compressor"])
    names = _listed("read_compressors", given["read_compressors"])
    found = [_compressor("read_compressors", name) for name in names]
    readers = tuple(each for each in found if each is not None)
    # Looked at in any case: a wrong size is wrong before there is a compressor, too.
    threshold = _size("compress_threshold", given["compress_threshold"], _DEFAULT_THRESHOLD, 0)
    limit = _size("decompress_limit", given["decompress_limit"], _DEFAULT_LIMIT, 1)
    if compressor is None and not readers:
        return None
    return Compression(compressor, readers, threshold=threshold, limit=limit)


def _compressor(option: str, name: Any) -> Compressor | None:
    if name is None or name == "none":
        return None
    if not isinstance(name, str):
        known = ", ".join(sorted(COMPRESSORS))
        raise ConfigError(f"{option}: a compressor is one of {known}, not {name!r}")
    return _naming(option, lambda: get_compressor(name))


def _signer(keys: Any) -> Signer | None:
    if keys is None:
        return None
    # An empty list is an error of the signer's: a secret lost on its way must not turn it off.
    listed = [keys] if isinstance(keys, str | bytes) else _listed("signing_keys", keys)
    return _naming("signing_keys", lambda: Signer(listed))


def _naming(option: str, make: Callable[[], _Made]) -> _Made:
    """Make something; an error of that names the option."""
    try:
        return make()
    except ConfigError as error:
        raise ConfigError(f"{option}: {error.message}") from error


def _size(option: str, value: Any, default: int, least: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
        raise ConfigError(
            f"{option} must be a whole number of bytes from {least} to {_LARGEST}, not {value!r}"
        )
    return value
