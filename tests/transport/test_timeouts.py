"""Deadlines: a call ends when it has to, whatever the server does, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kt_cache import AsyncKyotoTycoon, KyotoTycoon
from kt_cache.errors import PoolTimeout, ReadTimeout, TimeoutExceeded
from kt_cache.transport import get_pool
from tests.support.aio import Run
from tests.support.clients import ClientFor, assert_nothing_leaked, patiently
from tests.support.peers import TIMEOUT, Peer, ScriptedServer, until
from tests.support.replies import MISSING, STORED, found, rpc

SLACK = 1.0  # seconds that a busy machine may add

CALLS: dict[str, tuple[Callable[[KyotoTycoon], Any], bytes]] = {
    "binary": (lambda kt: kt.get("k"), found(("k", "value"))),
    "rpc": (lambda kt: kt.count(), rpc(count="7")),
    "bulk": (lambda kt: kt.get_bulk(["a", "b"]), found(("a", "1"), ("b", "2"))),
}
each_call = pytest.mark.parametrize("call", CALLS)

# Either the kernel times the first receive out, or settimeout does.
each_way = pytest.mark.parametrize(
    "limits",
    [{"read_timeout": 0.1, "call_timeout": 9}, {"read_timeout": 9, "call_timeout": 0.1}],
    ids=["read", "call"],
)


@contextmanager
def lasting(least: float, most: float, slack: float = SLACK) -> Iterator[None]:
    """The block must take so many seconds.

    :param slack: seconds that a busy machine may add; less than what the block would take longer
        with the mistake that is looked for.
    """
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert least * 0.9 <= took <= most + slack


@each_call
@each_way
def test_a_silent_server(any_client_for: ClientFor, limits: dict[str, float], call: str) -> None:
    """No answer within the read timeout, or within the call's, is a ReadTimeout."""

    def stall(peer: Peer) -> None:
        peer.request()
        peer.await_end()

    with ScriptedServer(stall) as server:
        kt = any_client_for(server.port, **limits)
        with (
            lasting(0.1, 0.1),
            pytest.raises(ReadTimeout, match="the server did not answer in time") as caught,
        ):
            CALLS[call][0](kt)
        assert caught.value.host == f"127.0.0.1:{server.port}"
        assert_nothing_leaked(kt)
        assert kt.pool_stats.open == 0


@each_call
@each_way
def test_a_server_that_falls_silent(
    any_client_for: ClientFor, limits: dict[str, float], call: str
) -> None:
    """The read timeout also counts in the middle of a reply."""

    def stall(peer: Peer) -> None:
        peer.request()
        peer.send(CALLS[call][1][:-1])
        peer.await_end()

    with ScriptedServer(stall) as server:
        kt = any_client_for(server.port, **limits)
        with lasting(0.1, 0.1), pytest.raises(ReadTimeout, match="did not finish its answer"):
            CALLS[call][0](kt)
        assert kt.pool_stats.open == 0


@pytest.mark.parametrize("call", ["binary", "rpc"])
@pytest.mark.parametrize(
    "limits",
    [{"read_timeout": 0.5, "call_timeout": 0.6}, {"read_timeout": 9, "call_timeout": 0.3}],
    ids=["kernel", "settimeout"],
)
def test_a_dripping_server(any_client_for: ClientFor, limits: dict[str, float], call: str) -> None:
    """A byte every 0.05 s keeps each read short, and yet the call ends with its own timeout."""
    with ScriptedServer(lambda peer: peer.drip(peer.request() and CALLS[call][1], 0.05)) as server:
        kt = any_client_for(server.port, **limits)
        limit = limits["call_timeout"]
        with lasting(limit, limit), pytest.raises(ReadTimeout):
            CALLS[call][0](kt)
        assert kt.pool_stats.open == 0


@pytest.mark.parametrize("call", ["binary", "rpc"])
def test_a_slow_server_is_no_dead_one(any_client_for: ClientFor, call: str) -> None:
    """A reply may take longer than the read timeout as long as it goes on."""

    def drip(peer: Peer) -> None:
        peer.request()
        reply = CALLS[call][1]
        size = len(reply) // 8
        for start in range(0, len(reply), size):
            time.sleep(0.1)
            peer.send(reply[start : start + size])

    with ScriptedServer(drip) as server:
        kt = any_client_for(server.port, read_timeout=0.7)
        run, _ = CALLS[call]
        with lasting(0.8, TIMEOUT):
            assert run(kt)


@each_way
def test_the_late_answer_is_never_read(any_client_for: ClientFor, limits: dict[str, float]) -> None:
    """After a timeout the next call uses another connection and gets its own answer."""
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        for request in peer.requests():
            if b"late" in request:
                go_on.wait(TIMEOUT)
                peer.send(found(("late", "late")))
                peer.await_end()
            else:
                peer.send(found(("k", f"of {peer.number}")))

    with ScriptedServer(answer) as server:
        kt = any_client_for(server.port, **limits)
        before = patiently(lambda: kt.get("k"))
        assert before == f"of {server.connections}"
        with pytest.raises(ReadTimeout):
            kt.get("late")
        go_on.set()
        for _ in range(3):
            assert patiently(lambda: kt.get("k")) == f"of {server.connections}" != before
        assert kt.pool_stats.discards == server.connections - 1


def test_a_timeout_is_not_tried_again(any_client_for: ClientFor) -> None:
    """Not even reads: the server has enough to do as it is."""

    def stall(peer: Peer) -> None:
        peer.request()
        peer.await_end()

    with ScriptedServer(stall) as server:
        kt = any_client_for(server.port, read_timeout=0.1)
        with pytest.raises(ReadTimeout):
            kt.get("k")
        until(lambda: server.requests, "the request arrives")
        assert (server.connections, len(server.requests)) == (1, 1)


