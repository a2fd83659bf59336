"""Commands of TSV-RPC on one record: what the binary protocol has no frame for, or not atomically.

"Repeatable" is said per command: a call that another client could notice twice is never sent again.
"""

from __future__ import annotations

from kt_cache.client.call import (
    Procedure,
    Where,
    accepted,
    field,
    number,
    optional,
)
from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, ServerError
from kt_cache.protocol.expiry import NEVER
from kt_cache.protocol.rpc import RpcReply

__all__ = [
    "add",
    "append",
    "cas",
    "check",
    "get",
    "increment",
    "increment_double",
    "remove",
    "replace",
    "seize",
    "set_one",
    "take",
]


_TOO_MUCH = 2**63  # for the 64 bits that a counter has, and a real number before the point
_INFINITE = (float("inf"), float("-inf"))


def _value(reply: RpcReply) -> bytes:
    return field(reply, b"value")


def _size(reply: RpcReply) -> int:
    return number(reply, b"vsiz")


def _real(reply: RpcReply) -> float:
    try:
        # inf and nan come as the server's C library writes them, which float() reads.
        return float(field(reply, b"num"))
    except ValueError:
        raise ServerError("'num' is not a number", status=reply.status) from None


def _record(reply: RpcReply) -> tuple[bytes, int]:
    xt = number(reply, b"xt") if reply.output(b"xt") else NEVER
    return _value(reply), xt


_value_if_any = optional(_value)
_record_if_any = optional(_record)
_size_if_any = optional(_size)


get = Procedure("get", read=_value_if_any, repeatable=True)
"""``get(where, key)`` reads one record: its value, or ``None`` if it is missing."""

set_one = Procedure("set", "value", "xt#", read=accepted, repeatable=True)
"""``set_one(where, key, value, xt)`` stores a record: ``True``."""

remove = Procedure("remove", read=accepted)
"""``remove(where, key)`` removes a record: whether there was one."""

add = Procedure("add", "value", "xt#", read=accepted)
"""``add(where, key, value, xt)`` stores a record unless there is one: whether it was stored."""

replace = Procedure("replace", "value", "xt#", read=accepted)
"""``replace(where, key, value, xt)`` stores a record if there is one: whether it was stored."""

append = Procedure("append", "value", "xt#", read=accepted)
"""``append(where, key, value, xt)`` stores a record, or adds to the end of its value if there is
one: ``True``."""

cas = Procedure("cas", "oval", "nval", "xt#", read=accepted)
"""``cas(where, key, old, new, xt)`` stores ``new`` if the value is ``old``: whether it was. An old
one that is ``None`` means that there must be no record, a new one that it is removed."""

check = Procedure("check", read=_size_if_any, repeatable=True)
"""``check(where, key)``: the size of a record's value in bytes, or ``None`` if it is missing."""

seize = Procedure("seize", read=_value_if_any)
"""``seize(where, key)`` removes a record: the value it had, or ``None`` if it is missing."""

take = Procedure("seize", read=_record_if_any)
"""``take(where, key)`` removes a record: ``(value, absolute xt)``, or ``None`` if it is missing."""

_increment = Procedure("increment", "num#", "xt#", read=number)
_increment_from = Procedure("increment", "num#", "orig", "xt#", read=number)
_increment_double = Procedure("increment_double", "num", "orig", "xt#", read=_real)


def increment(where: Where, key: bytes, n: int, orig: bytes | None, xt: int) -> Command[int]:
    """Add to a record of eight big-endian bytes: the new number.

    :param orig: for a missing record, the number to start from, ``try`` to fail; ``set`` to store
        ``n`` itself in any case.
    :raises ConfigError: if ``n`` is not a whole number, or has more than 64 bits.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not -_TOO_MUCH <= n < _TOO_MUCH:
        raise ConfigError(f"increment adds whole numbers of at most 64 bits, not {n!r}")
    if orig is None:
        return _increment(where, key, n, xt)
    return _increment_from(where, key, n, orig, xt)


def increment_double(
    where: Where, key: bytes, n: float, orig: bytes | None, xt: int
) -> Command[float]:
    """Add to a record of a real number in the server's fixed-point form: the new number.

    :param orig: as for :func:`increment`.
    :raises ConfigError: if ``n`` is not a number, or beyond what the server can store.
    """
    if isinstance(n, bool) or not isinstance(n, int | float):
        raise ConfigError(f"increment_double adds numbers, not {n!r}")
    if not (abs(n) < _TOO_MUCH or n in _INFINITE):  # "not a number" would spoil the record for good
        raise ConfigError(f"increment_double adds numbers below 2**63, or infinite, not {n!r}")
    return _increment_double(where, key, str(float(n)).encode(), orig, xt)
