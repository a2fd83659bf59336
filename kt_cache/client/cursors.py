"""Commands of TSV-RPC on a cursor, which belongs to the connection they are sent on.

None of them is ever sent again on another connection: the cursor would not be there. "Repeatable"
says here that no record is changed, so that nothing is in doubt if the connection breaks.
"""

from __future__ import annotations

from typing import NamedTuple

from kt_cache.client.call import (
    Params,
    Where,
    accepted,
    call,
    field,
    number,
    optional,
    params_of,
)
from kt_cache.client.command import Command
from kt_cache.errors import KTError, NotSupported, ServerError
from kt_cache.protocol.expiry import NEVER
from kt_cache.protocol.rpc import RpcReply

__all__ = [
    "Found",
    "delete",
    "get",
    "get_key",
    "get_value",
    "jump",
    "jump_back",
    "remove",
    "seize",
    "set_value",
    "step",
    "step_back",
    "unsupported",
]

_CURSOR = (b"CUR", b"1")  # a connection has one at most, so its number is always the same


class Found(NamedTuple):
    """The record under a cursor.

    :param xt: absolute time.
    """

    key: bytes
    value: bytes
    xt: int


def _found(reply: RpcReply) -> Found:
    xt = number(reply, b"xt") if b"xt" in reply.rows else NEVER
    return Found(field(reply, b"key"), field(reply, b"value"), xt)


def _key(reply: RpcReply) -> bytes:
    return field(reply, b"key")


def _value(reply: RpcReply) -> bytes:
    return field(reply, b"value")


_found_if_any = optional(_found)
_key_if_any = optional(_key)
_value_if_any = optional(_value)


def _params(where: Where, *, step: bool = False) -> Params:
    return [*params_of(where, (b"step", b"" if step else None)), _CURSOR]


def _move(name: str, where: Where, key: bytes | None = None) -> Command[bool]:
    params = _params(where)
    if key is not None:
        params.append((b"key", key))
    return call(name, params, accepted, repeatable=True, key=key)


def jump(where: Where, key: bytes | None) -> Command[bool]:
    """Go to the first record, or to a key: on it or, in an ordered database, on the next one.

    :return: whether there is such a record.
    """
    return _move("cur_jump", where, key)


def jump_back(where: Where, key: bytes | None) -> Command[bool]:
    """Go to the last record, or to a key or the one before it, in an ordered database only."""
    return _move("cur_jump_back", where, key)


def step(where: Where) -> Command[bool]:
    """Go to the next record: whether there is one."""
    return _move("cur_step", where)


def step_back(where: Where) -> Command[bool]:
    """Go to the record before, in an ordered database only: whether there is one."""
    return _move("cur_step_back", where)


def get_key(where: Where, *, step: bool) -> Command[bytes | None]:
    """Return the key under the cursor, if there is a record.

    :param step: whether to go on to the next record afterwards.
    """
    return call("cur_get_key", _params(where, step=step), _key_if_any, repeatable=True)


def get_value(where: Where, *, step: bool) -> Command[bytes | None]:
    """Return the value under the cursor, if there is a record; see :func:`get_key`."""
    return call("cur_get_value", _params(where, step=step), _value_if_any, repeatable=True)


def get(where: Where, *, step: bool) -> Command[Found | None]:
    """Return the record under the cursor, if there is one; see :func:`get_key`."""
    return call("cur_get", _params(where, step=step), _found_if_any, repeatable=True)


def set_value(where: Where, value: bytes, xt: int, *, step: bool) -> Command[bool]:
    """Store a value under the cursor's key: whether there was a record."""
    params = [*_params(where, step=step), (b"value", value), (b"xt", b"%d" % xt)]
    return call("cur_set_value", params, accepted, repeatable=False)


def remove(where: Where) -> Command[bool]:
    """Remove the record under the cursor, which goes on to the next: whether there was one."""
    return call("cur_remove", _params(where), accepted, repeatable=False)


def seize(where: Where) -> Command[Found | None]:
    """Remove the record under the cursor, which goes on to the next, and return it."""
    return call("cur_seize", _params(where), _found_if_any, repeatable=False)


def delete(where: Where) -> Command[bool]:
    """Give the cursor up."""
    return call("cur_delete", _params(where), accepted, repeatable=True)


def unsupported(error: ServerError) -> KTError:
    """Return the error to raise instead, if the server said that the database has no order."""
    if error.status != 501:
        return error
    return NotSupported(
        "only an ordered database (%, *.kct, *.sqlite) can be read backwards",
        host=error.host,
        command=error.command,
        key=error.key,
    )
