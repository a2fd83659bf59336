"""The pool: how many connections there are, who gets which one, and how long one waits."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kt_cache.errors import ConnectError, KTError, PoolTimeout
from kt_cache.transport import Pool, PoolConfig
from kt_cache.transport.connection import Connection
from tests.support import peers
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import Peer, ScriptedServer, nobody_accepts, until
from tests.support.replies import MISSING
from tests.support.threads import run_threads


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that finds nothing."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(MISSING)

    with ScriptedServer(answer) as server:
        yield server


@pytest.fixture
def make_pool(server: ScriptedServer) -> Iterator[Any]:
    """Give ``make_pool(**options)``, for pools of connections to that server."""
    pools = []

    def make(**options: Any) -> Pool:
        pools.append(Pool(PoolConfig(port=server.port, **options)))
        return pools[-1]

    yield make
    for connection in _taken:
        connection.close()
    _taken.clear()
    for pool in pools:
        pool.expire()


_taken: list[Connection] = []


def take(pool: Pool, seconds: float = 5.0) -> Connection:
    """Get a connection; the test need not give it back."""
    now = time.monotonic()
    connection = pool.acquire(now + seconds, now)
    _taken.append(connection)
    return connection


def in_background(work: Any) -> tuple[threading.Thread, list[Any]]:
    """Start a thread; what the work returns, or the error of ours, goes into the list."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except KTError as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


# ---------------------------------------------------------------- how many, and which


def test_nothing_is_opened_ahead(make_pool: Any, server: ScriptedServer) -> None:
    """A pool nobody has used has no connection."""
    stats = make_pool().stats
    assert (stats.open, stats.idle, stats.waiting, stats.connects) == (0, 0, 0, 0)
    assert server.connections == 0


def test_an_unused_connection_is_used_again(make_pool: Any) -> None:
    """One call after the other needs one connection."""
    pool = make_pool()
    first = take(pool)
    pool.release(first)
    for _ in range(5):
        again = take(pool)
        assert again is first
        pool.release(again)
    assert pool.stats.connects == 1


def test_the_newest_is_used_first(make_pool: Any) -> None:
    """The connection that came back last goes out first, so that the others can grow old."""
    pool = make_pool()
    taken = [take(pool) for _ in range(3)]
    for connection in taken:
        pool.release(connection)
    assert [take(pool) for _ in range(3)] == taken[::-1]


def test_the_pool_is_bounded(make_pool: Any) -> None:
    """There are never more than ``max_size`` connections; who finds none free waits in vain."""
    pool = make_pool(max_size=2)
    taken = [take(pool), take(pool)]
    started = time.monotonic()
    with pytest.raises(
        PoolTimeout, match=r"all 2 connections stayed in use \(max_size\)"
    ) as caught:
        take(pool, 0.1)
    assert 0.1 <= time.monotonic() - started < 1
    assert caught.value.host == pool.config.address
    assert (pool.stats.open, pool.stats.waiting, pool.stats.waits) == (2, 0, 1)
    pool.release(taken[0])
    assert take(pool) is taken[0]


def test_a_deadline_that_has_passed(make_pool: Any) -> None:
    """Who has no time left does not wait, and does not stand in anyone's way."""
    pool = make_pool(max_size=1)
    connection = take(pool)
    with pytest.raises(PoolTimeout):
        take(pool, -1)
    pool.release(connection)
    assert take(pool, -1) is connection


@pytest.mark.parametrize("most", [0, 2])
def test_the_queue_is_bounded(make_pool: Any, most: int) -> None:
    """With ``max_waiting`` calls waiting, one more is refused at once, and told why."""
    pool = make_pool(max_size=1, max_waiting=most)
    connection = take(pool)
    waiting = [in_background(lambda: take(pool)) for _ in range(most)]
    until(lambda: pool.stats.waiting == most, "the queue is full")
    started = time.monotonic()
    with pytest.raises(PoolTimeout, match=rf"and {most} calls wait already \(max_waiting\)"):
        take(pool)
    assert time.monotonic() - started < peers.TIMEOUT / 2
    pool.release(connection)
    for thread, results in waiting:
        until(lambda results=results: results, "a waiting call gets the connection")
        assert results == [connection]
        pool.release(connection)
        thread.join()
    assert pool.stats.waiting == 0


# ---------------------------------------------------------------- handing over


def test_waiters_are_served_in_their_order(make_pool: Any) -> None:
    """A connection that comes back goes to whoever has waited longest."""
    pool = make_pool(max_size=1)
    connection = take(pool)
    waiting = []
    for number in range(3):
        waiting.append(in_background(lambda: take(pool)))
        until(lambda number=number: pool.stats.waiting == number + 1, "it waits")
    for _, results in waiting:
        pool.release(connection)
        until(lambda results=results: results, "the next one is served")
        assert results == [connection]
    assert pool.stats.connects == 1


