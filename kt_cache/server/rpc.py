"""Carries out calls of procedures, and what any call may ask for: to wait, and to send a signal."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeAlias

from kt_cache.errors import StorageError
from kt_cache.protocol.http import HttpRequest
from kt_cache.protocol.rpc import decode_call, encode_reply_body
from kt_cache.server.calls import Call, Failure, Rows, report_failure
from kt_cache.server.parameters import parse_real
from kt_cache.server.procedures import PROCEDURES
from kt_cache.server.replies import Reply
from kt_cache.server.service import Service
from kt_cache.storage import Cursor

__all__ = ["serve_call"]

Cursors: TypeAlias = dict[int, Cursor]
ComingReply: TypeAlias = Coroutine[Any, Any, Reply]

_USUAL_WAIT = 30.0  # seconds


def serve_call(
    service: Service, cursors: Cursors, request: HttpRequest, now: int
) -> Reply | ComingReply:
    """Carry out a call.

    :param cursors: the connection's cursors by number.
    :param now: current Unix second.
    :return: the reply, or a coroutine that returns it if the call has to wait for something.
    """
    name, params = decode_call(request)
    if b"WAIT" in params:
        return _call_after_signal(service, cursors, name, params)
    return _carry_out(Call(service, cursors, name, params, now))


async def _call_after_signal(
    service: Service, cursors: Cursors, name: bytes, params: Rows
) -> Reply:
    """Wait before anything is looked at, as the reference server does."""
    seconds = parse_real(params.get(b"WAITTIME", b""))
    if not seconds > 0:
        seconds = _USUAL_WAIT
    if not await service.signals.wait(params[b"WAIT"], seconds):
        return _encode(503, {b"ERROR": b"the condition timed out"})
    reply = _carry_out(Call(service, cursors, name, params, service.now()))
    return reply if isinstance(reply, Reply) else await reply


def _carry_out(call: Call) -> Reply | ComingReply:
    procedure = PROCEDURES.get(call.name)
    try:
        if procedure is None:
            raise Failure.not_implemented(call.name.decode("latin-1"))
        rows = procedure(call)
    except (Failure, StorageError) as error:
        return _refuse(call, error)
    return _accept(call, rows) if isinstance(rows, dict) else _await_rows(call, rows)


async def _await_rows(call: Call, coming: Coroutine[Any, Any, Rows]) -> Reply:
    try:
        rows = await coming
    except (Failure, StorageError) as error:
        return _refuse(call, error)
    return _accept(call, rows)


def _refuse(call: Call, error: Failure | StorageError) -> Reply:
    failure = error if isinstance(error, Failure) else report_failure(error)
    return _end(call, failure.status, {b"ERROR": failure.text.encode("latin-1")})


def _accept(call: Call, rows: Rows) -> Reply:
    return _end(call, 200, rows)


def _end(call: Call, status: int, rows: Rows) -> Reply:
    """Send the call's signal, whatever came of the call, and make the reply."""
    name = call.params.get(b"SIGNAL")
    if name is not None:
        count = call.service.signals.send(name, to_all=call.flag(b"SIGNALBROAD"))
        rows = {**rows, b"SIGNALED": b"%d" % count}
    return _encode(status, rows)


def _encode(status: int, rows: Rows) -> Reply:
    content_type, body = encode_reply_body(rows)
    return Reply(status, [("Content-Type", content_type)], body, None)
