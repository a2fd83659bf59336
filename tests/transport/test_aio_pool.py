"""The pool of an event loop: how many connections, who gets which one, how long one waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kt_cache.client import records
from kt_cache.errors import ConnectError, PoolTimeout
from kt_cache.transport import PoolConfig
from kt_cache.transport.aio_connection import AsyncConnection
from kt_cache.transport.aio_pool import AsyncPool
from tests.support import peers
from tests.support.aio import Run, assert_nothing_leaked, client_of, until
from tests.support.peers import Peer, ScriptedServer, nobody_accepts
from tests.support.replies import MISSING, REMOVED, STORED, found


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that finds nothing."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(MISSING)

    with ScriptedServer(answer) as server:
        yield server


def pool_of(port: int, **options: Any) -> AsyncPool:
    return AsyncPool(PoolConfig(port=port, **options), asyncio.get_running_loop())


async def take(pool: AsyncPool, seconds: float = 5.0) -> AsyncConnection:
    now = time.monotonic()
    return await pool.acquire(now + seconds, now)


async def ask(pool: AsyncPool, seconds: float = 5.0) -> Any:
    """Have a get answered on any connection."""
    now = time.monotonic()
    _, request, decode, *_ = records.get(0, b"k")
    return await pool.exchange(request, decode, now + seconds, now)


# ---------------------------------------------------------------- how many, and which


def test_nothing_is_opened_ahead(run: Run, server: ScriptedServer) -> None:
    """A pool nobody has used has no connection."""

    async def main() -> None:
        stats = pool_of(server.port).stats
        assert (stats.open, stats.idle, stats.waiting, stats.connects) == (0, 0, 0, 0)

    run(main())
    assert server.connections == 0


def test_the_newest_is_used_first(run: Run, server: ScriptedServer) -> None:
    """The connection that came back last goes out first, so that the others can grow old."""

    async def main() -> None:
        pool = pool_of(server.port)
        taken = [await take(pool) for _ in range(3)]
        for connection in taken:
            pool.release(connection)
        assert [await take(pool) for _ in range(3)] == taken[::-1]
        assert pool.stats.connects == 3
        pool.close()
        assert pool.stats.open == 0

    run(main())


def test_the_pool_is_bounded(run: Run, server: ScriptedServer) -> None:
    """There are never more than ``max_size`` connections; who finds none free waits in vain."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=2)
        taken = [await take(pool), await take(pool)]
        for wait in (take, ask):
            started = time.monotonic()
            with pytest.raises(PoolTimeout, match=r"all 2 connections stayed in use \(max_size\)"):
                await wait(pool, 0.1)
            assert 0.09 <= time.monotonic() - started < 1
        assert (pool.stats.open, pool.stats.waiting, pool.stats.waits) == (2, 0, 2)
        pool.release(taken[0])
        assert await take(pool) is taken[0]
        pool.close()

    run(main())


@pytest.mark.parametrize("most", [0, 2])
def test_the_queue_is_bounded(run: Run, server: ScriptedServer, most: int) -> None:
    """With ``max_waiting`` calls waiting, one more is refused at once, and told why."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=1, max_waiting=most)
        connection = await take(pool)
        waiting = [asyncio.ensure_future(ask(pool)) for _ in range(most)]
        await until(lambda: pool.stats.waiting == most, "the queue is full")
        with pytest.raises(PoolTimeout, match=rf"and {most} calls wait already \(max_waiting\)"):
            await ask(pool)
        pool.release(connection)
        assert await asyncio.gather(*waiting) == [None] * most
        assert pool.stats.waiting == 0
        pool.close()

    run(main())


def test_a_stalled_connect_holds_nobody_up(run: Run, server: ScriptedServer) -> None:
    """While one task waits for its new connection, others go on."""

    async def main(port: int) -> None:
        kt = client_of(server.port)
        stalled = asyncio.ensure_future(client_of(port, connect_timeout=peers.TIMEOUT).get("k"))
        for _ in range(100):
            assert await kt.get("k") is None
        assert not stalled.done()
        stalled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stalled

    with nobody_accepts() as port:
        run(main(port))


# ---------------------------------------------------------------- handing over


def test_waiters_are_served_in_their_order(run: Run, server: ScriptedServer) -> None:
    """A connection that comes back goes to whoever has waited longest."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=1)
        connection = await take(pool)
        served: list[int] = []

        async def wait(number: int) -> None:
            if number % 2:
                await ask(pool)
                served.append(number)
            else:
                taken = await take(pool)
                served.append(number)
                pool.release(taken)

        tasks = []
        for number in range(6):
            tasks.append(asyncio.ensure_future(wait(number)))
            await until(lambda number=number: pool.stats.waiting == number + 1, "it waits")
        pool.release(connection)
        await asyncio.gather(*tasks)
        assert served == list(range(6))
        assert pool.stats.connects == 1
        pool.close()

    run(main())


