"""HTTP as Kyoto Tycoon speaks it: both directions, lengths and chunks, in whatever pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol.http import (
    HttpResponse,
    HttpResponseDecoder,
    encode_request,
    encode_response,
    error_response,
)
from tests.protocol import strategies as some
from tests.protocol.feeding import Broken, Outcome, Request, ServerSide, read_reply

METHODS = ("GET", "HEAD", "DELETE", "POST", "PUT", "PATCH")
DATE = "Sat, 21 Nov 2026 19:43:47 GMT"

targets = st.text(st.characters(codec="latin-1", exclude_characters="\r\n "), min_size=1)
header_names = st.from_regex(r"X-[A-Za-z0-9-]{1,10}", fullmatch=True)
header_values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n")).map(str.strip)
headers = st.dictionaries(header_names, header_values, max_size=5).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
bodies = st.binary(max_size=200)


def lowered(found: dict[str, str]) -> dict[bytes, bytes]:
    """Return headers as a decoder shows them."""
    return {name.lower().encode(): _trimmed(value) for name, value in found.items()}


def _trimmed(value: str) -> bytes:
    return value.encode("latin-1").lstrip(b" ").rstrip()


def chunked(body: bytes, sizes: list[int], end: bytes = b"\r\n", extension: bytes = b"") -> bytes:
    """Return a chunked body with chunks of these sizes."""
    parts, start = [], 0
    for size in [*sizes, len(body) or 1]:
        if chunk := body[start : start + size]:
            parts.append(b"%X%b\r\n%b%b" % (len(chunk), extension, chunk, end))
        start += size
    return b"".join(parts) + b"0" + extension + b"\r\n" + end


def one_request(data: bytes, sizes: list[int], *, compact: bool = False) -> Any:
    server = ServerSide(compact=compact)
    server.feed(data, sizes)
    (request,) = server.events
    assert isinstance(request, Request)
    assert request.raw == data
    return request.http


def refused(data: bytes) -> bytes | RemoteProtocolError:
    server = ServerSide()
    server.feed(data)
    (broken,) = server.events
    assert isinstance(broken, Broken)
    return broken.answer


# ---------------------------------------------------------------- requests


@given(st.sampled_from(METHODS), targets, headers, bodies, some.sizes, st.booleans())
def test_request_round_trip(
    method: str, target: str, found: Any, body: bytes, sizes: list[int], compact: bool
) -> None:
    """A request decodes to the method, target, headers and body that were encoded."""
    if method in METHODS[:3]:
        body = b""
    data = encode_request(method, target, found.items(), body)
    request = one_request(data, sizes, compact=compact)
    expected = lowered(found) | {b"host": b"kt", b"content-length": b"%d" % len(body)}
    assert request == (method.encode(), target.encode("latin-1"), expected, body, False)


@given(bodies, some.sizes, some.sizes, st.booleans(), st.sampled_from((b"\r\n", b"\n")))
def test_chunked_request_round_trip(
    body: bytes, chunks: list[int], sizes: list[int], compact: bool, end: bytes
) -> None:
    """A chunked request body is put together again, whatever its chunks and pieces."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
    data = head + chunked(body, chunks, end, b" ; a=b")
    assert one_request(data, sizes, compact=compact).body == body


@given(st.lists(st.tuples(st.sampled_from(METHODS[3:]), bodies), min_size=2), some.sizes)
def test_pipelined_requests_come_apart(sent: Any, sizes: list[int]) -> None:
    """Requests that arrive back to back come out one by one, each with its own body."""
    data = b"".join(encode_request(method, "/", (), body) for method, body in sent)
    server = ServerSide()
    server.feed(data, sizes)
    found = [(request.http.method.decode(), request.http.body) for request in server.events]
    assert found == sent


@pytest.mark.parametrize("method", METHODS[:3])
def test_bodies_of_get_head_and_delete_are_not_read(method: str) -> None:
    """What follows the head of a GET, HEAD or DELETE is the next request, as the server has it."""
    server = ServerSide()
    server.feed(encode_request(method, "/a", (), b"GET /b HTTP/1.1\r\n\r\n"))
    assert [request.http.target for request in server.events] == [b"/a", b"/b"]


@pytest.mark.parametrize(
    ("version", "connection", "close"),
    [
        ("1.1", None, False),
        ("1.1", "close", True),
        ("1.1", "CLOSE", True),
        ("1.1", "keep-alive", False),
        ("1.1", "close, te", False),
        ("1.0", None, True),
        ("1.0", "Keep-Alive", False),
        ("1.0", "close", True),
    ],
)
def test_when_the_connection_ends(version: str, connection: str | None, close: bool) -> None:
    """1.1 stays open and 1.0 closes, unless the whole Connection header says otherwise."""
    line = f"Connection: {connection}\r\n" if connection else ""
    request = one_request(f"GET / HTTP/{version}\r\n{line}\r\n".encode(), [])
    assert request.close == close


