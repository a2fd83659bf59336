"""Exceptions that may strike at any moment: Ctrl-C, a signal handler's, a killed greenlet's."""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from kt_cache import KyotoTycoon
from kt_cache.client.executor import Executor
from kt_cache.transport import get_pool
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import TIMEOUT, Peer, ScriptedServer, until
from tests.support.replies import MISSING, found
from tests.support.threads import run_threads


class GreenletExit(BaseException):
    """As greenlet's own, which is no Exception either."""


def interrupt_main_thread() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@contextmanager
def alarm_raises(kind: type[BaseException]) -> Iterator[None]:
    """SIGALRM raises such an exception in the main thread."""

    def handler(*_: Any) -> NoReturn:
        raise kind

    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def late_answers(may_answer: threading.Event) -> Any:
    """Answer the first connection's requests for ``late`` only when allowed to."""

    def answer(peer: Peer) -> None:
        for number, request in enumerate(peer.requests()):
            if b"late" in request:
                may_answer.wait(TIMEOUT)
                peer.send(found(("late", "late")))
                peer.await_end()
            else:
                peer.send(found(("k", f"{peer.number}.{number}")))

    return answer


limits = pytest.mark.parametrize(
    "options", [{}, {"read_timeout": 20.0}], ids=["kernel", "settimeout"]
)


@limits
def test_ctrl_c_in_the_middle_of_a_call(client_for: ClientFor, options: dict[str, float]) -> None:
    """The call ends with KeyboardInterrupt, its connection with it; the next answer is the next."""
    may_answer = threading.Event()
    with ScriptedServer(late_answers(may_answer)) as server:
        kt = client_for(server.port, **options)
        assert kt.get("k") == "1.0"

        def interrupt() -> None:
            until(lambda: len(server.requests) == 2, "the second call is on its way")
            interrupt_main_thread()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            kt.get("late")
        thread.join()
        assert kt.pool_stats.open == 0
        may_answer.set()
        assert [kt.get("k"), kt.get("k")] == ["2.0", "2.1"]
        assert (server.connections, kt.pool_stats.discards) == (2, 1)


@limits
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GreenletExit, TimeoutError])
def test_a_signal_handler_that_raises(
    client_for: ClientFor, options: dict[str, float], kind: type[BaseException]
) -> None:
    """Whatever the handler raises comes out as it is; the connection is not used again."""
    may_answer = threading.Event()
    with ScriptedServer(late_answers(may_answer)) as server, alarm_raises(kind):
        kt = client_for(server.port, **options)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(BaseException) as caught:
            kt.get("late")
        may_answer.set()
        assert [kt.get("k"), kt.get("k")] == ["2.0", "2.1"]
        assert (server.connections, kt.pool_stats.discards) == (2, 1)
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize("kind", [GreenletExit, KeyboardInterrupt, MemoryError])
def test_an_exception_out_of_the_decoder(client_for: ClientFor, kind: type[BaseException]) -> None:
    """What strikes while a reply is decoded costs the connection, as its state is unknown."""

    def decode(_data: object, _end: int) -> NoReturn:
        raise kind

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(MISSING)

    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        executor = Executor(get_pool(kt.config))
        with pytest.raises(kind):
            executor.run(("get", b"\xba" + bytes(8), decode, True, None))
        assert kt.pool_stats.open == 0
        assert kt.get("k") is None
        assert (server.connections, len(server.requests)) == (2, 2)


def test_ctrl_c_while_waiting_for_a_connection(client_for: ClientFor) -> None:
    """Who stops waiting leaves the queue; whoever comes next is not behind a ghost."""
    with ScriptedServer(Peer.await_end) as server:
        kt = client_for(server.port, max_size=1)
        pool, now = get_pool(kt.config), time.monotonic()
        connection = pool.acquire(now + TIMEOUT, now)

        def interrupt() -> None:
            until(lambda: pool.stats.waiting == 1, "the call waits")
            interrupt_main_thread()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            kt.get("k")
        thread.join()
        assert pool.stats.waiting == 0
        pool.release(connection)
        assert pool.acquire(now + TIMEOUT, now) is connection
        pool.release(connection)
        assert_nothing_leaked(kt)


def test_ctrl_c_while_connecting(client_for: ClientFor, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted connect gives its place back."""
    kt = client_for(1, max_size=1)

    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("socket.getaddrinfo", interrupt)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            kt.get("k")
        assert (kt.pool_stats.open, kt.pool_stats.waiting) == (0, 0)


class Alarm(BaseException):
    """Raised by the storm's signal handler."""


def get_until_alarm(kt: KyotoTycoon, longest: float) -> int:
    """Call until the alarm; return how many answers were right.

    :param longest: seconds within which it comes.
    """
    calls = 0
    try:
        try:
            # Again after a while: the alarm is lost if it strikes where exceptions go nowhere.
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00002, longest), 0.2)
            while True:
                assert kt.get("k") == "value of k"
                calls += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm:
        return calls


def assert_whole(kt: KyotoTycoon, size: int) -> None:
    """The pool has as many connections to give as it should."""
    assert kt.get("k") == "value of k"
    assert_nothing_leaked(kt)
    pool, now = get_pool(kt.config), time.monotonic()
    connections = [pool.acquire(now + 5, now) for _ in range(size)]
    for connection in connections:
        pool.discard(connection)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("max_size", [1, 3])
def test_a_storm_of_signals(client_for: ClientFor, max_size: int) -> None:
    """However often and wherever a handler raises, answers stay right and no place is lost."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(found(("k", "value of k")))

    random.seed(max_size)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    try:
        with ScriptedServer(answer) as server, alarm_raises(Alarm):
            kt = client_for(server.port, max_size=max_size)
            began = time.monotonic()
            for _ in range(20):
                kt.get("k")
            longest = max(0.0008, (time.monotonic() - began) / 5)  # four calls, on a slow machine
            calls = sum(get_until_alarm(kt, longest) for _ in range(800))
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.collect()
            assert calls > 10
            run_threads(1, lambda _: assert_whole(kt, max_size), timeout=20)  # no lock is held
    finally:
        sys.setswitchinterval(interval)