@pytest.mark.parametrize("wait", [take, ask], ids=["acquire", "exchange"])
def test_a_waiter_may_open_what_another_gave_up(
    run: Run, server: ScriptedServer, wait: Any
) -> None:
    """When a connection is discarded, a waiting call opens one in its place."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=1)
        connection = await take(pool)
        waiting = asyncio.ensure_future(wait(pool))
        await until(lambda: pool.stats.waiting == 1, "it waits")
        pool.discard(connection)
        assert await waiting is not connection
        assert (pool.stats.open, pool.stats.connects) == (1, 2)
        pool.close()

    run(main())


def test_a_place_goes_on_if_connecting_fails(run: Run) -> None:
    """Each waiting call gets its chance to connect, and its own error."""

    async def main(port: int) -> None:
        pool = pool_of(port, max_size=1, connect_timeout=0.05)
        results = await asyncio.gather(*(ask(pool) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, ConnectError) for result in results)
        assert (pool.stats.open, pool.stats.waiting, pool.stats.waits) == (0, 0, 2)

    with nobody_accepts() as port:
        run(main(port))


@pytest.mark.parametrize("give_back", [AsyncPool.release, AsyncPool.discard])
@pytest.mark.parametrize("wait", [take, ask], ids=["acquire", "exchange"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_was_granted_too_late_goes_on(
    run: Run, server: ScriptedServer, give_back: Any, wait: Any, moment: str
) -> None:
    """Who is cancelled just as its turn comes leaves the connection, or the place, to the next."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=1)
        connection = await take(pool)
        victim = asyncio.ensure_future(wait(pool))
        await until(lambda: pool.stats.waiting == 1, "the victim waits")
        following = asyncio.ensure_future(take(pool))
        await until(lambda: pool.stats.waiting == 2, "the next one waits")
        if moment == "before":
            victim.cancel()
            give_back(pool, connection)
        else:
            give_back(pool, connection)
            victim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await victim
        taken = await asyncio.wait_for(following, peers.TIMEOUT)
        assert not taken.closed
        assert (pool.stats.open, pool.stats.waiting) == (1, 0)
        pool.close()

    run(main())


def test_many_calls_without_a_reply_that_waited(run: Run) -> None:
    """A thousand waiting calls that expect no reply are sent one behind the other."""
    seen = []

    def count(peer: Peer) -> None:
        for request in peer.requests():
            seen.append(request)
            if len(seen) == 1:
                peer.send(found(("k", "v")))

    async def main() -> None:
        kt = client_of(server.port, max_size=1)
        first = asyncio.ensure_future(kt.get("k"))
        await until(lambda: seen, "the only connection is in use")
        sets = [asyncio.ensure_future(kt.set("k", "v", no_reply=True)) for _ in range(1000)]
        assert await first == "v"
        assert await asyncio.gather(*sets) == [None] * 1000
        await until(lambda: len(seen) == 1001, "all arrive")
        assert_nothing_leaked(kt)

    with ScriptedServer(count) as server:
        run(main())