def test_a_waiter_may_open_what_another_gave_up(make_pool: Any, server: ScriptedServer) -> None:
    """When a connection is discarded, a waiting call opens one in its place."""
    pool = make_pool(max_size=1)
    connection = take(pool)
    thread, results = in_background(lambda: take(pool))
    until(lambda: pool.stats.waiting == 1, "it waits")
    pool.discard(connection)
    thread.join(peers.TIMEOUT)
    assert results[0] is not connection
    assert (pool.stats.open, pool.stats.connects) == (1, 2)
    until(lambda: server.connections == 2, "the server has accepted both")


def test_a_place_goes_on_if_connecting_fails() -> None:
    """Each waiting call gets its chance to connect, and its own error."""
    with nobody_accepts() as port:
        pool = Pool(PoolConfig(port=port, max_size=1, connect_timeout=0.1))
        calls = [in_background(lambda: take(pool)) for _ in range(3)]
        for thread, results in calls:
            thread.join(peers.TIMEOUT)
            assert isinstance(results[0], ConnectError)
    assert (pool.stats.open, pool.stats.waiting, pool.stats.waits) == (0, 0, 2)


class Killed(BaseException):
    """Stands for whatever ends a thread or greenlet from outside."""


@pytest.mark.parametrize("give_back", [Pool.release, Pool.discard], ids=["release", "discard"])
def test_what_was_granted_too_late_goes_on(
    make_pool: Any, monkeypatch: pytest.MonkeyPatch, give_back: Any
) -> None:
    """Who is killed just as its turn comes leaves the connection, or the place, to the next."""
    pool = make_pool(max_size=1)
    wait = threading.Event.wait

    def wait_and_die(event: threading.Event, timeout: float | None = None) -> bool:
        done = wait(event, timeout)
        if threading.current_thread().name == "victim":
            raise Killed
        return done

    def victim() -> None:
        with pytest.raises(Killed):
            take(pool)

    connection = take(pool)
    monkeypatch.setattr(threading.Event, "wait", wait_and_die)
    dying = threading.Thread(target=victim, name="victim", daemon=True)
    dying.start()
    until(lambda: pool.stats.waiting == 1, "the victim waits")
    thread, results = in_background(lambda: take(pool))
    until(lambda: pool.stats.waiting == 2, "the next one waits")
    started = time.monotonic()
    give_back(pool, connection)
    thread.join(peers.TIMEOUT)
    dying.join(peers.TIMEOUT)
    assert time.monotonic() - started < 3
    assert isinstance(results[0], Connection)
    assert (results[0] is connection) is (give_back is Pool.release)
    assert (pool.stats.open, pool.stats.waiting) == (1, 0)


def test_thirty_two_threads_on_two_connections(
    client_for: ClientFor, server: ScriptedServer
) -> None:
    """All are served, by two connections, without an error."""
    kt = client_for(server.port, max_size=2)

    def work(number: int) -> None:
        for _ in range(50):
            assert kt.get(f"k{number}") is None

    run_threads(32, work)
    stats = kt.pool_stats
    assert (stats.connects, stats.discards, server.connections) == (2, 0, 2)
    assert stats.waits > 0
    assert_nothing_leaked(kt)
    assert len(server.requests) == 32 * 50


