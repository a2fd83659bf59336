"""Commands of TSV-RPC on one record: what the binary protocol has no frame for, or not atomically.

"Repeatable" is said per command: a call that another client could notice twice is never sent again.
"""

from __future__ import annotations

from kt_cache.client.call import (
    Where,
    accepted,
    call,
    field,
    number,
    optional,
    params_of,
)
from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, ServerError
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


_value_if_any = optional(_value)
_size_if_any = optional(_size)


def _write(
    name: str, where: Where, key: bytes, value: bytes, xt: int, *, repeatable: bool = False
) -> Command[bool]:
    params = params_of(where, (b"key", key), (b"value", value), (b"xt", xt))
    return call(name, params, accepted, repeatable=repeatable, key=key)


def get(where: Where, key: bytes) -> Command[bytes | None]:
    """Read one record: its value, or ``None`` if it is missing."""
    return call("get", params_of(where, (b"key", key)), _value_if_any, repeatable=True, key=key)


def set_one(where: Where, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record: ``True``."""
    return _write("set", where, key, value, xt, repeatable=True)


def remove(where: Where, key: bytes) -> Command[bool]:
    """Remove a record: whether there was one."""
    return call("remove", params_of(where, (b"key", key)), accepted, repeatable=False, key=key)


def add(where: Where, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record unless there is one: whether it was stored."""
    return _write("add", where, key, value, xt)


def replace(where: Where, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record if there is one: whether it was stored."""
    return _write("replace", where, key, value, xt)


def append(where: Where, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record, or add to the end of its value if there is one: ``True``."""
    return _write("append", where, key, value, xt)


def cas(where: Where, key: bytes, old: bytes | None, new: bytes | None, xt: int) -> Command[bool]:
    """Store ``new`` if the value is ``old``: whether it was.

    :param old: ``None`` if there must be no record.
    :param new: ``None`` to remove it.
    """
    params = params_of(where, (b"key", key), (b"oval", old), (b"nval", new), (b"xt", xt))
    return call("cas", params, accepted, repeatable=False, key=key)


def increment(where: Where, key: bytes, n: int, orig: bytes | None, xt: int) -> Command[int]:
    """Add to a record of eight big-endian bytes: the new number.

    :param orig: for a missing record, the number to start from, ``try`` to fail; ``set`` to store
        ``n`` itself in any case.
    :raises ConfigError: if ``n`` is not a whole number, or has more than 64 bits.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not -_TOO_MUCH <= n < _TOO_MUCH:
        raise ConfigError(f"increment adds whole numbers of at most 64 bits, not {n!r}")
    params = params_of(where, (b"key", key), (b"num", n), (b"orig", orig), (b"xt", xt))
    return call("increment", params, number, repeatable=False, key=key)


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
    num = str(float(n)).encode()
    params = params_of(where, (b"key", key), (b"num", num), (b"orig", orig), (b"xt", xt))
    return call("increment_double", params, _real, repeatable=False, key=key)


def check(where: Where, key: bytes) -> Command[int | None]:
    """Return the size of a record's value in bytes, or ``None`` if it is missing."""
    return call("check", params_of(where, (b"key", key)), _size_if_any, repeatable=True, key=key)


def seize(where: Where, key: bytes) -> Command[bytes | None]:
    """Remove a record: the value it had, or ``None`` if it is missing."""
    return call("seize", params_of(where, (b"key", key)), _value_if_any, repeatable=False, key=key)
