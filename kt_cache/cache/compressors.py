"""Compression of payloads.

A compressed payload is a byte that names the compressor, the byte that names the format, and what
the compressor made of the rest. So everything that configuration decides about is read before
anything is unpacked. What unpacks to more than a limit is refused before it takes that much memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from kt_cache.cache.options import nearest
from kt_cache.errors import ConfigError, DecodeError

__all__ = ["COMPRESSORS", "Compression", "Compressor", "get_compressor"]


@dataclass(frozen=True, slots=True)
class Compressor:
    """A pair of functions with a name.

    :param name: what configuration and errors call it.
    :param mark: the byte that payloads of it begin with.
    :param compress: bytes -> bytes.
    :param decompress: bytes and the largest size to unpack to, in bytes -> bytes; raises
        :class:`~kt_cache.errors.DecodeError`.
    """

    name: str
    mark: bytes
    compress: Callable[[memoryview], bytes]
    decompress: Callable[[memoryview, int], bytes]


class Compression:
    """Compresses payloads where that makes them smaller.

    :param compressor: compresses; ``None`` to read compressed payloads only.
    :param readers: unpack too what others than ``compressor`` made.
    :param threshold: smallest size, in bytes, from which payloads are compressed.
    :param limit: largest size, in bytes, that is unpacked to. What is larger is stored as it is.
    """

    def __init__(
        self,
        compressor: Compressor | None,
        readers: tuple[Compressor, ...] = (),
        *,
        threshold: int,
        limit: int,
    ) -> None:
        self._compressor = compressor
        self._readers = {each.mark: each for each in (compressor, *readers) if each is not None}
        self._threshold = threshold
        self._limit = limit

    def shrink(self, payload: bytes) -> bytes:
        """Return a payload compressed, or as it is where that is not longer."""
        body = memoryview(payload)[1:]
        if self._compressor is None or not self._threshold <= len(body) <= self._limit:
            return payload
        compressed = self._compressor.mark + payload[:1] + self._compressor.compress(body)
        return compressed if len(compressed) < len(payload) else payload

    def reader(self, payload: bytes) -> Compressor | None:
        """Return what unpacks a payload, or ``None`` if it is not one we read compressed."""
        return self._readers.get(payload[:1])

    def expand(self, payload: bytes, compressor: Compressor) -> bytes:
        """Return what was compressed, without the format byte.

        :param compressor: what :meth:`reader` returned for it.
        :raises DecodeError: if it is broken or unpacks to more than the limit.
        """
        return compressor.decompress(memoryview(payload)[2:], self._limit)


def _too_much(name: str) -> DecodeError:
    return DecodeError(f"the value's {name} data unpacks to more than decompress_limit allows")


def _broken(name: str) -> DecodeError:
    return DecodeError(f"the value's {name} data is broken")


def _zlib() -> Compressor:
    def decompress(data: memoryview, limit: int) -> bytes:
        unpacking = zlib.decompressobj()
        try:
            # One byte more than allowed tells too long from complete.
            found = unpacking.decompress(data, limit + 1)
        except zlib.error:
            raise _broken("zlib") from None
        return _whole(unpacking, found, limit, "zlib")

    return Compressor("zlib", b"\xa1", zlib.compress, decompress)


def _whole(unpacking: Any, found: bytes, limit: int, name: str) -> bytes:
    """Return what an incremental decompressor found if that is everything there was."""
    if len(found) > limit:
        raise _too_much(name)
    if not unpacking.eof or unpacking.unused_data:
        raise _broken(name)
    return found


_LZ4_SIZE = 4  # bytes, little-endian, before the block


def _lz4() -> Compressor:
    block = _library("lz4.block", "lz4")

    def decompress(data: memoryview, limit: int) -> bytes:
        if int.from_bytes(data[:_LZ4_SIZE], "little") > limit:
            raise _too_much("lz4")
        try:
            found: bytes = block.decompress(data)  # exactly the size it says
        except (block.LZ4BlockError, ValueError):
            raise _broken("lz4") from None
        return found

    return Compressor("lz4", b"\xa2", block.compress, decompress)


def _zstd() -> Compressor:
    try:
        return zstd_of_python(import_module("compression.zstd"))  # since Python 3.14
    except ModuleNotFoundError:
        return zstd_of_zstandard(_library("zstandard", "zstd"))


def zstd_of_python(zstd: Any) -> Compressor:
    """Return the compressor that stands on Python's own module, or on one of the same face."""

    def decompress(data: memoryview, limit: int) -> bytes:
        try:
            _check_stated_size(zstd.get_frame_info(data).decompressed_size, limit)
            unpacking = zstd.ZstdDecompressor()
            found: bytes = unpacking.decompress(data, limit + 1)
        except zstd.ZstdError:
            raise _broken("zstd") from None
        return _whole(unpacking, found, limit, "zstd")

    return Compressor("zstd", _ZSTD, zstd.compress, decompress)


def zstd_of_zstandard(zstandard: Any) -> Compressor:
    """Return the compressor that stands on the package zstandard."""

    def decompress(data: memoryview, limit: int) -> bytes:
        try:
            size = zstandard.frame_content_size(data)
            _check_stated_size(None if size < 0 else size, limit)
            # Its own objects are not for several threads; making one costs less than locking.
            unpacking = zstandard.ZstdDecompressor()
            found: bytes = unpacking.decompress(data, allow_extra_data=False)
        except zstandard.ZstdError:
            raise _broken("zstd") from None
        return found

    return Compressor("zstd", _ZSTD, zstandard.compress, decompress)


def _check_stated_size(size: int | None, limit: int) -> None:
    """Refuse a zstd frame by the size it states, as whoever compresses a whole value does.

    No frame unpacks to more than it states, and none takes much more memory than that.
    """
    if size is None:
        raise _broken("zstd")
    if size > limit:
        raise _too_much("zstd")


_ZSTD = b"\xa3"


def _library(module: str, name: str) -> Any:
    """Import what a compressor stands on.

    :raises ConfigError: if it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ConfigError(
            f"the compressor {name!r} needs the package {package}, which is not installed: "
            f"pip install 'kt-cache[{name}]'"
        ) from None


_MAKERS = {"zlib": _zlib, "lz4": _lz4, "zstd": _zstd}
COMPRESSORS = tuple(_MAKERS)
"""Names of the compressors there are."""


@cache  # a framework makes a cache object per thread or task, and looking for a module takes long
def get_compressor(name: str) -> Compressor:
    """Return the compressor of that name.

    :raises ConfigError: if there is none, or the package it stands on is not installed.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise ConfigError(f"there is no compressor {name!r}; {nearest(name, COMPRESSORS)}")
    return maker()