def test_a_stalled_connect_holds_nobody_up(make_pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one call waits for its new connection, others use and give back theirs."""
    pool = make_pool(max_size=2)
    mine = take(pool)
    go_on = threading.Event()
    resolve = socket.getaddrinfo

    def stall(*args: Any, **options: Any) -> Any:
        go_on.wait(peers.TIMEOUT)
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", stall)
    thread, results = in_background(lambda: take(pool))
    until(lambda: pool.stats.open == 2, "the other one connects")
    for _ in range(100):
        pool.release(mine)
        assert take(pool, 1) is mine
    assert not results
    go_on.set()
    thread.join(peers.TIMEOUT)
    assert isinstance(results[0], Connection)


# ---------------------------------------------------------------- growing old


def test_a_connection_unused_for_too_long_is_closed(make_pool: Any) -> None:
    """``max_idle`` counts from the last use; what is over it is replaced, not used."""
    pool = make_pool(max_idle=0.5)
    first = take(pool)
    pool.release(first)
    assert take(pool) is first
    pool.release(first)
    time.sleep(0.55)
    assert take(pool) is not first
    assert (pool.stats.open, pool.stats.connects, pool.stats.discards) == (1, 2, 1)


def test_surplus_connections_go_while_others_are_used(make_pool: Any) -> None:
    """After a rush the connections that nobody needs any more are closed one by one."""
    pool = make_pool(max_idle=0.5)
    taken = [take(pool) for _ in range(4)]
    for connection in taken:
        pool.release(connection)
    deadline = time.monotonic() + peers.TIMEOUT
    while pool.stats.open > 1:
        assert time.monotonic() < deadline
        pool.release(take(pool))
        time.sleep(0.01)
    assert take(pool) is taken[-1]


def test_an_old_connection_is_closed(make_pool: Any) -> None:
    """``max_lifetime`` counts from connecting, however much the connection is used."""
    pool = make_pool(max_lifetime=0.1)
    before = time.monotonic()
    first = taken = take(pool)
    connected = time.monotonic()
    while taken is first:
        pool.release(first)
        asked = time.monotonic()
        taken = take(pool)
        assert taken is not first or asked - connected < 0.1
    assert time.monotonic() - before > 0.05
    assert (pool.stats.open, pool.stats.discards) == (1, 1)


def test_an_old_connection_is_not_handed_over(make_pool: Any) -> None:
    """In a pool that is never idle connections grow old as well, and are replaced."""
    pool = make_pool(max_size=1, max_lifetime=0.05)
    first = take(pool)
    thread, results = in_background(lambda: take(pool))
    until(lambda: pool.stats.waiting == 1, "it waits")
    time.sleep(0.06)
    pool.release(first)
    thread.join(peers.TIMEOUT)
    assert results[0] is not first
    assert (pool.stats.open, pool.stats.connects) == (1, 2)


def test_lifetimes_differ(make_pool: Any) -> None:
    """Connections opened together do not all end together."""
    pool = make_pool(max_lifetime=100)
    expiries = {round(take(pool).expires - time.monotonic(), 2) for _ in range(20)}
    assert len(expiries) > 5
    assert all(89 < seconds <= 100 for seconds in expiries)


# ---------------------------------------------------------------- counting


def test_what_the_counters_say(make_pool: Any) -> None:
    """Open ones are those in use and the idle ones; the rest counts since the start."""
    pool = make_pool(max_size=3)
    taken = [take(pool) for _ in range(3)]
    assert (pool.stats.open, pool.stats.idle, pool.stats.connects) == (3, 0, 3)
    pool.release(taken[0])
    pool.release(taken[1])
    pool.discard(taken[2])
    stats = pool.stats
    assert (stats.open, stats.idle, stats.connects, stats.discards) == (2, 2, 3, 1)
    assert (stats.waiting, stats.waits) == (0, 0)


def test_a_connection_counts_once(make_pool: Any) -> None:
    """Discarding a connection again changes nothing."""
    pool = make_pool()
    connection = take(pool)
    pool.discard(connection)
    pool.discard(connection)
    assert (pool.stats.open, pool.stats.discards) == (0, 1)


def test_a_connection_that_a_call_lost_frees_its_place(make_pool: Any) -> None:
    """A connection that nobody holds any more is closed and counted no more."""
    pool = make_pool(max_size=1)
    now = time.monotonic()
    lost = pool.acquire(now + 5, now)
    assert pool.stats.open == 1
    del lost
    gc.collect()
    assert pool.stats.open == 0
    assert take(pool, 1).generation == pool.generation


def test_who_waits_notices_a_lost_connection(make_pool: Any) -> None:
    """Nobody is woken when the garbage collector takes a connection, so who waits looks again."""
    pool = make_pool(max_size=1)
    now = time.monotonic()
    lost = pool.acquire(now + 5, now)
    waiting = [in_background(lambda: take(pool, 5)) for _ in range(2)]
    until(lambda: pool.stats.waiting == 2, "both wait")
    started = time.monotonic()
    del lost
    gc.collect()
    until(lambda: any(results for _, results in waiting), "one of them is served")
    assert time.monotonic() - started < 3  # and not only at the end of its time
    (first,) = next(results for _, results in waiting if results)
    pool.release(first)
    for thread, results in waiting:
        thread.join(5)
        assert results == [first]


# ---------------------------------------------------------------- what is known about the server


def test_findings_end_with_their_generation(make_pool: Any) -> None:
    """What was found out is forgotten with it, even if it is told only afterwards."""
    pool = make_pool()
    asked = pool.findings
    asked["early"] = True
    assert pool.findings == {"early": True}
    pool.expire()
    asked["late"] = True
    assert pool.findings == {}


def test_findings_end_with_an_unused_connection(make_pool: Any, server: ScriptedServer) -> None:
    """If the server has closed one it may have been restarted."""
    pool = make_pool(max_idle=0.05)
    pool.release(take(pool))
    pool.findings["kept"] = True
    time.sleep(0.1)
    pool.release(take(pool))  # the first one was too old
    assert pool.findings == {"kept": True}
    server.stop()
    time.sleep(0.1)
    with pytest.raises(ConnectError):
        take(pool)
    assert pool.findings == {}