def test_a_thousand_tasks(run: Run, server: ScriptedServer) -> None:
    """All are served, by as many connections as the pool may have."""

    async def main() -> None:
        kt = client_of(server.port, max_size=8)
        assert await asyncio.gather(*(kt.get(f"k{n}") for n in range(1000))) == [None] * 1000
        stats = kt.pool_stats
        assert (stats.connects, stats.discards) == (8, 0)
        assert stats.waits == 992
        assert_nothing_leaked(kt)

    run(main())
    assert (server.connections, len(server.requests)) == (8, 1000)


# ---------------------------------------------------------------- growing old


def test_a_connection_unused_for_too_long_is_closed(run: Run, server: ScriptedServer) -> None:
    """``max_idle`` counts from the last use; what is over it is replaced, not used."""

    async def main() -> None:
        pool = pool_of(server.port, max_idle=0.5)
        first = await take(pool)
        pool.release(first)
        assert await take(pool) is first
        pool.release(first)
        await asyncio.sleep(0.55)
        assert await take(pool) is not first
        assert (pool.stats.open, pool.stats.connects, pool.stats.discards) == (1, 2, 1)
        pool.close()

    run(main())


def test_surplus_connections_go_while_others_are_used(run: Run, server: ScriptedServer) -> None:
    """After a rush the connections that nobody needs any more are closed one by one."""

    async def main() -> None:
        pool = pool_of(server.port, max_idle=0.5)
        taken = [await take(pool) for _ in range(4)]
        for connection in taken:
            pool.release(connection)

        async def use() -> None:
            while pool.stats.open > 1:
                pool.release(await take(pool))
                await asyncio.sleep(0.01)

        await asyncio.wait_for(use(), peers.TIMEOUT)
        assert await take(pool) is taken[-1]
        pool.close()

    run(main())


def test_an_old_connection_is_not_handed_over(run: Run, server: ScriptedServer) -> None:
    """In a pool that is never idle connections grow old as well, and are replaced."""

    async def main() -> None:
        pool = pool_of(server.port, max_size=1, max_lifetime=0.05)
        first = await take(pool)
        waiting = asyncio.ensure_future(take(pool))
        await asyncio.sleep(0.06)
        pool.release(first)
        assert await waiting is not first
        assert (pool.stats.open, pool.stats.connects) == (1, 2)
        pool.close()

    run(main())


def test_lifetimes_differ(run_one: Run, server: ScriptedServer) -> None:
    """Connections opened together do not all end together."""

    async def main() -> None:
        pool = pool_of(server.port, max_lifetime=100)
        taken = [await take(pool) for _ in range(20)]
        expiries = {round(each.expires - time.monotonic(), 2) for each in taken}
        assert len(expiries) > 5
        assert all(89 < seconds <= 100 for seconds in expiries)
        pool.close()

    run_one(main())


# ---------------------------------------------------------------- what happens to unused ones


@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["close", "reset"])
def test_a_server_that_closes_an_unused_connection(run: Run, end: Any) -> None:
    """It is dropped at once, not when somebody wants to use it."""
    go_on = threading.Event()

    def answer_once(peer: Peer) -> None:
        peer.request()
        peer.send(MISSING)
        if peer.number == 1:
            go_on.wait(peers.TIMEOUT)
            end(peer)
        else:
            peer.await_end()

    async def main() -> None:
        kt = client_of(server.port)
        assert await kt.get("k") is None
        assert kt.pool_stats.open == 1
        go_on.set()
        await until(lambda: kt.pool_stats.open == 0, "it is dropped")
        assert await kt.get("k") is None
        assert (kt.pool_stats.connects, kt.pool_stats.discards) == (2, 1)

    with ScriptedServer(answer_once) as server:
        run(main())
        assert len(server.requests) == 2


