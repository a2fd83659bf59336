"""Procedure calls over HTTP: names and maps, both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.protocol import rpc
from kt_cache.protocol.http import HttpRequest, encode_request, encode_response
from tests.protocol import strategies as some
from tests.protocol.feeding import ServerSide, read_reply

TSV = b"text/tab-separated-values"
FORM = b"application/x-www-form-urlencoded"

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
    reply = outcome.value
    assert (outcome.kind, outcome.used) == ("closing" if close else "result", len(data))
    assert (reply.status, reply.rows) == (status, rows)
    assert {name: reply.output(name) for name in rows} == rows
    assert reply.output(b"".join(rows) + b"?") is None


@given(some.maps, some.sizes)
def test_usual_replies(rows: Any, sizes: list[int]) -> None:
    """What is decoded in one step is decoded as step by step, and only if nothing is missing."""
    kind, body = rpc.encode_reply_body(rows)
    data = encode_response(450, [("Content-Type", kind)], body, server="kt", date="now")
    reply = rpc.decode_usual_reply(data, len(data))
    assert (reply is None) == ("colenc" in kind)
    assert reply in (None, read_reply(rpc.RpcReplyDecoder(), data, sizes).value)
    assert rpc.decode_usual_reply(data[:-1], len(data) - 1) is None
    assert rpc.decode_usual_reply(data + b"?", len(data) + 1) is None
    assert rpc.decode_usual_reply(data + b"?", len(data)) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\n",
        b"X: y\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"Server: ", b"Date: ", b"Content-Length: ", b"\r\n"])
def test_replies_with_more_lines_are_not_usual(line: bytes, before: bytes) -> None:
    """A head with any other line, wherever it stands, is left to the one who reads them all."""
    data = encode_response(
        200, [("Content-Type", TSV.decode())], b"a\t1\n", server="kt", date="now"
    )
    assert rpc.decode_usual_reply(data, len(data)) is not None
    at = data.index(b"\r\n\r\n") + 2 if before == b"\r\n" else data.index(before)
    more = data[:at] + line + data[at:]
    assert rpc.decode_usual_reply(more, len(more)) is None


@given(names, some.maps, st.integers(-(2**63), 2**63 - 1))
def test_calls_made_in_one_step(name: str, params: Any, number: int) -> None:
    """A procedure's own encoder writes what the encoder of any call writes."""
    encode = rpc.CallEncoder(name, "first", "a number#", *map(str, range(len(params))))
    pairs = [(b"first", b"1"), (b"a number", b"%d" % number)]
    pairs += [(b"%d" % index, value) for index, value in enumerate(params.values())]
    assert encode(b"1", number, *params.values()) == rpc.encode_call(name, pairs)


def test_calls_with_values_of_the_wrong_kind() -> None:
    """An encoder takes bytes for names, and numbers for those that say so."""
    encode = rpc.CallEncoder("set", "key", "xt#")
    for values in [(b"k", b"1"), ("k", 1), (b"k", None), (b"k",), (b"k", 1, 2)]:
        with pytest.raises(TypeError):
            encode(*values)  # type: ignore[arg-type]


def decode(target: bytes, kind: bytes, body: bytes) -> dict[bytes, bytes]:
    return rpc.decode_call(
        HttpRequest(b"POST", target, {b"content-type": kind}, body, False)
    ).params


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
    assert (outcome.value.status, outcome.value.rows) == (413, {})


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
