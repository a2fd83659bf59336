"""Servers that come and go: what happens to the connections at hand."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from kt_cache import EmbeddedServer, KTError, KyotoTycoon
from kt_cache.errors import ConnectError, ReadTimeout
from kt_cache.transport import Pool, close_pools, get_pool
from kt_cache.transport.connection import Connection
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.ktserver import need_ktserver
from tests.support.peers import TIMEOUT, Peer, ScriptedServer
from tests.support.replies import MISSING, found, rpc
from tests.support.threads import run_threads


def answer(peer: Peer) -> None:
    for request in peer.requests():
        peer.send(rpc(num="1") if request.startswith(b"POST") else MISSING)


def stall(peer: Peer) -> None:
    peer.request()
    peer.await_end()


def refuse(peer: Peer) -> None:
    peer.request()
    peer.send(b"\xbf")


def warm_up(pool: Pool, count: int) -> list[Connection]:
    """Give the pool that many idle connections."""
    now = time.monotonic()
    connections = [pool.acquire(now + TIMEOUT, now) for _ in range(count)]
    for connection in connections:
        pool.release(connection)
    return connections


# ---------------------------------------------------------------- after a restart


def test_all_siblings_of_a_broken_connection_go(client_for: ClientFor) -> None:
    """After a restart the first call finds out for all: the other connections are not tried."""
    with ScriptedServer(answer) as old:
        kt = client_for(old.port)
        warm_up(get_pool(kt.config), 5)
    with ScriptedServer(answer, port=old.port) as new:
        assert kt.get("k") is None
        stats = kt.pool_stats
        assert (stats.open, stats.connects, stats.discards) == (1, 6, 5)
        assert (new.connections, len(new.requests)) == (1, 1)


def test_every_thread_reconnects_once(client_for: ClientFor) -> None:
    """Threads that meet a restart together all go on, with a new connection each at most."""
    with ScriptedServer(answer) as old:
        kt = client_for(old.port)
        warm_up(get_pool(kt.config), 8)
    with ScriptedServer(answer, port=old.port) as new:
        run_threads(8, lambda _: kt.get("k"))
        assert kt.pool_stats.discards == 8
        assert 1 <= new.connections <= 8
        assert len(new.requests) == 8
        assert_nothing_leaked(kt)


def test_many_broken_connections_are_one_restart(client_for: ClientFor) -> None:
    """Calls that fail one after the other for the same reason do not give up what is new."""
    with ScriptedServer(answer) as old:
        kt = client_for(old.port)
        pool = get_pool(kt.config)
        now = time.monotonic()
        taken = [pool.acquire(now + TIMEOUT, now) for _ in range(3)]
    with ScriptedServer(answer, port=old.port):
        pool.discard(taken[0], broken=True)
        assert kt.get("k") is None
        before = (pool.generation, pool.stats.idle)
        pool.discard(taken[1], broken=True)
        pool.discard(taken[2], broken=True)
        assert (pool.generation, pool.stats.idle) == before


def test_a_connection_begun_before_a_restart_counts_as_old(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart during connecting may have met the new connection as well."""
    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        pool = get_pool(kt.config)
        resolve = socket.getaddrinfo

        def expire_meanwhile(*args: Any, **options: Any) -> Any:
            pool.expire()
            return resolve(*args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", expire_meanwhile)
        warm_up(pool, 1)
        assert (pool.stats.open, pool.stats.discards) == (0, 1)


@pytest.mark.parametrize("script", [stall, refuse], ids=lambda script: script.__name__)
def test_other_failures_are_no_restart(client_for: ClientFor, script: Any) -> None:
    """A timeout or a refusal says nothing about the other connections."""
    with ScriptedServer(script) as server:
        kt = client_for(server.port, read_timeout=0.1)
        warm_up(get_pool(kt.config), 3)
        with pytest.raises(KTError):
            kt.get("k")
        assert kt.pool_stats.idle == 2


@pytest.mark.parametrize("kind", ["included", "ktserver"])
def test_a_real_server_restarts(kind: str) -> None:
    """A client outlives its server: errors while it is away, then on as if nothing had been."""
    if kind == "ktserver":
        need_ktserver()
    server = EmbeddedServer(kind, quiet=True)
    server.run()
    kt = KyotoTycoon(server.host, server.port)
    try:
        kt.set("k", "v")
        warm_up(get_pool(kt.config), 4)
        server.stop()
        with pytest.raises(ConnectError):
            kt.get("k")
        with pytest.raises(ConnectError):
            kt.increment("n")
        server.run()
        assert kt.get("k") is None
        assert kt.increment("n") == 1
        assert_nothing_leaked(kt)
    finally:
        server.stop()


# ---------------------------------------------------------------- looked at before use


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are looked at when they were unused for a fifth of a second."""
    monkeypatch.setattr("kt_cache.transport.pool.PROBE_AFTER", 0.2)


def test_a_quiet_connection_is_looked_at(client_for: ClientFor) -> None:
    """One unused for over a second that the server has closed is not given to a call.

    So a call that must not be sent twice is not lost on it, either.
    """
    close = threading.Event()

    def close_one(peer: Peer) -> None:
        if peer.number == 1:
            peer.request()
            peer.send(rpc(num="1"))
            close.wait(TIMEOUT)
        else:
            answer(peer)

    with ScriptedServer(close_one) as server:
        kt = client_for(server.port)
        assert kt.increment("n") == 1
        close.set()
        time.sleep(1.05)
        assert kt.increment("n") == 1
        assert (kt.pool_stats.discards, server.connections, len(server.requests)) == (1, 2, 2)


def test_bytes_that_nobody_asked_for(client_for: ClientFor, soon: None) -> None:
    """A quiet connection on which something arrived is not used: it is not the next answer."""
    said = threading.Event()

    def say_more(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(found(("k", f"answer {peer.number}")))
            if peer.number == 1:
                time.sleep(0.05)
                peer.send(found(("k", "unasked")))
                said.set()

    with ScriptedServer(say_more) as server:
        kt = client_for(server.port)
        assert kt.get("k") == "answer 1"
        assert said.wait(TIMEOUT)
        time.sleep(0.25)
        assert [kt.get("k"), kt.get("k")] == ["answer 2", "answer 2"]
        assert (kt.pool_stats.discards, server.connections) == (1, 2)


def test_a_quiet_connection_that_is_well(client_for: ClientFor, soon: None) -> None:
    """Looking at a connection does it no harm: it is used on, with its timeout."""

    def stall_late(peer: Peer) -> None:
        for _ in range(2):
            peer.request()
            peer.send(MISSING)
        peer.await_end()

    with ScriptedServer(stall_late) as server:
        kt = client_for(server.port, read_timeout=0.6)
        assert kt.get("k") is None
        time.sleep(0.25)
        assert kt.get("k") is None
        started = time.monotonic()
        with pytest.raises(ReadTimeout):
            kt.get("k")
        assert 0.5 < time.monotonic() - started < 2
        assert server.connections == 1


# ---------------------------------------------------------------- closing


def test_closing_the_idle_ones(client_for: ClientFor) -> None:
    """``close_all`` closes what is unused; the client opens new connections when it needs some."""
    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        warm_up(get_pool(kt.config), 3)
        kt.close_all()
        assert (kt.pool_stats.open, kt.pool_stats.discards) == (0, 3)
        assert kt.get("k") is None
        with kt:
            assert kt.get("k") is None
        assert kt.pool_stats.open == 0


def test_closing_what_is_in_use(client_for: ClientFor) -> None:
    """A connection in use is not torn from its call; it is closed when it comes back."""
    with ScriptedServer(answer) as server:
        pool = get_pool(client_for(server.port).config)
        now = time.monotonic()
        connection = pool.acquire(now + TIMEOUT, now)
        pool.expire()
        assert pool.stats.open == 1
        pool.release(connection)
        assert (pool.stats.open, pool.stats.idle, pool.stats.discards) == (0, 0, 1)


def test_closing_every_pool(client_for: ClientFor) -> None:
    """``close_pools`` does so for all servers at once."""
    with ScriptedServer(answer) as one, ScriptedServer(answer) as other:
        clients = [client_for(one.port), client_for(other.port)]
        for kt in clients:
            kt.get("k")
        close_pools()
        assert [kt.pool_stats.open for kt in clients] == [0, 0]
        assert [kt.get("k") for kt in clients] == [None, None]
