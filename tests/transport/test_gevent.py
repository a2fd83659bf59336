"""Under gevent's monkey patching calls give way to other greenlets, and time out as usual."""

from __future__ import annotations

import importlib.util

import pytest

from kt_cache import EmbeddedServer
from tests.support.programs import run_program

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None, reason="gevent is not installed"
)

PATCH = """
from gevent import monkey
monkey.patch_all()
"""

COMMON = """
import sys, time, socket, threading
import gevent, gevent.event, gevent.server
from kt_cache import KyotoTycoon
from kt_cache.errors import PoolTimeout, ReadTimeout
from kt_cache.transport import PoolConfig, get_pool
from tests.support.replies import found

def client(port=int(sys.argv[1]), **options):
    return KyotoTycoon(config=PoolConfig(port=port, **options))

may_answer = gevent.event.Event()
seen = []

def stall(sock, _address):
    # Answers requests for "late" when it may, others at once.
    number = len(seen)
    seen.append(0)
    while data := sock.recv(65536):
        seen[number] += 1
        if b"late" in data:
            may_answer.wait()
        try:
            sock.sendall(found(("k", f"{number}.{seen[number]}")))
        except OSError:
            break
    sock.close()

def stalled(**options):
    server = gevent.server.StreamServer(("127.0.0.1", 0), stall)
    server.start()
    return client(server.server_port, **options)
"""

ticks = """
ticks = [0]

def tick():
    while True:
        gevent.sleep(0.01)
        ticks[0] += 1

gevent.spawn(tick)
"""


def run(server: EmbeddedServer, source: str, *, patch_first: bool = True) -> None:
    start = PATCH + COMMON if patch_first else "import kt_cache\n" + PATCH + COMMON
    run_program(start + ticks + source, server.port)


@pytest.mark.parametrize("patch_first", [True, False], ids=["patched first", "imported first"])
def test_many_greenlets_on_few_connections(
    included_server: EmbeddedServer, patch_first: bool
) -> None:
    """All are served, each with its own answers, whichever was imported first."""
    run(
        included_server,
        """
kt = client(max_size=3)

def work(name):
    for number in range(20):
        kt.set(name, f"{name}.{number}")
        assert kt.get(name) == f"{name}.{number}"
    assert kt.increment("n") > 0
    return True

greenlets = [gevent.spawn(work, f"g{number}") for number in range(40)]
gevent.joinall(greenlets, timeout=30)
assert all(greenlet.value for greenlet in greenlets)
stats = kt.pool_stats
assert stats.connects == 3 and stats.waits > 0, stats
assert stats.open == stats.idle == 3 and stats.waiting == 0, stats
""",
        patch_first=patch_first,
    )


@pytest.mark.parametrize("options", ["read_timeout=0.5", "call_timeout=0.5"], ids=["read", "call"])
def test_a_stall_is_a_timeout_and_blocks_nobody(
    included_server: EmbeddedServer, options: str
) -> None:
    """While a call waits for a silent server others run; its own limits end it."""
    run(
        included_server,
        f"""
kt = stalled({options})
before, started = ticks[0], time.monotonic()
try:
    kt.get("late")
except ReadTimeout:
    pass
else:
    raise AssertionError("no timeout")
assert 0.45 < time.monotonic() - started < 4
assert ticks[0] - before >= 3, ticks
may_answer.set()
assert [kt.get("k"), kt.get("k")] == ["1.1", "1.2"]
""",
    )


def test_a_greenlet_killed_in_the_middle_of_a_call(included_server: EmbeddedServer) -> None:
    """Its connection goes with it: nobody reads its late answer."""
    run(
        included_server,
        """
kt = stalled(max_size=1)
assert kt.get("k") == "0.1"
greenlet = gevent.spawn(kt.get, "late")
while seen != [2]:
    gevent.sleep(0.001)
greenlet.kill()
assert kt.pool_stats.open == 0, kt.pool_stats
may_answer.set()
assert [kt.get("k"), kt.get("k")] == ["1.1", "1.2"]
assert kt.pool_stats.discards == 1
""",
    )


def test_a_gevent_timeout_around_a_call(included_server: EmbeddedServer) -> None:
    """``gevent.Timeout`` comes through, and costs the connection, nothing else."""
    run(
        included_server,
        """
kt = stalled(max_size=1)
for number in range(3):
    try:
        with gevent.Timeout(0.05):
            kt.get("late")
    except gevent.Timeout:
        pass
    else:
        raise AssertionError("no timeout")
assert kt.pool_stats.open == 0
may_answer.set()
assert kt.get("k") == "3.1"
""",
    )


def test_a_greenlet_killed_while_it_waits(included_server: EmbeddedServer) -> None:
    """Who is killed in the queue leaves it; the connection goes to the next one."""
    run(
        included_server,
        """
kt = stalled(max_size=1)
first = gevent.spawn(kt.get, "late")
while seen != [1]:
    gevent.sleep(0.001)
killed = gevent.spawn(kt.get, "k")
waiting = gevent.spawn(kt.get, "k")
while kt.pool_stats.waiting != 2:
    gevent.sleep(0.001)
killed.kill()
assert kt.pool_stats.waiting == 1
may_answer.set()
gevent.joinall([first, waiting], timeout=10)
assert (first.value, waiting.value) == ("0.1", "0.2")
assert (kt.pool_stats.open, kt.pool_stats.waiting) == (1, 0)
""",
    )


def test_waiting_in_vain(included_server: EmbeddedServer) -> None:
    """The wait for a connection has its limit here too."""
    run(
        included_server,
        """
kt = stalled(max_size=1, call_timeout=0.5)
pool = get_pool(kt.config)
connection = pool.acquire(time.monotonic() + 5, time.monotonic())
before = ticks[0]
try:
    kt.get("k")
except PoolTimeout:
    pass
else:
    raise AssertionError("no timeout")
assert ticks[0] - before >= 3, ticks
pool.release(connection)
assert kt.get("k") == "0.1"
""",
    )


def test_a_quiet_connection_is_looked_at(included_server: EmbeddedServer) -> None:
    """The look at a connection that was unused for a while neither blocks nor harms it."""
    run(
        included_server,
        """
from kt_cache.transport import pool
pool.PROBE_AFTER = 0.2
kt = client()
kt.set("k", "v")
gevent.sleep(0.25)
assert kt.get("k") == "v"
assert kt.pool_stats.connects == 1
""",
    )


def test_a_fork(included_server: EmbeddedServer) -> None:
    """A forked child has its own connections, and the parent keeps those it had."""
    run(
        included_server,
        """
import os
kt = client()
kt.set("k", "v")
pid = os.fork()
if not pid:
    status = 1
    try:
        assert kt.pool_stats.open == 0
        assert kt.get("k") == "v"
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(pid, 0)[1] == 0
assert kt.get("k") == "v"
assert kt.pool_stats.connects == 1
""",
    )
