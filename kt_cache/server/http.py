"""Carries out HTTP requests: TSV-RPC below ``/rpc/``, records everywhere else."""

from __future__ import annotations

import logging

from kt_cache.errors import RemoteProtocolError, StorageError
from kt_cache.protocol.framing import Buffer
from kt_cache.protocol.http import (
    HttpRequest,
    HttpRequestDecoder,
    encode_response,
    error_response,
)
from kt_cache.protocol.rpc import RPC_PATH, decode_call, encode_reply_body
from kt_cache.server.calls import Call, Failure, Rows
from kt_cache.server.procedures import PROCEDURES
from kt_cache.server.rest import Reply, serve_resource
from kt_cache.server.service import SERVER_NAME, Service
from kt_cache.server.sessions import Hangup
from kt_cache.storage import Cursor

__all__ = ["HttpSession"]

_log = logging.getLogger(__name__)


class HttpSession:
    """HTTP's side of one connection, with the cursors that belong to it."""

    __slots__ = ("_cursors", "_decoder", "_service")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = HttpRequestDecoder(service.options.limits)
        self._cursors: dict[int, Cursor] = {}

    def serve(self, data: Buffer, start: int, end: int, now: int) -> tuple[bytes | None, int]:
        """As :class:`~kt_cache.server.sessions.Session` says."""
        try:
            request, start = self._decoder.decode(data, start, end)
        except RemoteProtocolError as error:
            raise Hangup(self._refusal(error, now)) from error
        if request is None:
            return None, start
        if _is_from_web_page(request):
            reply = Reply(403, [], b"web pages are not served\n", None)
        elif request.target.startswith(RPC_PATH):
            reply = self._call(request, now)
        else:
            reply = self._serve_resource(request, now)
        response = self._encode(request, reply, now)
        if request.close:
            raise Hangup(response)
        return response, start

    def break_off(self, now: int) -> bytes:
        """As :class:`~kt_cache.server.sessions.Session` says."""
        if not self._decoder.in_body:
            return b""
        return self._refusal(RemoteProtocolError("receiving data failed"), now)

    def _refusal(self, error: RemoteProtocolError, now: int) -> bytes:
        if not error.status:
            return b""
        return error_response(error, server=SERVER_NAME, date=self._service.http_date(now))

    def _encode(self, request: HttpRequest, reply: Reply, now: int) -> bytes:
        return encode_response(
            reply.status,
            reply.headers,
            reply.body,
            server=SERVER_NAME,
            date=self._service.http_date(now),
            close=request.close,
            head_length=reply.length if request.method == b"HEAD" else -1,
        )

    def _call(self, request: HttpRequest, now: int) -> Reply:
        name, params = decode_call(request)
        call = Call(self._service, self._cursors, name, params, now)
        try:
            status, rows = 200, _run(call)
        except Failure as failure:
            status, rows = failure.status, {b"ERROR": failure.text.encode("latin-1")}
        if call.flag(b"SIGNAL"):
            rows = {**rows, b"SIGNALED": b"0"}  # nobody can be waiting
        content_type, body = encode_reply_body(rows)
        return Reply(status, [("Content-Type", content_type)], body, None)

    def _serve_resource(self, request: HttpRequest, now: int) -> Reply:
        try:
            return serve_resource(self._service, request, now)
        except StorageError as error:
            failure = _report_failure(error)
            return Reply(failure.status, [("X-Kt-Error", failure.text)])


def _is_from_web_page(request: HttpRequest) -> bool:
    """Tell whether a browser sent this for a page; what a user types in is no page.

    Any page in the world can send forms to a server on the visitor's machine, and so would plant
    values there that a site unpickles.
    """
    headers = request.headers
    return b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none"


def _run(call: Call) -> Rows:
    if call.flag(b"WAIT"):
        raise Failure.not_implemented("WAIT")
    procedure = PROCEDURES.get(call.name)
    if procedure is None:
        raise Failure.not_implemented(call.name.decode("latin-1"))
    try:
        return procedure(call)
    except StorageError as error:
        raise _report_failure(error) from error


def _report_failure(error: StorageError) -> Failure:
    """Log what a storage engine could not do, and return what the client is told."""
    _log.error("a request failed: %s", error.message)
    return Failure(500, "DB: 9: system error: the server's log says why")
