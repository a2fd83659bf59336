"""The part of HTTP/1.1 that Kyoto Tycoon speaks, both directions.

Persistent connections, Content-Length and chunked bodies; no compression, no trailers, no interim
replies. Requests are read as leniently as the reference server reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol.chunks import Chunks
from kt_cache.protocol.framing import (
    DEFAULT_LIMITS,
    Buffer,
    Closing,
    Incomplete,
    Limits,
    check_end,
)

__all__ = [
    "HttpRequest",
    "HttpRequestDecoder",
    "HttpResponse",
    "HttpResponseDecoder",
    "encode_request",
    "encode_response",
    "error_response",
]

_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    450: "Logical Inconsistency",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}

_request_line = re.compile(rb"([^ ]+) ([^ ]+) (HTTP/1\.[01])").fullmatch
_status_line = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: .*)?").fullmatch
_empty_line = re.compile(rb"\n\r*\n").search
_leading_integer = re.compile(rb"[\x01-\x20]*([+-]?)0*([0-9]{1,20})").match

_SHORT_HEAD = 1024  # bytes of a head that is worth remembering
_BODILESS = frozenset((b"GET", b"HEAD", b"DELETE"))


class HttpRequest(NamedTuple):
    """One request.

    :param headers: names in lower case; the last of a repeated header.
    :param close: whether the connection ends with the reply.
    """

    method: bytes
    target: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    close: bool


class HttpResponse(NamedTuple):
    """One reply; header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


# ---------------------------------------------------------------- encoding


