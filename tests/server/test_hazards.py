"""Broken, hostile and unlucky clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kt_cache.protocol.binary import (
    decode_set_reply,
    encode_get,
    encode_remove,
    encode_script,
    encode_set,
)
from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN
from tests.support.process import Connection, IncludedServer

SET_ONE = encode_set([(0, b"k", b"v", NEVER_GIVEN)])
GET_ONE = encode_get([(0, b"k")])
GOT_ONE = pack(">BIHIIq", 0xBA, 1, 0, 1, 1, NEVER) + b"kv"
STORED_ONE = pack(">BI", 0xB8, 1)


@pytest.fixture(scope="module")
def small() -> Iterator[IncludedServer]:
    """A server with small limits."""
    words = ("--max-key", "10", "--max-value", "20", "--max-body", "100", "--timeout", "0.5")
    with IncludedServer(*words) as server:
        yield server


@pytest.mark.parametrize(
    "first", [b"\x00", b"\x7f\r\n", b"\x80", b"\xb0", b"\xff", b"\r\n", b" \n", b"SSH-2.0-x\r\n"]
)
def test_garbage_is_hung_up_on(server: IncludedServer, first: bytes) -> None:
    """A first line or byte that begins no request ends the connection, without a word."""
    with server.connect() as connection:
        connection.send(first)
        assert connection.read_rest() == b""


@settings(max_examples=200)
@given(garbage=st.lists(st.binary(max_size=40) | st.sampled_from([SET_ONE, GET_ONE]), max_size=6))
def test_nothing_sent_harms_the_server(server: IncludedServer, garbage: list[bytes]) -> None:
    """Whatever arrives, the connection ends in order and others are served on."""
    with server.connect() as connection:
        with suppress(OSError):  # hung up on meanwhile
            for piece in garbage:
                connection.send(piece)
            connection.end()
        connection.read_rest()
    status, rows = server.call("echo", still="there")
    assert (status, rows) == (200, {"still": b"there"})


@pytest.mark.parametrize("size", range(1, len(SET_ONE)))
def test_a_frame_cut_short_is_not_carried_out(server: IncludedServer, size: int) -> None:
    """From its first record on it is answered with the error byte, before that with nothing."""
    server.call("clear")
    with server.connect() as connection:
        connection.send(SET_ONE[:size])
        connection.end()
        assert connection.read_rest() == (b"\xbf" if size >= 9 else b"")
    assert server.call("get", key="k")[0] == 450


def test_requests_may_arrive_byte_by_byte(connection: Connection) -> None:
    """And be of either protocol."""
    echo = b"POST /rpc/echo HTTP/1.1\r\nContent-Length: 4\r\n"
    echo += b"Content-Type: text/tab-separated-values\r\n\r\na\tb\n"
    for byte in SET_ONE + echo + GET_ONE:
        connection.send(bytes((byte,)))
    assert connection.read(5) == STORED_ONE
    assert connection.read_http()[2] == b"a\tb\n"
    assert connection.read(len(GOT_ONE)) == GOT_ONE


def test_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    """Thousands of requests of both protocols in one piece, silent ones among them."""
    silent = encode_set([(0, b"k", b"v", NEVER_GIVEN)], no_reply=True)
    number = 3000
    connection.send((silent + GET_ONE + b"GET /k HTTP/1.1\r\n\r\n" + silent) * number)
    for _ in range(number):
        assert connection.read(len(GOT_ONE)) == GOT_ONE
        status, _, body = connection.read_http()
        assert (status, body) == (200, b"v")
    assert connection.is_silent(0.05)


def test_requests_before_the_end_of_the_stream_are_answered(connection: Connection) -> None:
    """A client that sends no more still gets its replies."""
    connection.send(SET_ONE + GET_ONE)
    connection.end()
    assert connection.read_rest() == STORED_ONE + GOT_ONE


def test_a_request_to_close_ends_the_pipeline(connection: Connection) -> None:
    """What is pipelined behind it is not carried out."""
    connection.send(b"GET /rpc/void HTTP/1.0\r\n\r\n" + SET_ONE)
    assert connection.read_http()[1]["connection"] == "close"
    assert connection.read_rest() == b""


def test_a_script_is_refused_and_the_connection_lives(connection: Connection) -> None:
    """Unlike other refusals of the binary protocol."""
    connection.send(encode_script(b"f") + encode_script(b"f", no_reply=True) + SET_ONE)
    assert connection.read(6) == b"\xbf" + STORED_ONE


@pytest.mark.parametrize(
    ("request_bytes", "reply"),
    [
        (encode_set([(0, b"k" * 11, b"", 0)]), b"\xbf"),
        (encode_set([(0, b"k", b"v" * 21, 0)]), b"\xbf"),
        (encode_set([(0, b"k", b"v" * 21, 0)], no_reply=True), b""),
        (encode_get([(0, b"k" * 11)]), b"\xbf"),
        (encode_remove([(0, b"k" * 11)]), b"\xbf"),
        (encode_script(b"f" * 11), b""),
        (encode_script(b"f", [(b"k", b"v" * 21)]), b""),
        (encode_script(b"f", [(b"k", b"v" * 20)] * 4), b""),
        (pack(">BIIHIIq", 0xB8, 0, 1, 0, 2**32 - 1, 2**32 - 1, 0), b"\xbf"),
    ],
)
def test_sizes_above_the_limits_are_not_waited_for(
    small: IncludedServer, request_bytes: bytes, reply: bytes
) -> None:
    """A declared size that is too large ends the connection as soon as it is read."""
    with small.connect() as connection:
        connection.send(request_bytes)
        assert connection.read_rest() == reply


def test_records_before_one_that_is_too_large_are_stored(small: IncludedServer) -> None:
    """As they are when a frame breaks off."""
    with small.connect() as connection:
        connection.send(encode_set([(0, b"k", b"v", NEVER_GIVEN), (0, b"k", b"v" * 21, 0)]))
        assert connection.read_rest() == b"\xbf"
    assert small.call("get", key="k") == (200, {"value": b"v"})


def test_a_body_above_the_limit_is_refused(small: IncludedServer) -> None:
    """Before it is read, whether its length is declared or comes in chunks."""
    for head in (b"Content-Length: 101\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n65\r\n"):
        with small.connect() as connection:
            connection.send(b"PUT /k HTTP/1.1\r\n" + head)
            status, headers, _ = connection.read_http()
            assert (status, headers["connection"]) == (413, "close")
            assert connection.read_rest() == b""


def test_headers_without_end_are_not_collected(server: IncludedServer) -> None:
    """A header block has a largest size."""
    with server.connect() as connection:
        connection.send(b"GET /k HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100_000):
                connection.send(b"X: " + b"y" * 1000 + b"\r\n")


def test_many_records_in_one_frame(connection: Connection) -> None:
    """A frame of many records is carried out whole, over several databases."""
    records = [(number % 2, b"%d" % number, b"v" * 100, NEVER_GIVEN) for number in range(20_000)]
    connection.send(encode_set(records))
    assert decode_set_reply(connection.read(5), 5) == 20_000
    connection.send(encode_get([(db, key) for db, key, _, _ in records]))
    expected = b"".join(
        pack(">HIIq", db, len(key), len(value), NEVER) + key + value
        for db, key, value, _ in records
    )
    assert connection.read(5 + len(expected)) == pack(">BI", 0xBA, 20_000) + expected
    connection.send(encode_remove([(db, key) for db, key, _, _ in records] + [(7, b"k")]))
    assert connection.read(5) == pack(">BI", 0xB9, 20_000)
    assert connection.call("status", DB=1)[1]["count"] == b"0"
