"""Procedure calls over HTTP: names and maps, both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.protocol import rpc
from kt_cache.protocol.http import HttpRequest, encode_request, encode_response
from tests.protocol import strategies as some
from tests.protocol.feeding import Outcome, ServerSide, read_reply

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def read_call(data: bytes, sizes: list[int]) -> rpc.RpcCall:
    server = ServerSide()
    server.feed(data, sizes)
    (request,) = server.events
    return rpc.decode_call(request.http)


@given(names, some.maps, some.sizes)
def test_call_round_trip(name: str, params: Any, sizes: list[int]) -> None:
    """A call decodes to the name and the map of any bytes that were encoded."""
    call = read_call(rpc.encode_call(name, params.items()), sizes)
    assert call == (name.encode(), params)


def test_calls_are_written_as_the_official_clients_write_them() -> None:
    """A call is a POST of rows, raw if they can be, else in base64."""
    assert rpc.encode_call("void") == (
        b"POST /rpc/void HTTP/1.1\r\nHost: kt\r\nContent-Type: text/tab-separated-values\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert rpc.encode_call("a/b", [(b"k", b"\n")]) == (
        b"POST /rpc/a%2fb HTTP/1.1\r\nHost: kt\r\n"
        b"Content-Type: text/tab-separated-values; colenc=B\r\nContent-Length: 10\r\n\r\n"
        b"aw==\tCg==\n"
    )


@given(st.integers(100, 999), some.maps, st.booleans(), some.sizes)
def test_reply_round_trip(status: int, rows: Any, close: bool, sizes: list[int]) -> None:
    """A reply decodes to the status and the map of any bytes that were encoded."""
    kind, body = rpc.encode_reply_body(rows)
    headers = [("Content-Type", kind)]
    data = encode_response(status, headers, body, server="kt", date="now", close=close)
    outcome = read_reply(rpc.RpcReplyDecoder(), data, sizes, whole=True)
    expected = "closing" if close else "result"
    assert outcome == Outcome(expected, rpc.RpcReply(status, rows), len(data))


def decode(target: bytes, kind: bytes, body: bytes) -> dict[bytes, bytes]:
    return rpc.decode_call(
        HttpRequest(b"POST", target, {b"content-type": kind}, body, False)
    ).params


TSV = b"text/tab-separated-values"
FORM = b"application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("target", "kind", "body", "params"),
    [
        (b"/rpc/echo?a=1&b=%0A", b"", b"", {b"a": b"1", b"b": b"\n"}),
        (b"/rpc/echo?a=1&b=2", TSV, b"b\t3\n", {b"a": b"1", b"b": b"3"}),
        (b"/rpc/echo?a=1&b=2", FORM + b"; charset=x", b"b=3", {b"a": b"1", b"b": b"3"}),
        (b"/rpc/echo?a=1", b"TEXT/TAB-separated-values; x", b"b\t3", {b"a": b"1", b"b": b"3"}),
        (b"/rpc/echo?a=1", b"text/plain", b"b\t3", {b"a": b"1"}),
        (b"/rpc/echo?a=1", b"", b"b\t3", {b"a": b"1"}),
        (b"/rpc/echo?%2541=1", TSV + b"; colenc=U", b"b\t%33", {b"A": b"1", b"b": b"3"}),
        (b"/rpc/echo?a=1?b=2", b"", b"", {b"a": b"1?b=2"}),
    ],
)
def test_where_the_input_map_comes_from(
    target: bytes, kind: bytes, body: bytes, params: dict[bytes, bytes]
) -> None:
    """The query string is overridden by a form or rows; an encoding applies to all of them."""
    assert decode(target, kind, body) == params


def test_names_are_url_decoded() -> None:
    """The procedure's name is what stands behind ``/rpc/``, with its escapes undone."""
    call = rpc.decode_call(HttpRequest(b"GET", b"/rpc/a%2Fb+c?d", {}, b"", False))
    assert call == (b"a/b c", {b"d": b""})


def test_replies_that_are_no_rows_have_an_empty_map() -> None:
    """A reply that is plain text, as the errors of the HTTP layer are, still shows its status."""
    data = encode_response(
        413, [("Content-Type", "text/plain")], b"too large\n", server="kt", date="now", close=True
    )
    outcome = read_reply(rpc.RpcReplyDecoder(), data, [])
    assert outcome.value == rpc.RpcReply(413, {})


@given(names, some.maps)
def test_a_call_survives_as_a_form(name: str, params: Any) -> None:
    """The same map sent as a form body or as a query string decodes to the same call."""
    form = b"&".join(
        b"%b=%b" % (rpc.url_encode(key), rpc.url_encode(value)) for key, value in params.items()
    )
    path = "/rpc/" + rpc.url_encode(name.encode()).decode()
    kind = ("Content-Type", FORM.decode())
    assert read_call(encode_request("POST", path, [kind], form), []) == (name.encode(), params)
    query = f"{path}?{form.decode()}"
    assert read_call(encode_request("GET", query), []) == (name.encode(), params)
