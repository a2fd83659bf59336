"""A TSV-RPC call as a command: its parameters, common ones included, and its status's meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypedDict, TypeVar

from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, NoSuchDatabase, ServerError, SignalTimeout
from kt_cache.protocol.framing import Buffer, Closing, Decoder, Incomplete, begin
from kt_cache.protocol.rpc import (
    CallEncoder,
    RpcReply,
    RpcReplyDecoder,
    decode_usual_reply,
    encode_call,
)
from kt_cache.serializers import encode_key
from kt_cache.transport.config import check_seconds

__all__ = [
    "Params",
    "Procedure",
    "Rows",
    "Signals",
    "Where",
    "accepted",
    "call",
    "common",
    "done",
    "field",
    "number",
    "optional",
    "params_of",
    "patience_of",
    "rows_of",
    "underscored",
]

T = TypeVar("T")
Params = list[tuple[bytes, bytes]]
Rows = dict[bytes, bytes]
Where: TypeAlias = "int | Params"
"""A database index, or a call's common parameters as :func:`common` makes them."""

_UNDERSTOOD = (200, 450)  # done; refused for a reason that lies in the record
_KINDS = {
    "no such database": NoSuchDatabase,
    "no such cursor": NoSuchDatabase,  # all ours have a number, so only the database can be wrong
    "the condition timed out": SignalTimeout,
}
_SIGNAL = 1  # where the signal to send stands among a call's parameters
_SHORTEST_WAIT = 0.000001  # seconds; what is zero to the server makes it wait for its default


class Signals(TypedDict, total=False):
    """What a call may have to do with a signal of the server. Signals are names; nobody makes them.

    :ivar signal: the signal's name.
    :ivar wait: wait at most so many seconds for the signal before the call is carried out.
    :ivar send: send the signal to all who wait for it when the call has been carried out.
    """

    signal: str | bytes | None
    wait: float | None
    send: bool


def common(db: int, signals: Signals) -> Where:
    """Return the parameters that every procedure of a database takes.

    :raises ConfigError: if ``signals`` do not go together.
    """
    if not isinstance(db, int):
        raise ConfigError(f"a database index is a number, not {db!r}")
    if not signals:
        return db
    unknown = sorted(set(signals) - Signals.__optional_keys__)
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    name, wait, send = signals.get("signal"), signals.get("wait"), signals.get("send")
    if name is None:
        if wait is None and not send:
            return db
        raise ConfigError("wait and send need the name of a signal: signal=...")
    if (wait is None) == (not send):
        raise ConfigError("a signal needs either wait=SECONDS, to wait for it, or send=True")
    params, key = params_of(db), encode_key(name)
    if wait is None:
        params.insert(_SIGNAL, (b"SIGNAL", key))
        return [*params, (b"SIGNALBROAD", b"")]
    check_seconds("wait", wait)
    return [*params, (b"WAIT", key), (b"WAITTIME", b"%f" % max(wait, _SHORTEST_WAIT))]


def patience_of(signals: Signals) -> float:
    """Return the seconds for which the server may wait before it carries a call out."""
    return signals.get("wait") or 0.0


def params_of(where: Where, *pairs: tuple[bytes, bytes | int | None]) -> Params:
    """Return the input of a database procedure; pairs whose value is ``None`` are left out."""
    params = [(b"DB", b"%d" % where)] if isinstance(where, int) else where[:]
    for name, value in pairs:
        if isinstance(value, bytes):
            params.append((name, value))
        elif value is not None:
            params.append((name, b"%d" % value))
    return params


def call(
    name: str,
    params: Params,
    read: Callable[[RpcReply], T],
    *,
    repeatable: bool,
    key: bytes | None = None,
    understood: Sequence[int] = _UNDERSTOOD,
) -> Command[T]:
    """Call any procedure.

    :param params: input names and values.
    :param read: makes the result of a reply with an understood status.
    :param understood: these; others raise ServerError.
    :param repeatable: whether the call may be sent twice. One that sends a signal never is.
    """
    if len(params) > _SIGNAL and params[_SIGNAL][0] == b"SIGNAL":
        repeatable = False
    return name, encode_call(name, params), _reading(read, understood), repeatable, key


