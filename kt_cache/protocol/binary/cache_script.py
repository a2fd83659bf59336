"""Calls of kt.lua's functions for caches: script frames, made and read in as few steps as can be.

:func:`~kt_cache.protocol.binary.script.encode_script` makes the same frames of any function's
inputs, and :func:`~kt_cache.protocol.binary.script.decode_script_reply` reads any reply.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from kt_cache.protocol.binary.frames import PLAY_SCRIPT, REPLY_HEAD
from kt_cache.protocol.binary.script import encode_script
from kt_cache.protocol.framing import DEFAULT_LIMITS, Buffer

__all__ = ["decode_number_reply", "encode_cache_add", "encode_cache_incr", "encode_cache_touch"]

_pack_sizes = Struct(">II").pack  # of an input's name and value
_pack_time = Struct(">II3sd").pack
_MOST = DEFAULT_LIMITS.value  # of a key, too
_pack_size = Struct(">I").pack
_NUMBER = b"num"
_NUMBER_REPLY = REPLY_HEAD.pack(PLAY_SCRIPT, 1) + _pack_size(len(_NUMBER))


def encode_cache_incr(db: int, key: bytes, number: int) -> bytes:
    """Call ``ktcacheincr``.

    :param number: what to add.
    """
    size, digits = len(key), b"%d" % number
    if size > _MOST:
        DEFAULT_LIMITS.check_record(size)
    return b"%b%bkey%b%bnum%b" % (
        _head(b"ktcacheincr", 2, db),
        _pack_sizes(3, size),
        key,
        _pack_sizes(3, len(digits)),
        digits,
    )


def encode_cache_touch(db: int, key: bytes, xt: int, envelope: bytes, now: float) -> bytes:
    """Call ``ktcachetouch``.

    :param xt: as given on the wire.
    :param envelope: what is to stand before a payload.
    :param now: Unix time.
    """
    size = len(key)
    if size > _MOST:
        DEFAULT_LIMITS.check_record(size)
    return b"%b%bkey%b%b%benvelope%b%b" % (
        _head(b"ktcachetouch", 4, db),
        _pack_sizes(3, size),
        key,
        _time_to_live(xt),
        _pack_sizes(8, len(envelope)),
        envelope,
        _pack_time(3, 8, b"now", now),
    )


def encode_cache_add(db: int, key: bytes, record: bytes, xt: int, now: float) -> bytes:
    """Call ``ktcacheadd``.

    :param xt: as given on the wire.
    :param now: Unix time.
    """
    size, length = len(key), len(record)
    if size > _MOST or length > _MOST:
        DEFAULT_LIMITS.check_record(size, length)
    return b"%b%bkey%b%bvalue%b%b%b" % (
        _head(b"ktcacheadd", 4, db),
        _pack_sizes(3, size),
        key,
        _pack_sizes(5, length),
        record,
        _time_to_live(xt),
        _pack_time(3, 8, b"now", now),
    )


@lru_cache(maxsize=256)
def _head(function: bytes, inputs: int, db: int) -> bytes:
    """Return all that stands before the key: the database, which is an input if it is not 0."""
    first = [(b"db", b"%d" % db)] if db else []
    rest = [(b"", b"")] * inputs
    return encode_script(function, first + rest)[: -len(_pack_sizes(0, 0)) * inputs]


@lru_cache(maxsize=256)  # a site's timeouts are few
def _time_to_live(xt: int) -> bytes:
    digits = b"%d" % xt
    return b"%bxt%b" % (_pack_sizes(2, len(digits)), digits)


def decode_number_reply(data: Buffer, end: int) -> int | None:
    """Return the whole number called ``num`` if it is all the output and came in one piece.

    :return: ``None`` for all other replies.
    """
    if type(data) is not bytes or len(data) != end:
        return None
    head, _, digits = data.partition(_NUMBER)
    if head == _NUMBER_REPLY + _pack_size(len(digits)) and digits.isdigit():
        return int(digits)
    return None
