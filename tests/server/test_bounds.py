"""Connections and memory are bounded; silence has an end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kt_cache.protocol.binary import encode_get, encode_set
from kt_cache.protocol.expiry import NEVER_GIVEN
from tests.support.process import Connection, IncludedServer, wait_for

MEGABYTE = 2**20


def _memory(server: IncludedServer) -> int:
    """Return the process's resident memory, in bytes."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_connections_beyond_the_limit_are_closed() -> None:
    """Those that are open are served on, and when one leaves there is room again."""
    with IncludedServer("--max-connections", "2") as server:
        first, second = server.connect(), server.connect()
        assert first.call("void")[0] == second.call("void")[0] == 200
        with server.connect() as third:
            assert third.read_rest() == b""
        assert first.call("report")[1]["serv_conn_count"] == b"2"
        second.close()
        wait_for(lambda: first.call("report")[1]["serv_conn_count"] == b"1", "one to leave")
        with server.connect() as third:
            assert third.call("void")[0] == 200
        first.close()


def test_an_idle_connection_is_closed_in_the_end() -> None:
    """Between requests it may be silent as long as that timeout, however short the other is."""
    words = ("--timeout", "0.1", "--idle-timeout", "1")
    with IncludedServer(*words) as server, server.connect() as connection:
        assert connection.is_silent(0.4)
        assert connection.call("void")[0] == 200
        started = time.monotonic()
        assert connection.read_rest() == b""
        assert 0.7 < time.monotonic() - started < 5.0


@pytest.mark.parametrize(
    ("begun", "reply"),
    [
        (encode_set([(0, b"k", b"v", 0)])[:-1], b"\xbf"),
        (encode_set([(0, b"k", b"v", 0)], no_reply=True)[:-1], b""),
        (b"\xba\0\0", b""),
        (b"GET /rpc/void HTTP/1.1\r\n", b""),
    ],
)
def test_a_request_that_does_not_go_on_is_ended(begun: bytes, reply: bytes) -> None:
    """Silence inside a request ends it, with what the protocol has to say about that."""
    with IncludedServer("--timeout", "0.1") as server, server.connect() as connection:
        connection.send(begun)
        assert connection.read_rest() == reply


def test_a_request_that_trickles_in_is_ended() -> None:
    """A client that is never silent for long does not hold its connection for ever either."""
    words = ("--timeout", "5", "--request-timeout", "0.5")
    with IncludedServer(*words) as server, server.connect() as connection:
        assert connection.call("void")[0] == 200
        started = time.monotonic()
        connection.send(b"GET /")
        while connection.is_silent(0.1):
            connection.send(b"k")
            assert time.monotonic() - started < 4
        assert connection.read_rest() == b""
        with server.connect() as another:
            assert another.call("void")[0] == 200


def test_a_body_that_does_not_go_on_is_a_bad_request() -> None:
    """HTTP has words for it once the head was complete."""
    with IncludedServer("--timeout", "0.1") as server, server.connect() as connection:
        connection.send(b"PUT /k HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
        status, headers, body = connection.read_http()
        assert (status, headers["connection"]) == (400, "close")
        assert body == b"400 Bad Request (receiving data failed)\n"
        assert connection.read_rest() == b""


@pytest.mark.parametrize("words", [("--loop", "asyncio"), ("--loop", "uvloop")])
def test_replies_nobody_reads_do_not_pile_up(words: tuple[str, ...]) -> None:
    """The requests behind them wait; when the client reads, all replies come, in order."""
    with IncludedServer(*words) as server:
        with server.connect() as writer:
            writer.send(encode_set([(0, b"big", b"v" * MEGABYTE, NEVER_GIVEN)]))
            writer.read(5)
        slow = Connection(server.host, server.port, receive_buffer=65536)
        number = 300
        slow.send(encode_get([(0, b"big")]) * number)
        assert server.call("void")[0] == 200
        before = _memory(server)
        time.sleep(0.5)
        assert _memory(server) - before < 10 * MEGABYTE
        assert _memory(server) < 150 * MEGABYTE
        for _ in range(number):
            reply = slow.read(5 + 18 + 3 + MEGABYTE)
            assert (len(reply), reply[-1:]) == (5 + 18 + 3 + MEGABYTE, b"v")
        slow.send(b"GET /rpc/void HTTP/1.1\r\n\r\n")
        assert slow.read_http()[0] == 200
        slow.close()


def test_a_client_that_never_reads_is_dropped() -> None:
    """After the timeout, so that it does not hold its replies in memory for ever."""
    with IncludedServer("--timeout", "0.5") as server:
        with server.connect() as writer:
            writer.send(encode_set([(0, b"big", b"v" * MEGABYTE, NEVER_GIVEN)]))
            writer.read(5)
            stuck = Connection(server.host, server.port, receive_buffer=65536)
            stuck.send(encode_get([(0, b"big")]) * 50)
            wait_for(
                lambda: writer.call("report")[1]["serv_conn_count"] == b"1", "it to be dropped"
            )
        stuck.close()


def test_a_slow_client_is_not_dropped() -> None:
    """As long as it goes on reading within the timeout, it may take longer for the whole."""
    size = 24 * MEGABYTE
    with IncludedServer("--timeout", "0.8") as server:
        slow = Connection(server.host, server.port, receive_buffer=65536)
        slow.send(encode_set([(0, b"big", b"v" * size, NEVER_GIVEN)]))
        slow.read(5)
        started = time.monotonic()
        slow.send(encode_get([(0, b"big")]))
        missing = 5 + 18 + 3 + size
        while missing:
            piece = slow.read(min(missing, 400_000))
            assert piece, f"{missing} bytes are missing"
            missing -= len(piece)
            time.sleep(0.02)
        assert time.monotonic() - started > 1.2
        slow.close()


def test_a_reply_too_large_to_hold_is_refused() -> None:
    """One small request may ask for the same large record any number of times."""
    with IncludedServer() as server, server.connect() as connection:
        connection.send(encode_set([(0, b"big", b"v" * MEGABYTE, NEVER_GIVEN)]))
        connection.read(5)
        connection.send(encode_get([(0, b"big")] * 300))
        assert connection.read_rest() == b"\xbf"
        assert _memory(server) < 100 * MEGABYTE


def test_dead_records_are_swept_in_the_background() -> None:
    """All of them, in every database, without anybody asking, while others work."""
    with IncludedServer("*", "%") as server, server.connect() as connection:
        for database in (0, 1):
            dead = [(database, b"%d" % number, b"", -1) for number in range(5000)]
            alive = [(database, b"alive", b"", NEVER_GIVEN)]
            connection.send(encode_set(dead + alive))
            connection.read(5)

        def swept() -> bool:
            status, report = connection.call("report")
            return status == 200 and report["db_total_count"] == b"2"

        wait_for(swept, "5000 records each to be swept")