# ---------------------------------------------------------------- requests that do not get through

BIG = b"v" * 40_000_000  # more than the buffers of both sides hold


@each_way
def test_a_server_that_does_not_read(any_client_for: ClientFor, limits: dict[str, float]) -> None:
    """A request that the server does not take is a timeout too."""
    done = threading.Event()
    with ScriptedServer(lambda _: done.wait(TIMEOUT)) as server:
        kt = any_client_for(server.port, **limits)
        # What the kernel took of it in the first time gives the server a second one.
        with lasting(0.1, 0.2), pytest.raises(ReadTimeout, match="did not take the request"):
            kt.set("k", BIG)
        assert kt.pool_stats.open == 0
        done.set()


def test_a_server_that_reads_slowly(any_client_for: ClientFor) -> None:
    """A request may take longer than the read timeout as long as the server goes on reading."""

    def read_slowly(peer: Peer) -> None:
        left = len(BIG)
        while left > 0:
            left -= len(peer.sock.recv(1_000_000, socket.MSG_WAITALL))
            if left > len(BIG) / 2:
                time.sleep(0.045)
        peer.send(STORED)
        peer.await_end()

    with ScriptedServer(read_slowly) as server:
        kt = any_client_for(server.port, read_timeout=0.7)
        with lasting(0.8, TIMEOUT):
            assert kt.set("k", BIG) == 1


def test_a_request_that_took_long_leaves_less_for_the_reply(any_client_for: ClientFor) -> None:
    """Sending and receiving share the call's time."""

    def read_late(peer: Peer) -> None:
        time.sleep(0.9)
        left = len(BIG)
        while left > 0:
            left -= len(peer.sock.recv(2_000_000))
        peer.await_end()

    with ScriptedServer(read_late) as server:
        kt = any_client_for(server.port, read_timeout=1.5, call_timeout=1.6)
        # Of the read timeout alone, reading would begin after 0.9 seconds and end after 2.4.
        with lasting(1.6, 1.6, 0.7), pytest.raises(ReadTimeout, match="did not answer"):
            kt.set("k", BIG)


# ---------------------------------------------------------------- one deadline for everything


def test_waiting_for_a_connection_counts(client_for: ClientFor) -> None:
    """What a call spent in the queue is missing when it reads: the sum stays below the limit."""
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        peer.request()
        go_on.wait(TIMEOUT)
        peer.send(MISSING)
        peer.request()
        peer.await_end()

    with ScriptedServer(answer) as server:
        kt = client_for(server.port, max_size=1, read_timeout=1.2, call_timeout=1.3)
        first = threading.Thread(target=kt.get, args=("first",))
        first.start()
        until(lambda: server.requests, "the first call is on its way")
        threading.Timer(0.7, go_on.set).start()
        # With the read timeout alone it would end after 1.9 seconds.
        with lasting(1.3, 1.3, 0.55), pytest.raises(ReadTimeout):
            kt.get("second")
        first.join()
        assert_nothing_leaked(kt)


def test_waiting_in_vain(client_for: ClientFor) -> None:
    """Who finds all connections in use is told so when the call's time is over."""
    with ScriptedServer(Peer.await_end) as server:
        kt = client_for(server.port, max_size=1, call_timeout=0.3)
        pool, now = get_pool(kt.config), time.monotonic()
        connection = pool.acquire(now + TIMEOUT, now)
        with lasting(0.3, 0.3), pytest.raises(PoolTimeout) as caught:
            kt.increment("counter")
        assert str(caught.value) == (
            "all 1 connections stayed in use (max_size) "
            f"[command=increment, host=127.0.0.1:{server.port}, key=b'counter']"
        )
        pool.release(connection)
        assert_nothing_leaked(kt)


def test_the_second_attempt_counts(any_client_for: ClientFor) -> None:
    """A call that is tried again has no more time than any other."""

    def cut_late_then_stall(peer: Peer) -> None:
        peer.request()
        if peer.number == 1:
            time.sleep(0.7)
        else:
            peer.await_end()

    with ScriptedServer(cut_late_then_stall) as server:
        kt = any_client_for(server.port, read_timeout=1.2, call_timeout=1.25)
        # Of the read timeout alone the second attempt would end after 1.9 seconds.
        with lasting(1.25, 1.25, 0.6), pytest.raises(ReadTimeout):
            kt.get("k")
        assert server.connections == 2


def test_no_time_is_left_for_the_second_attempt(any_client_for: ClientFor) -> None:
    """A connection that breaks as the time runs out ends the call with a timeout."""

    def drip_then_cut(peer: Peer) -> None:
        peer.request()
        time.sleep(0.15)

    with ScriptedServer(drip_then_cut) as server:
        kt = any_client_for(server.port, call_timeout=0.2)
        with lasting(0.2, 0.2), pytest.raises(TimeoutExceeded):
            kt.get("k")


def test_a_timeout_of_the_client_is_the_whole_calls(run: Run) -> None:
    """``timeout=`` of either client is kept to whatever the server does."""

    def drip(peer: Peer) -> None:
        peer.drip(peer.request() and found(("k", "value")), 0.05)

    async def wait(port: int) -> None:
        kt = AsyncKyotoTycoon("127.0.0.1", port, timeout=0.3)
        with lasting(0.3, 0.3), pytest.raises(ReadTimeout):
            await kt.get("k")
        await kt.close_all()

    with ScriptedServer(drip) as server:
        kt = KyotoTycoon("127.0.0.1", server.port, timeout=0.3)
        with lasting(0.3, 0.3), pytest.raises(ReadTimeout):
            kt.get("k")
        kt.close_all()
        run(wait(server.port))
