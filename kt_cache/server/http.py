"""Carries out HTTP requests: TSV-RPC below ``/rpc/``, records everywhere else."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from kt_cache.errors import RemoteProtocolError, StorageError
from kt_cache.protocol.framing import Buffer
from kt_cache.protocol.http import (
    HttpRequest,
    HttpRequestDecoder,
    encode_response,
    error_response,
)
from kt_cache.protocol.rpc import RPC_PATH
from kt_cache.server.calls import report_failure
from kt_cache.server.replies import Reply
from kt_cache.server.rest import serve_resource
from kt_cache.server.rpc import serve_call
from kt_cache.server.service import SERVER_NAME, Service
from kt_cache.server.sessions import Hangup, LaterReply
from kt_cache.storage import Cursor

__all__ = ["HttpSession"]


class HttpSession:
    """HTTP's side of one connection, with the cursors that belong to it."""

    __slots__ = ("_cursors", "_decoder", "_service")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = HttpRequestDecoder(service.options.limits)
        self._cursors: dict[int, Cursor] = {}

    def serve(
        self, data: Buffer, start: int, end: int, now: int
    ) -> tuple[bytes | LaterReply | None, int]:
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
            later_or_reply = serve_call(self._service, self._cursors, request, now)
            if not isinstance(later_or_reply, Reply):
                return self._respond_later(request, later_or_reply), start
            reply = later_or_reply
        else:
            reply = self._serve_resource(request, now)
        return self._respond(request, reply, now), start

    def break_off(self, now: int) -> bytes:
        """As :class:`~kt_cache.server.sessions.Session` says."""
        if not self._decoder.in_body:
            return b""
        return self._refusal(RemoteProtocolError("receiving data failed"), now)

    def _refusal(self, error: RemoteProtocolError, now: int) -> bytes:
        if not error.status:
            return b""
        return error_response(error, server=SERVER_NAME, date=self._service.http_date(now))

    async def _respond_later(
        self, request: HttpRequest, coming: Coroutine[Any, Any, Reply]
    ) -> bytes:
        return self._respond(request, await coming, self._service.now())

    def _respond(self, request: HttpRequest, reply: Reply, now: int) -> bytes:
        response = encode_response(
            reply.status,
            reply.headers,
            reply.body,
            server=SERVER_NAME,
            date=self._service.http_date(now),
            close=request.close,
            head_length=reply.length if request.method == b"HEAD" else -1,
        )
        if request.close:
            raise Hangup(response)
        return response

    def _serve_resource(self, request: HttpRequest, now: int) -> Reply:
        try:
            return serve_resource(self._service, request, now)
        except StorageError as error:
            failure = report_failure(error)
            return Reply(failure.status, [("X-Kt-Error", failure.text)])


def _is_from_web_page(request: HttpRequest) -> bool:
    """Tell whether a browser sent this for a page; what a user types in is no page.

    Any page in the world can send forms to a server on the visitor's machine, and so would plant
    values there that a site unpickles.
    """
    headers = request.headers
    return b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none"
