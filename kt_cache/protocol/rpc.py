"""TSV-RPC: procedures called over HTTP with a map in and a map out, both directions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
    "CallEncoder",
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
_TYPE = CONTENT_TYPE.encode()
# A reply whose head has these lines and no other, which might say something about the connection.
_usual_head = re.compile(
    rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\nServer: [^\r\n]*\r\nDate: [^\r\n]*\r\n"
    rb"Content-Length: ([0-9]{1,9})\r\nContent-Type: " + _TYPE
).fullmatch


class RpcCall(NamedTuple):
    """One call: the procedure's name and its input map."""

    name: bytes
    params: dict[bytes, bytes]


@dataclass(slots=True)
class RpcReply:
    """One reply: the HTTP status, and the output map, which is decoded when it is asked for.

    :param status: 200; 450 if the server refused for a reason that lies in the record; or another.
    :param body: the map as sent.
    :param encoding: of its columns.
    """

    status: int
    body: bytes
    encoding: str = ""

    @property
    def rows(self) -> dict[bytes, bytes]:
        """The output map."""
        return decode_rows(self.body, self.encoding)

    def output(self, name: bytes) -> bytes | None:
        """Return one output, or ``None`` if the map lacks it."""
        row, start = self.body, name + b"\t"
        if not self.encoding and row.startswith(start) and row.find(b"\n") == len(row) - 1:
            return row[len(start) : -1].removesuffix(b"\r")  # the only one
        return self.rows.get(name)


# ---------------------------------------------------------------- calls


@lru_cache(maxsize=256)
def _call_head(name: str, encoding: str) -> bytes:
    """Return a request's head up to the value of Content-Length."""
    target = "/rpc/" + url_encode(name.encode()).decode()
    request = encode_request("POST", target, [("Content-Type", content_type(encoding))])
    return request.removesuffix(b"0\r\n\r\n")


class CallEncoder:
    """Encodes calls of one procedure whose inputs have the same names: :func:`encode_call` at once.

    :param name: the procedure.
    :param inputs: names of its inputs, in order. A name that ends in ``#`` takes whole numbers.
    """

    __slots__ = ("_body", "_count", "_head", "_name", "_names")

    def __init__(self, name: str, *inputs: str) -> None:
        self._name = name
        self._names = [given.rstrip("#").encode() for given in inputs]
        kinds = [b"%d" if given.endswith("#") else b"%b" for given in inputs]
        self._body = encode_rows(zip(self._names, kinds, strict=True))
        self._count = len(inputs)
        self._head = _call_head(name, "")

    def __call__(self, *values: bytes | int) -> bytes:
        """Return the request.

        :raises TypeError: if a value is neither bytes nor a number, as its name wants it.
        """
        body, count = self._body % values, self._count
        if body.count(b"\t") == count == body.count(b"\n") and b"\r" not in body:
            return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        texts = [value if isinstance(value, bytes) else b"%d" % value for value in values]
        return encode_call(self._name, list(zip(self._names, texts, strict=True)))


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
    params = decode_form(query) if query else {}
    kind = _read_type(request.headers.get(b"content-type", b""))
    if kind == "form":
        params |= decode_form(request.body)
    elif kind is not None:
        params |= decode_rows(request.body)
        if kind:
            # As in the reference server: every entry, the query string's included.
            params = decode_columns(params, kind)
    return RpcCall(_read_name(path), params)


@lru_cache(maxsize=64)
def _read_type(kind: bytes) -> str | None:
    """Return the encoding of a body of rows, ``form`` for a form, or ``None`` for anything else."""
    lowered = kind.lower()
    if lowered.startswith(_FORM):
        return "form"
    return encoding_of(kind.decode("latin-1")) if lowered.startswith(_TYPE) else None


@lru_cache(maxsize=64)
def _read_name(path: bytes) -> bytes:
    return url_decode(path[len(RPC_PATH) :])


def encode_reply_body(rows: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """Return Content-Type and body of an output map, sorted by name as sent."""
    encoding = choose_reply_encoding(rows)
    return content_type(encoding), encode_rows(rows.items(), encoding, ordered=True)


# ---------------------------------------------------------------- replies


def decode_usual_reply(data: Buffer, end: int) -> RpcReply | None:
    """Return the reply in ``data[:end]`` if all of it is there and it looks as most do: raw rows.

    This is for speed alone; :class:`RpcReplyDecoder` decodes any reply.

    :return: ``None`` for all others.
    """
    if type(data) is not bytes or len(data) != end:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    status, length = _read_usual_head(head)
    return RpcReply(status, body) if length == len(body) else None


@lru_cache(maxsize=64)  # replies of the same second differ in their lengths at most
def _read_usual_head(head: bytes) -> tuple[int, int]:
    """Return status and length of the body; the length is -1 for an unusual head."""
    found = _usual_head(head)
    return (int(found[1]), int(found[2])) if found else (0, -1)


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
    return RpcReply(response.status, response.body, encoding_of(kind))
