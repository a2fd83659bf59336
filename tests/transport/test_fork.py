"""Forked processes, as of gunicorn with preload: nothing is shared, nothing is disturbed."""

from __future__ import annotations

import os

import pytest

from kt_cache import EmbeddedServer
from tests.support.programs import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")

# Forking a process with threads is what is tested here; Python 3.12 warns of it.
WITH_THREADS = "This process:DeprecationWarning"

COMMON = """
import os, sys, threading, time
from kt_cache import KyotoTycoon
from kt_cache.transport import PoolConfig, get_pool

kt = KyotoTycoon(config=PoolConfig(port=int(sys.argv[1])))

def open_sockets():
    fds = ((fd, f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    links = {os.readlink(path) for fd, path in fds if os.path.lexists(path)}
    return {link for link in links if link.startswith("socket:")}

def warm_up(count):
    pool, now = get_pool(kt.config), time.monotonic()
    connections = [pool.acquire(now + 5, now) for _ in range(count)]
    for connection in connections:
        pool.release(connection)

def in_child(work, seconds=20):
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
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, status
            return
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.002)
"""


def test_parent_and_child_both_go_on(included_server: EmbeddedServer) -> None:
    """After a fork each side has connections of its own, and the parent keeps those it had."""
    run_program(
        COMMON
        + """
warm_up(3)
kt.set("k", "parent")

def work():
    assert kt.pool_stats.open == 0
    for number in range(20):
        kt.set("child", str(number))
        assert kt.get("child") == str(number)
        assert kt.get("k") == "parent"
    assert kt.pool_stats.open == 1

before = kt.pool_stats
in_child(work)
for _ in range(20):
    assert kt.get("child") == "19"
warm_up(3)
after = kt.pool_stats
assert (after.connects, after.discards, after.open) == (before.connects, 0, 3), after
""",
        included_server.port,
    )


@needs_proc
def test_no_socket_is_shared(included_server: EmbeddedServer) -> None:
    """The child holds none of the parent's connections, so each ends when the parent says so."""
    run_program(
        COMMON
        + """
warm_up(3)
in_use = get_pool(kt.config).acquire(time.monotonic() + 5, time.monotonic())
mine = open_sockets()
assert len(mine) == 3

def work():
    assert not open_sockets() & mine
    kt.get("k")
    assert len(open_sockets() - mine) == 1

in_child(work)
assert open_sockets() == mine
get_pool(kt.config).release(in_use)
""",
        included_server.port,
    )


def test_a_child_that_closes_everything(included_server: EmbeddedServer) -> None:
    """A child that closes its pools and ends as usual does nothing to its parent's connections."""
    run_program(
        COMMON
        + """
from kt_cache.transport import close_pools
warm_up(3)

def work():
    kt.close_all()
    close_pools()
    kt.get("k")
    import atexit
    atexit._run_exitfuncs()

in_child(work)
warm_up(3)
kt.get("k")
assert (kt.pool_stats.connects, kt.pool_stats.discards) == (3, 0), kt.pool_stats
""",
        included_server.port,
    )


def test_both_sides_at_once(included_server: EmbeddedServer) -> None:
    """Two processes that share a client's past get each its own answers."""
    run_program(
        COMMON
        + """
warm_up(2)

def talk(name):
    for number in range(300):
        kt.set(name, f"{name}{number}")
        assert kt.get(name) == f"{name}{number}"

thread = threading.Thread(target=talk, args=("parent",))
thread.start()
in_child(lambda: talk("child"))
thread.join()
""",
        included_server.port,
        ignore=WITH_THREADS,
    )


def test_a_lock_held_at_the_moment(included_server: EmbeddedServer) -> None:
    """Whatever other threads were doing with the pool, the child can use its own."""
    run_program(
        COMMON
        + """
small = KyotoTycoon(config=PoolConfig(port=kt.port, max_size=2))
ended = threading.Event()
failed = []

def talk():
    try:
        while not ended.is_set():
            small.get("k")
    except Exception as error:
        failed.append(error)

threads = [threading.Thread(target=talk) for _ in range(8)]
for thread in threads:
    thread.start()

def work():
    assert small.pool_stats.waiting == 0
    small.get("k")
    assert small.pool_stats.open == 1
    KyotoTycoon(config=PoolConfig(port=kt.port, max_size=3)).get("k")

try:
    for _ in range(30):
        in_child(work)
        time.sleep(0.001)
finally:
    ended.set()
    for thread in threads:
        thread.join()
assert not failed, failed
""",
        included_server.port,
        ignore=WITH_THREADS,
    )


def test_the_pools_own_lock(included_server: EmbeddedServer) -> None:
    """A fork while another thread holds the very lock of the pool does not lock the child up."""
    run_program(
        COMMON
        + """
from kt_cache.transport import registry
kt.get("k")
pool = get_pool(kt.config)
held, let_go = threading.Event(), threading.Event()

def hold():
    with pool._lock, registry._lock:
        held.set()
        let_go.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
try:
    in_child(lambda: (kt.get("k"), KyotoTycoon(port=kt.port, timeout=3).get("k")), seconds=5)
finally:
    let_go.set()
    thread.join()
""",
        included_server.port,
        ignore=WITH_THREADS,
    )


def test_children_of_children(included_server: EmbeddedServer) -> None:
    """A fork of a fork is a fork."""
    run_program(
        COMMON
        + """
kt.get("k")

def work():
    kt.get("k")
    in_child(lambda: kt.get("k"))
    kt.get("k")
    assert kt.pool_stats.open == 1

in_child(work)
kt.get("k")
assert kt.pool_stats.connects == 1
""",
        included_server.port,
    )


@needs_proc
def test_a_program_started_by_exec(included_server: EmbeddedServer) -> None:
    """Programs that a process starts inherit no connection."""
    run_program(
        COMMON
        + """
import subprocess
warm_up(2)
listing = subprocess.run(
    [sys.executable, "-c", "import os; print([os.readlink(f'/proc/self/fd/{fd}') for fd in"
     " os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{fd}')])"],
    capture_output=True, text=True, check=True,
)
assert "pipe:" in listing.stdout
assert "socket:" not in listing.stdout, listing.stdout
warm_up(2)
assert kt.pool_stats.connects == 2
""",
        included_server.port,
    )
