"""No server outlives the process that started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kt_cache import EmbeddedServer
from tests.embedded.processes import is_alive, listens, offspring
from tests.support.peers import until
from tests.support.programs import ROOT, run_program

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")

START = """
import os, signal, sys, time
from kt_cache import EmbeddedServer
server = EmbeddedServer(sys.argv[1], quiet=True)
server.run()
server.client.set("k", "v")
print(server.port, flush=True)
"""


@contextmanager
def started(kind: str, then: str = "time.sleep(60)") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a program that starts a server; give its process and the server's port."""
    source = START + textwrap.dedent(then)
    command = [sys.executable, "-W", "error", "-c", source, kind]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_parent_that_is_killed(kind: str, number: signal.Signals) -> None:
    """The server ends with its parent, and so does everything in between."""
    with started(kind) as (parent, port):
        children = offspring(parent.pid)
        assert children
        assert listens(port)
        parent.send_signal(number)
        until(lambda: not any(map(is_alive, children)), "all children end")
        assert not listens(port)


def test_a_parent_that_just_ends(kind: str) -> None:
    """A program need not stop its server."""
    with started(kind, "server.client.get('k')") as (parent, port):
        assert parent.wait(20) == 0
        assert not listens(port)


def test_a_fork_of_the_parent_that_ends(kind: str) -> None:
    """Only the process that started the server stops it, not one forked from it."""
    program = """
    from kt_cache.transport import close_pools
    import gc
    pid = os.fork()
    if not pid:
        server.stop()
        del server
        gc.collect()
        close_pools()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.client.get("k") == "v"
    assert server.stop() is True
    """
    run_program(START + textwrap.dedent(program), kind)


def test_a_fork_that_outlives_the_parent(kind: str) -> None:
    """A forked process that lives on does not keep the server alive."""
    then = """
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
    """
    with started(kind, then) as (parent, port):
        assert parent.stdout
        fork = int(parent.stdout.readline())
        try:
            parent.kill()
            until(lambda: not listens(port), "the server is gone")
            assert is_alive(fork)
        finally:
            os.kill(fork, signal.SIGKILL)


def test_a_thread_that_ends() -> None:
    """A server that was started in a thread goes on when the thread is over."""
    server = EmbeddedServer("included", quiet=True)
    thread = threading.Thread(target=server.run)
    thread.start()
    thread.join()
    try:
        time.sleep(0.1)
        assert server.client.set("k", "v") == 1
    finally:
        assert server.stop() is True


def test_an_interrupted_start(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the start leaves nothing behind."""
    before = offspring(os.getpid())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kt_cache.embedded._wait_until_ready", interrupt)
        server = EmbeddedServer(kind, quiet=True)
        with pytest.raises(KeyboardInterrupt):
            server.run()
    assert server.pid is None
    until(lambda: offspring(os.getpid()) <= before, "all children end")


# ---------------------------------------------------------------- the guard of a real server

STUBBORN = """\
#!{python}
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print(os.getpid(), flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def stubborn(tmp_path: Path) -> Path:
    """A program that does not end when asked."""
    path = tmp_path / "stubborn"
    path.write_text(STUBBORN.format(python=sys.executable))
    path.chmod(0o755)
    return path


GUARD = "import kt_cache._child as c, sys; c._KILL_AFTER = 0.3; sys.exit(c.main())"


@contextmanager
def guarded(*command: object) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", GUARD, *map(str, command)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_guards_status() -> None:
    """A guarded program's exit status is the guard's."""
    with guarded(sys.executable, "-c", "import sys; sys.exit(7)") as guard:
        assert guard.wait(20) == 7


def test_a_program_that_does_not_end(stubborn: Path) -> None:
    """When the parent is gone, a program that ignores the request is killed."""
    with guarded(stubborn) as guard:
        assert guard.stdin
        assert guard.stdout
        pid = int(guard.stdout.readline())
        guard.stdin.close()
        assert guard.stdout.readline() == "asked\n"
        guard.wait(20)
        assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on(stubborn: Path, number: signal.Signals) -> None:
    """The guard asks its program to end, and ends after it."""
    with guarded(stubborn) as guard:
        assert guard.stdout
        pid = int(guard.stdout.readline())
        guard.send_signal(number)
        assert guard.stdout.readline() == "asked\n"
        assert guard.poll() is None
        os.kill(pid, signal.SIGKILL)
        assert guard.wait(20) != 0


def test_a_guard_that_is_killed(kind: str) -> None:
    """Even then the server does not stay behind."""
    with EmbeddedServer(kind, quiet=True) as server:
        assert server.pid is not None
        processes = {server.pid} | offspring(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: not any(map(is_alive, processes)), "all of them end")