@pytest.mark.parametrize(
    ("length", "body"),
    [
        (b"4", b"abcd"),
        (b" +4", b"abcd"),
        (b"4 bytes", b"abcd"),
        (b"000000000000000000000000000004", b"abcd"),
        (b"-4", b""),
        (b"four", b""),
        (b"", b""),
    ],
)
def test_content_length_is_read_leniently(length: bytes, body: bytes) -> None:
    """Content-Length is the leading integer of its header; without one, or below 0, no body."""
    head = b"POST / HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n"
    assert one_request(head + body, [1] * 100).body == body


def test_content_length_goes_before_chunks() -> None:
    """With a length and a Transfer-Encoding the length counts, as the reference server has it."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    assert one_request(head + b"0\r", []).body == b"0\r"


@given(st.sampled_from([b"\n", b"\r\n", b"\r\r\r\n"]), some.sizes)
def test_lines_end_at_lf_and_cr_is_dropped(end: bytes, sizes: list[int]) -> None:
    """A line ends at LF, and CR is discarded wherever it stands in the head."""
    data = b"GE\rT / HTTP/1.1\nX-A\r:\r b\r\rc\n" + end
    request = one_request(data, sizes)
    assert (request.method, request.headers) == (b"GET", {b"x-a": b"bc"})


def test_a_request_line_is_no_header() -> None:
    """A colon in the request line does not make a header of it."""
    assert one_request(b"GET /a:b HTTP/1.1\r\nX: y\r\n\r\n", []).headers == {b"x": b"y"}


def test_a_chunks_line_may_have_64_bytes() -> None:
    """The line with a chunk's size may have 64 bytes ahead of its LF, and not one more."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = b"1;" + b"x" * 61 + b"\r"
    rest = b"\na\r\n0\r\n\r\n"
    assert one_request(head + line + rest, []).body == b"a"
    assert isinstance(refused(head + b"1" + line + rest), RemoteProtocolError)


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / http/1.1\r\n",
        b"GET /\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"nonsense\r\n",
    ],
)
def test_what_is_no_http_ends_in_silence(head: bytes) -> None:
    """A first line that is no HTTP/1.x request is refused as soon as it is complete: no answer."""
    assert refused(head) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"123456789\r\n",
        b"3\r\nabcd",
        b"3\r\nabc\rx",
        b"0\r\nTrailer: x\r\n",
        b"1" * 65,
        b"1;" + b"x" * 63 + b"\r\na\r\n",
    ],
)
def test_broken_chunks_are_answered_400(body: bytes) -> None:
    """A chunk without a size, longer than its size or with a trailer is answered with 400."""
    answer = refused(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert isinstance(answer, RemoteProtocolError)
    assert answer.status == 400
    assert b"\r\n\r\n400 Bad Request (invalid chunk)\n" in error_response(
        answer, server="x", date=DATE
    )


@given(st.sampled_from(METHODS[3:]), bodies.filter(len), st.data())
def test_a_request_cut_short_is_answered_by_place(
    method: str, body: bytes, data: st.DataObject
) -> None:
    """A stream that ends within a head gets silence, within a body 400, before both nothing."""
    request = encode_request(method, "/", (), body)
    stop = data.draw(st.integers(0, len(request) - 1))
    server = ServerSide()
    server.feed(request[:stop])
    server.finish()
    answers = [event.answer for event in server.events]
    if stop == 0:
        assert answers == []
    elif stop < len(request) - len(body):
        assert answers == [b""]
    else:
        assert [answer.status for answer in answers] == [400]


# ---------------------------------------------------------------- replies


@given(st.sampled_from((200, 201, 404, 450, 599)), headers, bodies, st.booleans(), some.sizes)
def test_response_round_trip(
    status: int, found: Any, body: bytes, close: bool, sizes: list[int]
) -> None:
    """A reply decodes to the status, headers and body that were encoded, and tells the close."""
    data = encode_response(status, found.items(), body, server="kt", date=DATE, close=close)
    expected = lowered(found) | {
        b"server": b"kt",
        b"date": DATE.encode(),
        b"content-length": b"%d" % len(body),
    }
    if close:
        expected[b"connection"] = b"close"
    outcome = read_reply(HttpResponseDecoder(), data, sizes, whole=True)
    kind = "closing" if close else "result"
    assert outcome == Outcome(kind, HttpResponse(status, expected, body), len(data))


@given(bodies, some.sizes, some.sizes, st.booleans())
def test_chunked_response_round_trip(
    body: bytes, chunks: list[int], sizes: list[int], close: bool
) -> None:
    """A chunked reply, which another server or a proxy may send, is put together again."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    head += b"Connection: close\r\n\r\n" if close else b"\r\n"
    outcome = read_reply(HttpResponseDecoder(), head + chunked(body, chunks), sizes)
    assert outcome.kind == ("closing" if close else "result")
    assert outcome.value.body == body


@given(st.none() | st.integers(0, 2**28), some.sizes)
def test_replies_to_head_have_no_body(length: int | None, sizes: list[int]) -> None:
    """A reply to HEAD announces a length, or none, and ends with its head."""
    data = encode_response(
        200, [("X-Kt-Xt", "0")], b"lost", server="kt", date=DATE, head_length=length
    )
    outcome = read_reply(HttpResponseDecoder(head=True), data, sizes, whole=True)
    assert (outcome.kind, outcome.used, outcome.value.body) == ("result", len(data), b"")
    assert outcome.value.headers.get(b"content-length") == (
        None if length is None else b"%d" % length
    )


def test_http_1_0_replies_close() -> None:
    """A reply of HTTP/1.0 ends the connection unless it says otherwise."""
    for line, kind in ((b"", "closing"), (b"Connection: keep-alive\r\n", "result")):
        data = b"HTTP/1.0 204 No Content\r\n" + line + b"Content-Length: 0\r\n\r\n"
        assert read_reply(HttpResponseDecoder(), data, []).kind == kind


def test_204_needs_no_length() -> None:
    """A reply of 204 has no body even where it does not say so."""
    data = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert read_reply(HttpResponseDecoder(), data, []).value == HttpResponse(204, {}, b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "how long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "how long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "1 unexpected bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "1 unexpected"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "invalid chunk"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1.x"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not HTTP/1.x"),
        (b"\xb8", "0xb8"),
        (b"HTXP", "0x48"),
    ],
)
def test_replies_that_nothing_mends_are_refused(data: bytes, message: str) -> None:
    """A reply that is no HTTP/1.x, has no length or too many bytes is an error."""
    with pytest.raises(RemoteProtocolError, match=message):
        HttpResponseDecoder()(data, len(data))


@given(st.integers(1, 4))
def test_the_first_bytes_of_a_reply_are_enough_to_refuse_it(size: int) -> None:
    """A reply that cannot become HTTP is refused early, one that still can is waited for."""
    decode = HttpResponseDecoder()
    assert decode(bytearray(b"HTTP/"[:size] + b"\xb8\xb8\xb8\xb8"), size).need > size
    with pytest.raises(RemoteProtocolError):
        HttpResponseDecoder()(b"HTTP/"[: size - 1] + b"\xb8", size)


# ---------------------------------------------------------------- what cannot be sent


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\nX-Evil: 1", "a\r\n\r\n"])
def test_line_breaks_in_a_head_are_refused(text: str) -> None:
    """A line break in a method, target or header would start another line: it is not sent."""
    sent = {"server": "kt", "date": DATE}
    for encode in (
        lambda: encode_request(text, "/"),
        lambda: encode_request("GET", text),
        lambda: encode_request("GET", "/", [(text, "value")]),
        lambda: encode_request("GET", "/", [("Name", text)]),
        lambda: encode_response(200, [(text, "value")], **sent),
        lambda: encode_response(200, [("Name", text)], **sent),
        lambda: encode_response(200, server="kt", date=text),
    ):
        with pytest.raises(LocalProtocolError, match="line break"):
            encode()


def test_text_beyond_latin_1_in_a_head_is_refused() -> None:
    """What a head cannot carry is refused with an error of ours, before anything is sent."""
    with pytest.raises(LocalProtocolError, match="Latin-1"):
        encode_request("GET", "/\N{EURO SIGN}")
    with pytest.raises(LocalProtocolError, match="Latin-1"):
        encode_response(200, [("Name", "\N{EURO SIGN}")], server="kt", date=DATE)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, b"No Content"),
        (404, b"Not Found"),
        (450, b"Logical Inconsistency"),
        (501, b"Not Implemented"),
        (503, b"Service Unavailable"),
    ],
)
def test_the_reason_goes_with_the_status(status: int, reason: bytes) -> None:
    """Every status has the phrase that the reference server sends with it."""
    reply = encode_response(status, server="kt", date=DATE)
    assert reply.startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))


def test_headers_of_a_reply_are_ordered() -> None:
    """Server, Date, Connection and Content-Length come first, the others in alphabetical order."""
    reply = encode_response(
        450, [("X-B", "2"), ("X-A", "1")], b"no", server="kt", date="now", close=True
    )
    assert reply == (
        b"HTTP/1.1 450 Logical Inconsistency\r\nServer: kt\r\nDate: now\r\nConnection: close\r\n"
        b"Content-Length: 2\r\nX-A: 1\r\nX-B: 2\r\n\r\nno"
    )