def test_bytes_that_nobody_asked_for(run: Run) -> None:
    """A connection on which something arrived unasked is not used: it is not the next answer."""

    def say_more(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(found(("k", f"answer {peer.number}")))
            if peer.number == 1:
                time.sleep(0.02)
                peer.send(found(("k", "unasked")))

    async def main() -> None:
        kt = client_of(server.port)
        assert await kt.get("k") == "answer 1"
        await until(lambda: kt.pool_stats.open == 0, "it is dropped")
        assert [await kt.get("k"), await kt.get("k")] == ["answer 2", "answer 2"]

    with ScriptedServer(say_more) as server:
        run(main())


def test_a_loop_that_did_not_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet connection is looked at before it is used: the loop may not have come to report."""
    monkeypatch.setattr("kt_cache.transport.aio_pool.PROBE_AFTER", 0.05)

    closed = threading.Event()

    def answer_once(peer: Peer) -> None:
        peer.request()
        peer.send(STORED if peer.number == 1 else REMOVED)
        if peer.number > 1:
            peer.await_end()
        else:
            peer.sock.close()
            closed.set()

    async def main() -> None:
        kt = client_of(server.port)
        assert await kt.set("k", "v") == 1
        assert closed.wait(peers.TIMEOUT)  # holds the loop up on purpose
        time.sleep(0.06)  # noqa: ASYNC251 - the same
        assert await kt.remove("k") == 1
        assert kt.pool_stats.discards == 1

    with ScriptedServer(answer_once) as server:
        run(main())
        assert (server.connections, len(server.requests)) == (2, 2)


def test_siblings_of_a_broken_connection_go(run: Run) -> None:
    """A connection that breaks in use takes with it those that were opened before."""

    def serve(peer: Peer) -> None:
        for number, _ in enumerate(peer.requests()):
            if peer.number == 3 and number == 0:
                return
            peer.send(MISSING)

    async def main() -> None:
        pool = pool_of(server.port)
        taken = [await take(pool) for _ in range(3)]
        for connection in taken:
            pool.release(connection)
        generation = pool.generation
        with pytest.raises(Exception, match="closed the connection"):
            await ask(pool)
        assert pool.generation == generation + 1
        assert pool.stats.open == 0
        pool.discard(taken[0], broken=True)
        assert pool.generation == generation + 1

    with ScriptedServer(serve) as server:
        run(main())


def test_closing_what_is_in_use(run: Run, server: ScriptedServer) -> None:
    """A connection in use is not torn from its call; it is closed when it comes back."""

    async def main() -> None:
        pool = pool_of(server.port)
        connection = await take(pool)
        pool.expire()
        assert pool.stats.open == 1
        pool.release(connection)
        assert (pool.stats.open, pool.stats.idle, pool.stats.discards) == (0, 0, 1)

    run(main())


def test_closing_the_idle_ones(run: Run, server: ScriptedServer) -> None:
    """``close_all`` closes what is unused; the client opens new connections when it needs some."""

    async def main() -> None:
        kt = client_of(server.port)
        for close in (kt.close_all, kt.close, kt.aclose):
            assert await kt.get("k") is None
            assert kt.pool_stats.open == 1
            await close()
            assert kt.pool_stats.open == 0
        async with kt as same:
            assert same is kt
            await kt.get("k")
        assert kt.pool_stats.open == 0

    run(main())


# ---------------------------------------------------------------- what is known about the server


def test_findings_end_with_their_generation(run: Run, server: ScriptedServer) -> None:
    """What was found out is forgotten with it, even if it is told only afterwards."""

    async def main() -> None:
        pool = pool_of(server.port)
        for end in (pool.expire, pool.close, pool.forsake):
            asked = pool.findings
            asked["early"] = True
            end()
            asked["late"] = True
            assert pool.findings == {}

    run(main())


def test_findings_end_with_an_unused_connection(run: Run) -> None:
    """If the server has closed one it may have been restarted."""

    def answer_once(peer: Peer) -> None:
        peer.request()
        peer.send(MISSING)

    async def main() -> None:
        pool = pool_of(server.port)
        await ask(pool)
        pool.findings["early"] = True
        await until(lambda: pool.stats.open == 0, "the connection is closed")
        assert pool.findings == {}
        pool.close()

    with ScriptedServer(answer_once) as server:
        run(main())
