"""TSV-RPC: procedures called over HTTP with a map in and a map out, both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from kt_cache.protocol.framing import DEFAULT_LIMITS, Buffer, Closing, Incomplete, Limits
from kt_cache.protocol.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseDecoder,
    encode_request,
)
from kt_cache.protocol.tsv import (
    CONTENT_TYPE,
    choose_reply_encoding,
    content_type,
    decode_columns,
    decode_form,
    decode_rows,
    encode_raw_rows,
    encode_rows,
    encoding_of,
    url_decode,
    url_encode,
)

__all__ = [
    "RPC_PATH",
    "RpcCall",
    "RpcReply",
    "RpcReplyDecoder",
    "decode_call",
    "decode_usual_reply",
    "encode_call",
    "encode_reply_body",
]

RPC_PATH = b"/rpc/"
_FORM = b"application/x-www-form-urlencoded"
_USUAL_END = b"\r\nContent-Type: " + CONTENT_TYPE.encode()  # of what both servers send


class RpcCall(NamedTuple):
    """One call: the procedure's name and its input map."""

    name: bytes
    params: dict[bytes, bytes]


class RpcReply(NamedTuple):
    """One reply: the HTTP status and the output map."""

    status: int
    rows: dict[bytes, bytes]


@lru_cache(maxsize=256)
def _call_head(name: str, encoding: str) -> bytes:
    """Return a request's head up to the value of Content-Length."""
    target = "/rpc/" + url_encode(name.encode()).decode()
    request = encode_request("POST", target, [("Content-Type", content_type(encoding))])
    return request.removesuffix(b"0\r\n\r\n")


def encode_call(name: str, params: Collection[tuple[bytes, bytes]] = ()) -> bytes:
    """Return the request that calls a procedure.

    :param name: the procedure, such as ``cas``.
    :param params: input names and values; sent raw if they can be, else in base64.
    """
    body, encoding = encode_raw_rows(params), ""
    if body is None:
        encoding = "B"
        body = encode_rows(params, encoding)
    return b"%b%d\r\n\r\n%b" % (_call_head(name, encoding), len(body), body)


def decode_call(request: HttpRequest) -> RpcCall:
    """Return the call in a request whose path begins with ``/rpc/``.

    The input map is the query string's, overridden by the body's if the body is a form or TSV.
    """
    path, _, query = request.target.partition(b"?")
    kind = request.headers.get(b"content-type", b"")
    lowered = kind.lower()
    params = decode_form(query)
    if lowered.startswith(_FORM):
        params |= decode_form(request.body)
    elif lowered.startswith(CONTENT_TYPE.encode()):
        params |= decode_rows(request.body)
        if encoding := encoding_of(kind.decode("latin-1")):
            # As in the reference server: every entry, the query string's included.
            params = decode_columns(params, encoding)
    return RpcCall(url_decode(path[len(RPC_PATH) :]), params)


def encode_reply_body(rows: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """Return Content-Type and body of an output map, sorted by name as sent."""
    encoding = choose_reply_encoding(rows)
    return content_type(encoding), encode_rows(rows.items(), encoding, ordered=True)


def decode_usual_reply(data: Buffer, end: int) -> RpcReply | None:
    """Return the reply in ``data[:end]`` if all of it is there and it looks as most do: raw rows.

    This is for speed alone; :class:`RpcReplyDecoder` decodes any reply.

    :return: ``None`` for all others.
    """
    if len(data) != end:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    if (
        head.endswith(_USUAL_END)
        and head.startswith(b"HTTP/1.1 ")
        and head[12:13] == b" "
        and b"\r\nContent-Length: %d\r\n" % len(body) in head
        # These five lines and no other, which might say something about the connection.
        and head.count(b"\r\n") == 4
        and b"\r\nServer: " in head
        and b"\r\nDate: " in head
        and head[9:12].isdigit()
    ):
        return RpcReply(int(head[9:12]), decode_rows(bytes(body)))
    return None


class RpcReplyDecoder:
    """Decodes the reply to a call; a decoder as :mod:`kt_cache.protocol.framing` describes."""

    __slots__ = ("_http",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._http = HttpResponseDecoder(limits=limits)

    def __call__(self, data: Buffer, end: int) -> RpcReply | Incomplete | Closing[RpcReply]:
        """Return the reply in ``data[:end]``, in a ``Closing`` if it announces the close."""
        response = self._http(data, end)
        if isinstance(response, Incomplete):
            return response
        if isinstance(response, Closing):
            return Closing(_read_reply(response.result))
        return _read_reply(response)


def _read_reply(response: HttpResponse) -> RpcReply:
    kind = response.headers.get(b"content-type", b"").decode("latin-1")
    return RpcReply(response.status, decode_rows(response.body, encoding_of(kind)))