def encode_request(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Return a request; Host and Content-Length are added.

    :raises LocalProtocolError: for a line break, or text beyond Latin-1, ahead of the body.
    """
    lines = [f"{method} {target} HTTP/1.1", "Host: kt"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return _encode_head(lines) + body


def _encode_head(lines: list[str]) -> bytes:
    head = "\r\n".join([*lines, "", ""])
    breaks = len(lines) + 1
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise LocalProtocolError("an HTTP request line or header contains a line break")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError:
        raise LocalProtocolError("an HTTP request line or header is not Latin-1") from None


def encode_response(
    status: int,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    server: str,
    date: str,
    close: bool = False,
    head_length: int | None = -1,
) -> bytes:
    """Return a reply with the headers in the order the reference server sends them.

    :param server: value of the Server header.
    :param date: value of the Date header (RFC 1123).
    :param close: whether to announce that the connection ends here.
    :param head_length: for a reply to HEAD (no body is sent), the Content-Length to announce or
        ``None`` for no such header; -1 for every other reply.
    :raises LocalProtocolError: for a line break, or text beyond Latin-1, ahead of the body.
    """
    if head_length == -1:
        length: int | None = len(body)
    else:
        length, body = head_length, b""
    return _response_head(status, tuple(headers), server, date, close, length) + body


@lru_cache(maxsize=256)  # heads of the same second differ in their lengths at most
def _response_head(
    status: int,
    headers: tuple[tuple[str, str], ...],
    server: str,
    date: str,
    close: bool,
    length: int | None,
) -> bytes:
    reason = _REASONS.get(status, "Unknown")
    lines = [f"HTTP/1.1 {status} {reason}", f"Server: {server}", f"Date: {date}"]
    if close:
        lines.append("Connection: close")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in sorted(headers)]
    return _encode_head(lines)


def error_response(error: RemoteProtocolError, *, server: str, date: str) -> bytes:
    """Return the reply to a request that could not be read; the connection ends with it."""
    reason = _REASONS.get(error.status, "Unknown")
    body = f"{error.status} {reason} ({error.message})\n".encode()
    headers = [("Content-Type", "text/plain")]
    return encode_response(error.status, headers, body, server=server, date=date, close=True)


# ---------------------------------------------------------------- decoding


def _parse_headers(lines: Iterable[bytes], most: int) -> dict[bytes, bytes]:
    headers = {}
    for line in lines:
        name, colon, value = line[:most].partition(b":")
        if colon:
            headers[name.strip().lower()] = value.lstrip(b" ").rstrip()
    return headers


def _content_length(headers: Mapping[bytes, bytes]) -> int:
    """Return the declared length, or -1 where there is none."""
    value = headers.get(b"content-length")
    if value is None:
        return -1
    match = _leading_integer(value)
    return int(match[1] + match[2]) if match else 0


class HttpRequestDecoder:
    """Decodes one HTTP request after the other from a stream of bytes.

    ``in_body`` tells, when the stream broke off, whether to answer 400 (the head was complete)
    or nothing.
    """

    __slots__ = ("_chunks", "_head", "_length", "_line", "_scanned", "limits")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._head: HttpRequest | None = None
        self._line = (b"", b"", b"")
        self._length = 0
        self._scanned = 0
        self._chunks: Chunks | None = None

    @property
    def in_body(self) -> bool:
        """Whether a request's head is complete and its body is not."""
        return self._head is not None

    def decode(self, data: Buffer, start: int, end: int) -> tuple[HttpRequest | None, int]:
        """Decode the request that begins at ``data[start]``.

        :return: the request, or ``None`` if more bytes are needed, and where decoding stopped;
            what lies before that is not needed again.
        :raises RemoteProtocolError: answer with its ``status`` (0: with nothing) and close.
        """
        if self._head is None:
            stop = self._find_known_head(data, start, end)
            if stop < 0:
                stop = self._find_head_end(data, start, end)
                if stop < 0:
                    return None, start
                self._read_head(bytes(data[start:stop]))
            start = stop
        head, body = self._head, b""
        if head is None:  # pragma: no cover - for the type checker
            return None, start
        if self._chunks:
            whole, start = self._chunks.read(data, start, end)
            if whole is None:
                return None, start
            body = whole
        elif self._length:
            if end - start < self._length:
                return None, start
            body = bytes(data[start : start + self._length])
            start += self._length
        self._head, self._chunks, self._scanned = None, None, 0
        return head._replace(body=body) if body else head, start

    def _find_known_head(self, data: Buffer, start: int, end: int) -> int:
        """Take a head as it was read before, if it was; return where it ends, or -1."""
        stop = -1 if self._scanned else data.find(b"\r\n\r\n", start, min(end, start + _SHORT_HEAD))
        if stop < 0:
            return -1
        stop += 4
        known = _read_short_head(bytes(data[start:stop]), self.limits)
        if known is None:
            return -1
        self._head, self._length, chunked = known
        self._chunks = Chunks(self.limits.body) if chunked else None
        return stop

    def read_whole_head(self, block: bytes) -> tuple[HttpRequest, int, bool] | None:
        """Return request, length and whether it is chunked if the block is a head and no more."""
        if self._find_head_end(block, 0, len(block)) != len(block):
            return None
        self._read_head(block)
        return (self._head, self._length, self._chunks is not None) if self._head else None

    def _find_head_end(self, data: Buffer, start: int, end: int) -> int:
        """Return where the head that begins at ``start`` ends, or -1 while it is incomplete."""
        if not self._scanned:
            stop = data.find(b"\n", start, end)
            if stop < 0:
                if end - start > self.limits.line:
                    raise RemoteProtocolError("the request line is too long", status=0)
                return -1
            self._line = self._read_request_line(bytes(data[start:stop]))
            self._scanned = stop - start
        found = _empty_line(data, start + self._scanned, end)
        last = found.start() if found else data.rfind(b"\n", start, end)
        # Without an end, the last LF may be the beginning of one, if nothing but CRs follows it.
        begin = last if found or not data[last + 1 : end].strip(b"\r") else end
        if begin - start > self.limits.headers + self.limits.line:
            raise RemoteProtocolError("the header block is too long", status=0)
        self._scanned = max(self._scanned, last - start)
        return found.end() if found else -1

    def _read_request_line(self, line: bytes) -> tuple[bytes, bytes, bytes]:
        """Return method, target and version."""
        match = _request_line(line.replace(b"\r", b""))
        if len(line) > self.limits.line or not match:
            raise RemoteProtocolError("not an HTTP/1.x request", status=0)
        method, target, version = match.groups()
        return method, target, version

    def _read_head(self, block: bytes) -> None:
        method, target, version = self._line
        # A CR is nothing, wherever it stands.
        headers = _parse_headers(block.replace(b"\r", b"").split(b"\n")[1:], self.limits.line)
        connection = headers.get(b"connection", b"").lower()
        close = connection == b"close" or (version == b"HTTP/1.0" and connection != b"keep-alive")
        self._head = HttpRequest(method, target, headers, b"", close)
        self._length, self._chunks = 0, None
        if method in _BODILESS:
            return
        length = _content_length(headers)
        if length > self.limits.body:
            raise RemoteProtocolError("request entity too large", status=413)
        if length >= 0:
            self._length = length
        elif headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._chunks = Chunks(self.limits.body)


@lru_cache(maxsize=256)  # a client's heads differ in their lengths at most
def _read_short_head(block: bytes, limits: Limits) -> tuple[HttpRequest, int, bool] | None:
    return HttpRequestDecoder(limits).read_whole_head(block)


class HttpResponseDecoder:
    """Decodes one reply; a decoder as :mod:`kt_cache.protocol.framing` describes.

    :param head: whether the request was a HEAD, whose reply has no body.
    """

    __slots__ = ("_body_at", "_chunks", "_head", "_limits", "_response", "_stop")

    def __init__(self, *, head: bool = False, limits: Limits = DEFAULT_LIMITS) -> None:
        self._head = head
        self._limits = limits
        self._response: HttpResponse | None = None
        self._body_at = 0
        self._stop = 0
        self._chunks: Chunks | None = None

    def __call__(self, data: Buffer, end: int) -> HttpResponse | Incomplete | Closing[HttpResponse]:
        """Return the reply in ``data[:end]``, in a ``Closing`` if it announces the close."""
        if self._response is None:
            stop = data.find(b"\r\n\r\n", max(0, self._body_at - 3), end)
            if (end if stop < 0 else stop + 3) > self._limits.headers:
                raise RemoteProtocolError("the reply's header block is too long")
            if stop < 0:
                self._body_at = end
                if end and data[: min(end, 5)] != b"HTTP/"[:end]:
                    raise RemoteProtocolError(f"the reply begins with {data[0]:#04x}, not HTTP")
                return Incomplete(end + 1)
            self._read_head(bytes(data[:stop]))
            self._body_at = stop + 4
            self._stop += self._body_at
        response = self._response
        if response is None:  # pragma: no cover - for the type checker
            return Incomplete(end + 1)
        if self._chunks:
            body, self._body_at = self._chunks.read(data, self._body_at, end)
            if body is None:
                return Incomplete(end + 1)
            check_end(self._body_at, end)
        else:
            if end < self._stop:
                return Incomplete(self._stop)
            check_end(self._stop, end)
            body = bytes(data[self._body_at : end])
        response = response._replace(body=body)
        if response.headers.get(b"connection", b"").lower() == b"close":
            return Closing(response)
        return response

    def _read_head(self, block: bytes) -> None:
        first, *lines = block.split(b"\r\n")
        match = _status_line(first)
        if not match:
            raise RemoteProtocolError("the reply is not HTTP/1.x")
        headers = _parse_headers(lines, self._limits.line)
        if match[1] == b"0":
            headers.setdefault(b"connection", b"close")
        self._response = HttpResponse(int(match[2]), headers, b"")
        if self._head:
            return
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._chunks = Chunks(self._limits.body)
            return
        length = _content_length(headers)
        if length > self._limits.body:
            raise RemoteProtocolError(f"a reply of {length} bytes is above the limit")
        if length < 0 and match[2] != b"204":
            raise RemoteProtocolError("the reply does not say how long it is")
        self._stop = max(0, length)
