"""Calls that wait for a signal: their connection's requests wait with them, nobody else does."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from kt_cache.protocol.binary import encode_get, encode_set
from kt_cache.protocol.expiry import NEVER_GIVEN
from kt_cache.server import Server, ServerOptions
from tests.support.process import TIMEOUT, Connection, IncludedServer, wait_for

TIMED_OUT = (503, {"ERROR": b"the condition timed out"})
WAITING = b"GET /rpc/echo?WAIT=s&WAITTIME=9 HTTP/1.1\r\n\r\n"


@contextmanager
def _waiting(
    server: IncludedServer, connection: Connection, procedure: str = "echo", **params: object
) -> Iterator[Connection]:
    """Open a connection on which a call waits for the signal ``s``."""
    query = "&".join(f"{name}={value}" for name, value in params.items())
    before = _count_waiting(connection)
    with server.connect() as waiter:
        waiter.send(f"GET /rpc/{procedure}?WAIT=s&WAITTIME=9&{query} HTTP/1.1\r\n\r\n".encode())
        wait_for(lambda: _count_waiting(connection) > before, "the call to wait")
        yield waiter
    # Every test leaves the shared server with nobody waiting.
    wait_for(lambda: _count_waiting(connection) <= before, "the wait to end")


def _count_waiting(connection: Connection) -> int:
    """Return how many calls wait, which the report does not wake."""
    return int(connection.call("report")[1]["serv_task_count"])


def test_nobody_hears_a_signal_twice_or_later(
    server: IncludedServer, connection: Connection
) -> None:
    """A signal that nobody waits for is lost; it is sent whatever the call's result."""
    assert connection.call("void", SIGNAL="s") == (200, {"SIGNALED": b"0"})
    rows = {"ERROR": b"DB: 7: no record: no record", "SIGNALED": b"0"}
    assert connection.call("get", key="no", SIGNAL="s", SIGNALBROAD="") == (450, rows)
    assert connection.call("void", WAIT="s", WAITTIME="0.05", SIGNAL="t") == TIMED_OUT
    with _waiting(server, connection) as waiter:
        unknown = {"ERROR": b"not implemented: what", "SIGNALED": b"1"}
        assert connection.call("what", SIGNAL="s") == (501, unknown)
        assert waiter.read_http()[0] == 200


def test_one_signal_wakes_the_longest_waiting(
    server: IncludedServer, connection: Connection
) -> None:
    """Each is counted until it is woken, and others do not notice."""
    with (
        _waiting(server, connection) as first,
        _waiting(server, connection) as second,
        _waiting(server, connection) as third,
    ):
        assert connection.call("void", SIGNAL="other")[1] == {"SIGNALED": b"0"}
        assert connection.call("void", SIGNAL="s")[1] == {"SIGNALED": b"3"}
        assert first.read_http()[0] == 200
        assert second.is_silent(0.05)
        assert connection.call("void", SIGNAL="s", SIGNALBROAD="")[1] == {"SIGNALED": b"2"}
        assert second.read_http()[0] == third.read_http()[0] == 200


def test_signals_sent_together_wake_as_many(server: IncludedServer, connection: Connection) -> None:
    """The second of two pipelined signals is not for whom the first has woken."""
    with _waiting(server, connection) as first, _waiting(server, connection) as second:
        connection.send(b"GET /rpc/void?SIGNAL=s HTTP/1.1\r\n\r\n" * 3)
        counts = [connection.read_http()[2] for _ in range(3)]
        assert counts == [b"SIGNALED\t2\n", b"SIGNALED\t1\n", b"SIGNALED\t0\n"]
        assert first.read_http()[0] == second.read_http()[0] == 200


def test_the_procedure_runs_after_the_signal(
    server: IncludedServer, connection: Connection
) -> None:
    """It sees what was written meanwhile, times count from then, and it may send a signal on."""
    connection.call("set", key="k", value="old")
    with _waiting(server, connection, "append", key="k", value="er", xt=5, SIGNAL="t"):
        connection.call("set", key="k", value="new")
        sent = time.time()
        connection.call("void", SIGNAL="s")
        wait_for(lambda: connection.call("get", key="k")[1]["value"] == b"newer", "the append")
        assert float(connection.call("get", key="k")[1]["xt"]) >= int(sent) + 5


def test_requests_behind_wait_in_order(server: IncludedServer, connection: Connection) -> None:
    """Those of both protocols, and further ones that wait."""
    with _waiting(server, connection) as waiter:
        waiter.send(encode_set([(0, b"k", b"v", NEVER_GIVEN)]) + WAITING + encode_get([(0, b"k")]))
        assert waiter.is_silent(0.05)
        assert connection.call("get", key="k")[0] == 450
        connection.call("void", SIGNAL="s")
        assert waiter.read_http()[0] == 200
        assert waiter.read(5) == b"\xb8\0\0\0\1"
        assert waiter.is_silent(0.05)
        connection.call("void", SIGNAL="s")
        assert waiter.read_http()[0] == 200
        assert waiter.read(5) == b"\xba\0\0\0\1"