class Procedure(Generic[T]):
    """A procedure on one record, which makes commands: :func:`call` with as few steps as can be.

    :param name: of the procedure.
    :param inputs: names of its inputs behind ``DB`` and ``key``, as :class:`CallEncoder` takes
        them.
    :param read: as for :func:`call`.
    :param repeatable: as for :func:`call`.
    """

    __slots__ = ("_decode", "_encode", "_inputs", "_name", "_read", "_repeatable")

    def __init__(
        self, name: str, *inputs: str, read: Callable[[RpcReply], T], repeatable: bool = False
    ) -> None:
        self._name = name
        self._inputs = [given.rstrip("#").encode() for given in inputs]
        self._encode = CallEncoder(name, "DB#", "key", *inputs)
        self._read = read
        self._decode = _reading(read)
        self._repeatable = repeatable

    def __call__(self, where: Where, key: bytes, *values: bytes | int | None) -> Command[T]:
        """Return a call.

        :param values: of the other inputs; what is ``None`` is left out.
        """
        if isinstance(where, int) and None not in values:
            request = self._encode(where, key, *values)  # type: ignore[arg-type]
            return self._name, request, self._decode, self._repeatable, key
        params = params_of(where, (b"key", key), *zip(self._inputs, values, strict=True))
        return call(self._name, params, self._read, repeatable=self._repeatable, key=key)


def _reading(read: Callable[[RpcReply], T], understood: Sequence[int] = _UNDERSTOOD) -> Decoder[T]:
    """Return the decoder of a reply of which ``read`` makes the result."""

    def decode(data: Buffer, end: int) -> T | Incomplete | Closing[T]:
        reply = decode_usual_reply(data, end)
        if reply is None:
            return begin(_any_reply(read, understood), data, end)
        return _result(reply, read, understood)

    return decode


def _any_reply(read: Callable[[RpcReply], T], understood: Sequence[int]) -> Decoder[T]:
    reply_in = RpcReplyDecoder()

    def decode(data: Buffer, end: int) -> T | Incomplete | Closing[T]:
        reply = reply_in(data, end)
        if isinstance(reply, Incomplete):
            return reply
        if isinstance(reply, Closing):
            return Closing(_result(reply.result, read, understood, connection_ok=False))
        return _result(reply, read, understood)

    return decode


def _result(
    reply: RpcReply,
    read: Callable[[RpcReply], T],
    understood: Sequence[int],
    *,
    connection_ok: bool = True,
) -> T:
    if reply.status in understood:
        try:
            return read(reply)
        except ServerError as error:
            error.connection_ok = connection_ok
            raise
    text = _error_in(reply)
    raise _KINDS.get(text, ServerError)(
        f"the server answered {reply.status}: {text or 'no reason given'}",
        status=reply.status,
        connection_ok=connection_ok,
    )


def _error_in(reply: RpcReply) -> str:
    return (reply.output(b"ERROR") or b"").decode(errors="replace")


# ---------------------------------------------------------------- reading replies


def accepted(reply: RpcReply) -> bool:
    """Tell whether the server did it, or refused for a reason that lies in the record."""
    return reply.status == 200


def rows_of(reply: RpcReply) -> Rows:
    """Return the output map of a call that may not be refused."""
    if reply.status == 200:
        return reply.rows
    raise _refused(reply)


def _refused(reply: RpcReply) -> ServerError:
    return ServerError(f"the server refused: {_error_in(reply)}", status=reply.status)


def done(reply: RpcReply) -> bool:
    """Return ``True`` for a call that may not be refused."""
    if reply.status != 200:
        raise _refused(reply)
    return True


def field(reply: RpcReply, name: bytes) -> bytes:
    """Return one output of a call that may not be refused."""
    if reply.status != 200:
        raise _refused(reply)
    found = reply.output(name)
    if found is None:
        raise ServerError(f"the reply lacks {name.decode()!r}", status=reply.status)
    return found


def number(reply: RpcReply, name: bytes = b"num") -> int:
    """Return one output that is a whole number."""
    if reply.status == 200 and (found := reply.output(name)) and found.isdigit():
        return int(found)  # as nearly always
    try:
        return int(field(reply, name))
    except ValueError:
        raise ServerError(f"{name.decode()!r} is not a number", status=reply.status) from None


def optional(read: Callable[[RpcReply], T]) -> Callable[[RpcReply], T | None]:
    """Return a reader that gives ``None`` for a refused call: the record is missing."""
    return lambda reply: read(reply) if reply.status == 200 else None


def underscored(reply: RpcReply) -> Rows:
    """Return the outputs whose names begin with an underscore, without it: those of records."""
    return {name[1:]: value for name, value in rows_of(reply).items() if name[:1] == b"_"}
