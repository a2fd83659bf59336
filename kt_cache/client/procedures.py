"""Commands of TSV-RPC over HTTP: everything the binary protocol has no frame for.

"Repeatable" is said per command: a call that another client could notice twice is never sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kt_cache.client.command import Command
from kt_cache.errors import NoSuchDatabase, ServerError
from kt_cache.protocol.framing import Buffer, Closing, Decoder, Incomplete
from kt_cache.protocol.rpc import RpcReply, RpcReplyDecoder, encode_call

__all__ = [
    "add",
    "call",
    "cas",
    "check",
    "clear",
    "increment",
    "match_prefix",
    "replace",
    "report",
    "seize",
    "status",
]

T = TypeVar("T")
Params = list[tuple[bytes, bytes]]
Rows = dict[bytes, bytes]

_REFUSED = 450


def call(
    name: str,
    params: Params,
    read: Callable[[RpcReply], T],
    *,
    repeatable: bool,
    key: bytes | None = None,
) -> Command[T]:
    """Call any procedure.

    :param params: input names and values.
    :param read: makes the result of a reply with status 200 or 450; others raise ServerError.
    :param repeatable: whether the call may be sent twice.
    """

    def decoder() -> Decoder[T]:
        read_reply = RpcReplyDecoder()

        def decode(data: Buffer, end: int) -> T | Incomplete | Closing[T]:
            reply = read_reply(data, end)
            if isinstance(reply, Incomplete):
                return reply
            if isinstance(reply, Closing):
                return Closing(_checked(reply.result, read, connection_ok=False))
            return _checked(reply, read, connection_ok=True)

        return decode

    return name, encode_call(name, params), decoder(), repeatable, key, decoder


def _checked(reply: RpcReply, read: Callable[[RpcReply], T], *, connection_ok: bool) -> T:
    if reply.status in (200, _REFUSED):
        try:
            return read(reply)
        except ServerError as error:
            error.connection_ok = connection_ok
            raise
    text = reply.rows.get(b"ERROR", b"").decode(errors="replace")
    kind = NoSuchDatabase if text == "no such database" else ServerError
    raise kind(
        f"the server answered {reply.status}: {text or 'no reason given'}",
        status=reply.status,
        connection_ok=connection_ok,
    )


def _accepted(reply: RpcReply) -> bool:
    return reply.status == 200


def _rows(reply: RpcReply) -> Rows:
    if reply.status == 200:
        return reply.rows
    text = reply.rows.get(b"ERROR", b"").decode(errors="replace")
    raise ServerError(f"the server refused: {text}", status=reply.status)


def _done(reply: RpcReply) -> bool:
    _rows(reply)
    return True


def _field(reply: RpcReply, name: bytes) -> bytes:
    try:
        return _rows(reply)[name]
    except KeyError:
        raise ServerError(f"the reply lacks {name.decode()!r}", status=reply.status) from None


def _number(reply: RpcReply, name: bytes = b"num") -> int:
    try:
        return int(_field(reply, name))
    except ValueError:
        raise ServerError(f"{name.decode()!r} is not a number", status=reply.status) from None


def _matches(reply: RpcReply) -> list[bytes]:
    ranked = [(name[1:], rank) for name, rank in _rows(reply).items() if name[:1] == b"_"]
    try:
        ranked.sort(key=lambda match: int(match[1]))
    except ValueError:
        raise ServerError("the reply's ranks are not numbers", status=reply.status) from None
    return [key for key, _ in ranked]


def _params(db: int, *pairs: tuple[bytes, bytes | int | None]) -> Params:
    """Return the input of a database procedure; pairs whose value is ``None`` are left out."""
    params = [(b"DB", b"%d" % db)]
    params += [
        (name, b"%d" % value if isinstance(value, int) else value)
        for name, value in pairs
        if value is not None
    ]
    return params


def add(db: int, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record unless there is one: whether it was stored."""
    params = _params(db, (b"key", key), (b"value", value), (b"xt", xt))
    return call("add", params, _accepted, repeatable=False, key=key)


def replace(db: int, key: bytes, value: bytes, xt: int) -> Command[bool]:
    """Store a record if there is one: whether it was stored."""
    params = _params(db, (b"key", key), (b"value", value), (b"xt", xt))
    return call("replace", params, _accepted, repeatable=False, key=key)


def cas(db: int, key: bytes, old: bytes | None, new: bytes | None, xt: int) -> Command[bool]:
    """Store ``new`` if the value is ``old``: whether it was.

    :param old: ``None`` if there must be no record.
    :param new: ``None`` to remove it.
    """
    params = _params(db, (b"key", key), (b"oval", old), (b"nval", new), (b"xt", xt))
    return call("cas", params, _accepted, repeatable=False, key=key)


def increment(db: int, key: bytes, n: int, orig: bytes | None, xt: int) -> Command[int]:
    """Add to a record of eight big-endian bytes: the new number.

    :param orig: for a missing record, the number to start from, ``try`` to fail; ``set`` to store
        ``n`` itself in any case.
    """
    params = _params(db, (b"key", key), (b"num", n), (b"orig", orig), (b"xt", xt))
    return call("increment", params, _number, repeatable=False, key=key)


def check(db: int, key: bytes) -> Command[int | None]:
    """Return the size of a record's value in bytes, or ``None`` if it is missing."""

    def read(reply: RpcReply) -> int | None:
        return _number(reply, b"vsiz") if reply.status == 200 else None

    return call("check", _params(db, (b"key", key)), read, repeatable=True, key=key)


def seize(db: int, key: bytes) -> Command[bytes | None]:
    """Remove a record: the value it had, or ``None`` if it is missing."""

    def read(reply: RpcReply) -> bytes | None:
        return _field(reply, b"value") if reply.status == 200 else None

    return call("seize", _params(db, (b"key", key)), read, repeatable=False, key=key)


def match_prefix(db: int, prefix: bytes, most: int | None = None) -> Command[list[bytes]]:
    """List keys by prefix, at most ``most``; expired ones the server still holds included."""
    params = _params(db, (b"prefix", prefix), (b"max", most))
    return call("match_prefix", params, _matches, repeatable=True)


def clear(db: int) -> Command[bool]:
    """Remove all records of a database."""
    return call("clear", _params(db), _done, repeatable=False)


def status(db: int) -> Command[Rows]:
    """Return the fields that describe a database."""
    return call("status", _params(db), _rows, repeatable=True)


def report() -> Command[Rows]:
    """Return the fields that describe the server."""
    return call("report", [], _rows, repeatable=True)
