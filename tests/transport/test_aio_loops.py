"""Event loops that come and go: each has connections of its own, which end with it."""

from __future__ import annotations

import os

import pytest

from kt_cache import EmbeddedServer
from tests.support.programs import run_program

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# Forking a process with threads is what is tested here; Python 3.12 warns of it.
WITH_THREADS = "This process:DeprecationWarning"

COMMON = """
import asyncio, gc, os, sys, threading
import uvloop
from kt_cache import AsyncKyotoTycoon
from kt_cache.transport import PoolConfig

kt = AsyncKyotoTycoon(config=PoolConfig(port=int(sys.argv[1])))

async def use(count=5):
    await kt.set("k", "v")
    assert await asyncio.gather(*(kt.get("k") for _ in range(count))) == ["v"] * count
    assert kt.pool_stats.open == kt.pool_stats.idle == count
    return kt.pool_stats.connects

def open_sockets():
    fds = ((fd, f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    links = {os.readlink(path) for fd, path in fds if os.path.lexists(path)}
    return {link for link in links if link.startswith("socket:")}

before = open_sockets()
"""

# The programs run with warnings as errors; one from a destructor would be on their stderr.
ENDINGS = {
    "asyncio.run": "asyncio.run(use())",
    "uvloop.run": "uvloop.run(use())",
    "async_to_sync": "from asgiref.sync import async_to_sync; async_to_sync(use)()",
    "asyncgens": """
loop = asyncio.new_event_loop()
loop.run_until_complete(use())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
""",
}
SUDDEN_ENDINGS = {
    kind: f"""
loop = {kind}.new_event_loop()
loop.run_until_complete(use())
loop.close()
"""
    for kind in ("asyncio", "uvloop")
}


@needs_proc
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_connections_end_with_their_loop(included_server: EmbeddedServer, ending: str) -> None:
    """When a loop was ended in order its connections are closed, and nothing was warned of."""
    run_program(
        COMMON
        + f"""
for _ in range(3):
    {ending.strip().replace(chr(10), chr(10) + "    ")}
    gc.collect()
    assert open_sockets() == before, open_sockets()
""",
        included_server.port,
    )


@needs_proc
@pytest.mark.parametrize("ending", SUDDEN_ENDINGS.values(), ids=SUDDEN_ENDINGS.keys())
def test_a_loop_that_is_simply_closed(included_server: EmbeddedServer, ending: str) -> None:
    """What is left of a closed loop goes at the next look-up, and no later than the process."""
    run_program(
        COMMON
        + f"""
for _ in range(3):
    {ending.strip().replace(chr(10), chr(10) + "    ")}
assert len(open_sockets()) == 5
asyncio.run(use())
gc.collect()
assert open_sockets() == before, open_sockets()
{ending.strip()}
""",
        included_server.port,
    )


def test_a_client_of_one_loop_after_the_other(included_server: EmbeddedServer) -> None:
    """A client made before there was a loop works on any; none uses another's connections."""
    run_program(
        COMMON
        + """
assert [asyncio.run(use()) for _ in range(3)] == [5, 5, 5]
assert [uvloop.run(use()) for _ in range(3)] == [5, 5, 5]
""",
        included_server.port,
    )


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_loops_in_several_threads(included_server: EmbeddedServer, kind: str) -> None:
    """One client serves the loops of many threads at the same time, each from its own pool."""
    run_program(
        COMMON
        + f"""
async def many(number):
    for turn in range(100):
        await kt.set(f"k{{number}}", str(turn))
        assert await kt.get(f"k{{number}}") == str(turn)
    return kt.pool_stats.connects

results = []
def work(number):
    for _ in range(3):
        results.append({kind}.run(many(number)))

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert results == [1] * 18, results
""",
        included_server.port,
    )


def test_outside_of_a_loop(included_server: EmbeddedServer) -> None:
    """Making a client needs no loop; asking for its loop's pool says what is missing."""
    run_program(
        COMMON
        + """
assert repr(kt).startswith("<AsyncKyotoTycoon 127.0.0.1:")
try:
    kt.pool_stats
except RuntimeError as error:
    assert "no running event loop" in str(error)
else:
    raise AssertionError("there is no loop")
""",
        included_server.port,
    )


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_calls_that_a_closing_loop_interrupts(included_server: EmbeddedServer, kind: str) -> None:
    """Tasks that are still at it when their loop ends are cancelled like any other."""
    run_program(
        COMMON
        + f"""
from kt_cache.transport import PoolConfig
kt = AsyncKyotoTycoon(config=PoolConfig(port=int(sys.argv[1]), max_size=2))

async def leave():
    tasks = [asyncio.ensure_future(kt.get("k")) for _ in range(10)]
    await asyncio.sleep(0)
    return tasks

tasks = {kind}.run(leave())
assert all(task.done() for task in tasks)
assert sum(task.cancelled() for task in tasks) >= 8  # two may have had their answers
gc.collect()
assert open_sockets() == before
""",
        included_server.port,
    )


# ---------------------------------------------------------------- fork

IN_CHILD = """
def in_child(work):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
"""


@needs_proc
@needs_fork
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_fork(included_server: EmbeddedServer, kind: str) -> None:
    """A child has its own connections; the parent's go on and the child holds none of them."""
    run_program(
        COMMON
        + IN_CHILD
        + f"""
loop = {kind}.new_event_loop()
loop.run_until_complete(asyncio.sleep(0))
of_the_loop = open_sockets()
connects = loop.run_until_complete(use())
mine = open_sockets() - of_the_loop
assert len(mine) == 5

def work():
    assert not open_sockets() & mine
    asyncio.run(use())
    {kind}.run(use())

in_child(work)
assert loop.run_until_complete(use()) == connects
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
""",
        included_server.port,
        ignore=WITH_THREADS,
    )


@needs_proc
@needs_fork
def test_a_fork_within_a_loop(included_server: EmbeddedServer) -> None:
    """A fork from a task closes the child's copies of the connections and ends none of them."""
    run_program(
        COMMON
        + IN_CHILD
        + """
async def main():
    of_the_loop = open_sockets()
    connects = await use()
    mine = open_sockets() - of_the_loop
    assert len(mine) == 5
    def work():
        assert not open_sockets() & mine
    in_child(work)
    assert await use() == connects
    assert kt.pool_stats.discards == 0

asyncio.run(main())
""",
        included_server.port,
        ignore=WITH_THREADS,
    )
