"""Calls of kt.lua's functions for caches: each an atomic operation in one round trip."""

from __future__ import annotations

from enum import Enum

from kt_cache.client.call import call
from kt_cache.client.command import Command
from kt_cache.errors import ServerError
from kt_cache.protocol import binary
from kt_cache.protocol.framing import Buffer, Incomplete
from kt_cache.protocol.rpc import RpcReply

__all__ = ["VERSION", "NoAnswer", "add", "increment", "serves_us", "touch"]

VERSION = 2
"""The version of kt.lua that these calls are written for."""

_ABSENT = 501
_NO_OUTPUT = binary.encode_script_reply([])


class NoAnswer(Enum):
    """What a function answers that did not do it. Nothing has changed then."""

    NOT_ASKED = "it was not called"
    USE_CAS = "it cannot do it exactly"
    FAILED = "it failed, or is not there"


def serves_us() -> Command[bool]:
    """Ask whether the server's script has these functions, and answers as we expect.

    :raises ServerError: if the server answers that it failed.
    """
    inputs = [(b"name", b"ktcacheversion")]
    return call("play_script", inputs, _suits, repeatable=True, understood=(200, _ABSENT))


def _suits(reply: RpcReply) -> bool:
    if reply.status == _ABSENT:
        return False
    version, oldest = reply.output(b"_version"), reply.output(b"_oldest")
    try:
        return int(oldest or b"") <= VERSION <= int(version or b"")
    except ValueError:
        return False  # another script's function of that name, or an earlier version's


def increment(db: int, key: bytes, delta: int) -> Command[int | NoAnswer | None]:
    """Add to a counter: its new number, or ``None`` if there is no record."""
    return "script", binary.encode_cache_incr(db, key, delta), _decode_number, False, key


def touch(db: int, key: bytes, xt: int, envelope: bytes, now: float) -> Command[bool | NoAnswer]:
    """Give a record a new time, and unless it is a counter a new envelope.

    :param xt: as given on the wire.
    :param envelope: empty for none.
    :param now: Unix time.
    """
    request = binary.encode_cache_touch(db, key, xt, envelope, now)
    return "script", request, _decode_touched, True, key


def add(db: int, key: bytes, record: bytes, xt: int, now: float) -> Command[bool | NoAnswer]:
    """Store a record unless there is one within its time.

    :param xt: as given on the wire.
    :param now: Unix time.
    """
    request = binary.encode_cache_add(db, key, record, xt, now)
    return "script", request, _decode_flag, False, key


def _decode_number(data: Buffer, end: int) -> int | NoAnswer | Incomplete | None:
    number = binary.decode_number_reply(data, end)  # as nearly always
    return _decode_any(data, end) if number is None else number


def _decode_flag(data: Buffer, end: int) -> bool | NoAnswer | Incomplete:
    number = _decode_number(data, end)
    return bool(number) if number is None or isinstance(number, int) else number


def _decode_any(data: Buffer, end: int) -> int | NoAnswer | Incomplete | None:
    found = _decode_output(data, end)
    if not isinstance(found, dict):
        return found
    try:
        return int(found[b"num"]) if found else None
    except (KeyError, ValueError):
        raise ServerError("the script did not answer with a number", connection_ok=True) from None


def _decode_touched(data: Buffer, end: int) -> bool | NoAnswer | Incomplete:
    if data[:end] == _NO_OUTPUT:  # as nearly always
        return True
    found = _decode_output(data, end)
    if not isinstance(found, dict):
        return found
    if found.keys() != {b"absent"}:
        raise ServerError("the script's answer is not that of ktcachetouch", connection_ok=True)
    return False


def _decode_output(data: Buffer, end: int) -> dict[bytes, bytes] | NoAnswer | Incomplete:
    if end == 1 and data[0] == binary.ERROR_REPLY[0]:
        return NoAnswer.FAILED
    output = binary.decode_script_reply(data, end)
    if isinstance(output, Incomplete):
        return Incomplete(output.need)  # it is short: begin again
    found = dict(output)
    return NoAnswer.USE_CAS if b"refused" in found else found