def test_a_flood_behind_a_waiting_call_is_held_back_and_answered(
    server: IncludedServer, connection: Connection
) -> None:
    """The server takes in no more than a little of it, and loses nothing."""
    record = encode_set([(0, b"k", b"v" * 2**20, NEVER_GIVEN)])
    with _waiting(server, connection) as waiter:
        waiter.socket.settimeout(0.2)
        sent = 0
        flood = record * 64
        with pytest.raises(TimeoutError):
            while sent < len(flood):
                sent += waiter.socket.send(flood[sent : sent + 2**16])
        assert sent < 2**25
        waiter.socket.settimeout(10)
        connection.call("void", SIGNAL="s")
        assert waiter.read_http()[0] == 200
        waiter.send(flood[sent:])
        assert waiter.read(5 * 64) == b"\xb8\0\0\0\1" * 64


def test_closing_the_connection_abandons_the_wait(
    server: IncludedServer, connection: Connection
) -> None:
    """Nobody counts it any more, it is not carried out, nor is what was sent behind it."""
    with _waiting(server, connection, "set", key="k", value="v") as waiter:
        waiter.send(encode_set([(0, b"k", b"v", NEVER_GIVEN)]))
    assert connection.call("void", SIGNAL="s") == (200, {"SIGNALED": b"0"})
    assert connection.call("get", key="k")[0] == 450
    with server.connect() as hasty:  # the end comes together with the request
        hasty.send(WAITING)
        hasty.end()
        assert hasty.read_rest() == b""


def test_the_connection_ends_behind_the_reply_if_asked(
    server: IncludedServer, connection: Connection
) -> None:
    """``Connection: close`` holds for a call that waits as well."""
    with server.connect() as waiter:
        waiter.send(WAITING.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        wait_for(lambda: _count_waiting(connection) == 1, "the call to wait")
        connection.call("void", SIGNAL="s")
        status, headers, _ = waiter.read_http()
        assert (status, headers["connection"], waiter.read_rest()) == (200, "close", b"")


@pytest.mark.parametrize("words", [("--loop", "asyncio"), ("--loop", "uvloop")])
def test_waits_end_when_the_server_stops(words: tuple[str, ...]) -> None:
    """With 503, and what was sent behind them is answered; nothing is logged."""
    with IncludedServer("--log-level", "error", *words) as server, server.connect() as connection:
        connection.call("set", key="k", value="v")
        with server.connect() as waiter:
            waiter.send(WAITING + WAITING + encode_get([(0, b"k")]))
            wait_for(lambda: _count_waiting(connection) == 1, "the call to wait")
            started = time.monotonic()
            assert server.stop(signal.SIGTERM) == (0, "")
            assert time.monotonic() - started < 3.0
            assert waiter.read_http()[0] == waiter.read_http()[0] == 503
            assert waiter.read(5) == b"\xba\0\0\0\1"


def test_waits_are_bounded() -> None:
    """In number, in which case more are refused at once, and in time."""
    words = ("--max-waiting", "1", "--max-wait", "1")
    with IncludedServer(*words) as server, server.connect() as connection:
        started = time.monotonic()
        with server.connect() as waiter:
            waiter.send(WAITING)
            wait_for(lambda: _count_waiting(connection) == 1, "the call to wait")
            assert connection.call("void", WAIT="s", WAITTIME="inf") == TIMED_OUT
            assert time.monotonic() - started < 0.9
            assert waiter.read_http()[0] == 503
            assert time.monotonic() - started > 0.95
        assert connection.call("void", WAIT="s", WAITTIME="nan")[0] == 503
        assert connection.call("void", WAIT="s", WAITTIME="-inf")[0] == 503


def test_a_waiting_call_is_neither_idle_nor_slow() -> None:
    """The limits on silence count again once it has its reply."""
    words = ("--timeout", "0.1", "--idle-timeout", "0.9", "--request-timeout", "0.1")
    with IncludedServer(*words) as server, server.connect() as waiter:
        waiter.send(WAITING.replace(b"WAITTIME=9", b"WAITTIME=1.2"))
        assert waiter.read_http()[0] == 503
        assert waiter.is_silent(0.2)
        assert waiter.read_rest() == b""


def test_a_broken_wait_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """An error of our own is logged, and the client learns that there will be no reply."""

    async def broken(name: bytes, seconds: float) -> bool:
        raise ZeroDivisionError

    async def run() -> None:
        server = Server(ServerOptions(port=0))
        await server.start()
        server._service.signals.wait = broken
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(WAITING + WAITING)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        await server.stop()

    asyncio.run(asyncio.wait_for(run(), TIMEOUT))
    (record,) = caplog.records
    assert (record.levelname, record.exc_info[0]) == ("ERROR", ZeroDivisionError)
