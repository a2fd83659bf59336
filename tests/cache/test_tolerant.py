"""What each call of a store gives when the server fails, and how soon."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from kt_cache import EmbeddedServer
from kt_cache.cache import Cache, Codec, FailurePolicy, Store, open_store, strict
from kt_cache.cache.guard import Guard, get_guard
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.tolerant import NEUTRAL, NEVER_IGNORED, TolerantStore
from kt_cache.errors import (
    CircuitOpen,
    ConfigError,
    ConnectError,
    DecodeError,
    KTError,
    NoSuchDatabase,
    PoolTimeout,
    ReadTimeout,
    TransportError,
)
from kt_cache.testing import FaultProxy
from kt_cache.transport import PoolConfig, get_pool
from tests.support.aio import run_on
from tests.support.clocks import Clock
from tests.support.failing import dead_port, own
from tests.support.peers import Peer, ScriptedServer, until
from tests.support.programs import run_program
from tests.support.threads import run_threads

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "get": (b"k",),
    "get_many": ([b"k", b"l"],),
    "get_with_ttl": (b"k",),
    "get_many_with_ttl": ([b"k", b"l"],),
    "set": (b"k", b"v", 60),
    "set_many": ({b"k": b"v"}, 60),
    "add": (b"k", b"v", 60),
    "replace": (b"k", b"v", 60),
    "swap": (b"k", b"v", b"w", 60),
    "get_record": (b"k",),
    "swap_record": (b"k", b"v", b"w", 60),
    "touch": (b"k", 60),
    "incr": (b"k", 1),
    "pop": (b"k",),
    "remove": (b"k",),
    "remove_many": ([b"k", b"l"],),
    "keys": (b"",),
    "page": (b"", None, 10),
    "flush": (),
}
"""Every method of a store, and arguments for it."""

GIVES = {
    "get": None,
    "get_many": {},
    "get_with_ttl": None,
    "get_many_with_ttl": {},
    "set": False,
    "set_many": False,
    "touch": False,
    "pop": None,
    "remove": None,
    "remove_many": None,
    "keys": [],
    "page": ([], None),
}
"""What the methods give whose failure may be ignored."""

__all__ = ["dead_port"]

IN_THE_SERVERS_PLACE = {
    "no such protocol": b"SSH-2.0-OpenSSH\r\n",
    "bad request": b"HTTP/1.0 400 Bad request\r\nContent-Type: text/html\r\n\r\n<html>",
    "bad gateway": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
}
"""What a load balancer sends that has no server."""

WAYS = ["blocking", "asyncio"]
each_way = pytest.mark.parametrize("way", WAYS)
each_method = pytest.mark.parametrize("method", ARGUMENTS)


def call(store: Store, method: str, way: str = "blocking") -> Any:
    """Call a method of a store, or its twin on an event loop."""
    return ask(store, method, ARGUMENTS[method], way)


def ask(target: Any, method: str, arguments: tuple[Any, ...], way: str) -> Any:
    """Call a method with other arguments."""
    if way == "blocking":
        return getattr(target, method)(*arguments)
    return asyncio.run(getattr(target, "a" + method)(*arguments))


def check(store: Store, method: str, way: str, error: type[Exception]) -> None:
    """Check that a method gives its neutral value, of its very type, or raises."""
    if method in GIVES:
        given = call(store, method, way)
        assert given == GIVES[method]
        assert type(given) is type(GIVES[method])
        error_of = strict(store)
    else:
        error_of = store
    with pytest.raises(error) as caught:
        call(error_of, method, way)
    assert isinstance(caught.value, TransportError)


def watched(
    port: int, clock: Clock, *, ignore: bool, threshold: int = 3, **options: Any
) -> TolerantStore:
    """Return a store whose breaker goes by a clock of the test, and resets after 5 seconds."""
    inner = KyotoStore(PoolConfig(port=port, **own(**options)))
    return TolerantStore(inner, Guard("server:1", threshold, 5, clock=clock), ignore=ignore)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fault_proxy(any_server: EmbeddedServer, kt):
    """A proxy that breaks connections, before an empty database."""
    with FaultProxy(any_server.port, any_server.host) as proxy:
        yield proxy


class TestTable:
    def test_every_method_is_decided(self):
        """Each method of a store either has a neutral value or never has its error ignored."""
        methods = {
            name
            for name, member in vars(Store).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }
        blocking = {name for name in methods if not inspect.iscoroutinefunction(vars(Store)[name])}
        assert methods == blocking | {"a" + name for name in blocking}
        assert blocking == NEUTRAL.keys() | NEVER_IGNORED == ARGUMENTS.keys()
        assert not NEUTRAL.keys() & NEVER_IGNORED
        assert GIVES.keys() == NEUTRAL.keys()

    def test_signatures(self):
        """The wrapper's methods take what those of a store take."""
        for name in [*ARGUMENTS, *("a" + name for name in ARGUMENTS)]:
            of_store, own = (
                inspect.signature(getattr(cls, name)) for cls in (Store, TolerantStore)
            )
            assert own == of_store

    def test_values_are_not_shared(self, dead_port):
        """A caller may change what it was given; the next one gets a fresh one."""
        store = open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True))
        store.get_many([b"k"])[b"k"] = b"planted"
        store.keys(b"").append(b"planted")
        assert store.get_many([b"k"]) == {}
        assert store.keys(b"") == []

    @each_way
    @each_method
    def test_server_gone(self, dead_port, method, way):
        """At a port where nobody listens."""
        store = open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True, breaker_threshold=0))
        check(store, method, way, ConnectError)

    @each_way
    @each_method
    def test_server_stalled(self, included_server, method, way):
        """When the server takes the request and does not answer."""
        options = own(ignore_errors=True, breaker_threshold=0, read_timeout=0.05)
        with FaultProxy(included_server.port, included_server.host) as proxy:
            store = open_store(f"127.0.0.1:{proxy.port}", options)
            proxy.stall()
            check(store, method, way, ReadTimeout)

    @each_way
    @each_method
    def test_breaker_open(self, dead_port, method, way):
        """While the circuit breaker is open: the same values and errors, without a connection."""
        options = own(ignore_errors=True, breaker_threshold=1, breaker_reset=300)
        store = open_store(f"127.0.0.1:{dead_port}", options)
        store.get(b"k")
        asked = get_pool(store.config).stats
        check(store, method, way, CircuitOpen)
        assert get_pool(store.config).stats == asked

    @each_way
    @each_method
    def test_server_well(self, any_server, kt, method, way):
        """On a server that is well, each method answers as without the options."""
        place = f"{any_server.host}:{any_server.port}"
        tolerant = open_store(place, own(ignore_errors=True))
        plain = open_store(place)
        answers = []
        for store in (plain, tolerant):
            kt.clear()
            plain.set(b"k", b"1", None)
            answers.append((call(store, method, way), plain.get(b"k"), plain.keys(b"")))
        assert answers[0] == answers[1]


class TestWhatIsIgnored:
    def test_nothing_by_default(self, dead_port):
        """Without options the store is the engine's own, and its errors raise."""
        store = open_store(f"127.0.0.1:{dead_port}")
        assert type(store) is KyotoStore
        with pytest.raises(ConnectError):
            store.get(b"k")

    @each_way
    def test_an_answer_is_an_answer(self, any_server, kt, way):
        """What the server refuses, and a value that is no counter, raise as ever."""
        store = open_store(f"kt://{any_server.host}:{any_server.port}/7", own(ignore_errors=True))
        with pytest.raises(NoSuchDatabase):
            call(store, "set_many", way)
        store = open_store(f"{any_server.host}:{any_server.port}", own(ignore_errors=True))
        store.set(b"k", b"no number", 60)
        with pytest.raises(DecodeError):
            call(store, "incr", way)

    @each_way
    @each_method
    @pytest.mark.parametrize("said", IN_THE_SERVERS_PLACE.values(), ids=list(IN_THE_SERVERS_PLACE))
    def test_something_else_answers(self, said, method, way):
        """What answers in the server's place, as a load balancer does, is a server that is gone."""

        def answer(peer):
            for _ in peer.requests():
                peer.send(said)
                return

        with ScriptedServer(answer) as server:
            options = own(ignore_errors=True, breaker_threshold=2, breaker_reset=300)
            store = open_store(f"127.0.0.1:{server.port}", options)
            for _ in range(3):
                if method in GIVES:
                    assert call(store, method, way) == GIVES[method]
                    continue
                with pytest.raises(KTError):
                    call(store, method, way)
            with pytest.raises(CircuitOpen):
                strict(store).get(b"k")
            assert ask(Cache(store, Codec()), "get_or_set", ("k", "made", 60), way) == "made"

    def test_cancelling_is_not_ignored(self):
        """A cancelled task ends, although its call would have been ignored."""
        with ScriptedServer(Peer.await_end) as server:
            store = open_store(f"127.0.0.1:{server.port}", own(ignore_errors=True))

            async def cancel() -> None:
                task = asyncio.ensure_future(store.aget(b"k"))
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            run_on("asyncio", cancel())
            assert store._guard.breaker.failures == 0

    @each_way
    @pytest.mark.parametrize(
        ("operation", "arguments", "gives"),
        [
            ("get", ("k", "default"), "default"),
            ("get_many", (["k", "l"],), {}),
            ("has", ("k",), False),
            ("set", ("k", "v", 60), False),
            ("set", ("k", "v", 0), False),
            ("set_many", ({"k": "v"}, None), False),
            ("touch", ("k", 60), False),
            ("touch", ("k", -1), False),
            ("delete", ("k",), False),
            ("delete_many", (["k"],), 0),
            ("add", ("k", "v", 60), None),
            ("add", ("k", "v", 0), None),
            ("incr", ("k", 1), None),
            ("count", ("k", 1, 60), None),
            ("clear", (), None),
            ("flush", (), None),
            ("delete_pattern", ("*",), None),
            ("delete_prefix", ("k",), None),
            ("delete_tag", ("t",), None),
            ("delete_tags", (["t", "u"],), None),
        ],
    )
    def test_calls_of_the_cache(self, dead_port, operation, arguments, gives, way):
        """Reads miss and writes do nothing; what the caller goes by raises, clear() among it."""
        store = open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True))
        cache = Cache(store, Codec())
        if gives is None:
            with pytest.raises(TransportError):
                ask(cache, operation, arguments, way)
        else:
            assert ask(cache, operation, arguments, way) == gives


class TestBreaker:
    @each_way
    def test_gone_and_back(self, fault_proxy, clock, way):
        """A server that fails three times is left alone, then tried by one call, then used."""
        store = watched(fault_proxy.port, clock, ignore=True)
        call(store, "set", way)
        fault_proxy.reset()
        for _ in range(3):
            assert call(store, "get", way) is None
        received = fault_proxy.received
        for method, gives in GIVES.items():
            assert call(store, method, way) == gives
        assert fault_proxy.received == received
        clock.now += 5
        assert call(store, "get", way) is None  # the probe, in vain
        assert fault_proxy.received > received
        fault_proxy.restore()
        assert call(store, "get", way) is None
        clock.now += 5
        assert call(store, "get", way) == b"v"
        assert call(store, "remove_many", way) == 1

    @each_way
    def test_without_ignoring(self, dead_port, clock, way):
        """Errors that are not ignored tell of the server's failures first, of the breaker then."""
        store = watched(dead_port, clock, ignore=False)
        for _ in range(3):
            with pytest.raises(ConnectError):
                call(store, "get", way)
        with pytest.raises(CircuitOpen, match="calls in a row: 3") as caught:
            call(store, "get", way)
        assert (caught.value.host, caught.value.command) == ("server:1", "get")
        assert caught.value.retry_after == 5
        assert "b'k'" not in str(caught.value)

    def test_a_busy_pool_is_no_verdict(self, any_server, clock):
        """Calls that found all connections in use say nothing about the server."""
        config = PoolConfig(port=any_server.port, max_size=1, call_timeout=0.5, **own())
        store = TolerantStore(KyotoStore(config), Guard("server:1", 1, 5, clock=clock), ignore=True)
        connection = get_pool(config).acquire(time.monotonic() + 10, time.monotonic())
        with pytest.raises(PoolTimeout):
            store.strict.get(b"k")
        assert store.get(b"k") is None
        get_pool(config).release(connection)
        assert store.keys(b"never used") == []
        assert store._guard.breaker.closed

    def test_a_refusal_of_the_server_is_an_answer(self, any_server, clock):
        """A server that refuses a call is there: the breaker closes."""
        inner = KyotoStore(PoolConfig(port=any_server.port, **own()), db=7)
        guard = Guard("server:1", 1, 5, clock=clock)
        store = TolerantStore(inner, guard, ignore=True)
        guard.breaker.failed(guard.breaker.ticket)
        clock.now += 5
        with pytest.raises(NoSuchDatabase):
            store.set_many({b"k": b"v"}, 60)
        assert guard.breaker.closed

    def test_a_value_that_is_no_counter_is_an_answer(self, any_server, kt, clock):
        """So is a reply that cannot be used: the server did its part."""
        store = watched(any_server.port, clock, ignore=True, threshold=1)
        store.set(b"k", b"no number", 60)
        breaker = store._guard.breaker
        breaker.failed(breaker.ticket)
        clock.now += 5
        with pytest.raises(DecodeError):
            store.incr(b"k", 1)
        assert breaker.closed

    @each_way
    def test_nothing_sent_is_no_answer(self, dead_port, clock, way):
        """Calls for no keys at all are answered without the server and tell nothing of it."""
        store = watched(dead_port, clock, ignore=True, threshold=2)
        assert call(store, "get", way) is None
        for method, nothing in [("get_many", []), ("set_many", {}), ("remove_many", [])]:
            ask(store, method, (nothing, 60) if method == "set_many" else (nothing,), way)
        assert call(store, "get", way) is None
        assert not store._guard.breaker.closed

    def test_cancelled_probe(self, clock):
        """When the probe's task is cancelled, the next call is the probe."""
        with ScriptedServer(Peer.await_end) as server:
            store = watched(server.port, clock, ignore=False, threshold=1, read_timeout=0.1)

            async def main() -> None:
                with pytest.raises(ReadTimeout):
                    await store.aget(b"k")
                clock.now += 5
                probe = asyncio.ensure_future(store.aget(b"k"))
                await asyncio.sleep(0)
                with pytest.raises(CircuitOpen):
                    await store.aget(b"k")
                probe.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await probe
                with pytest.raises(ReadTimeout):
                    await store.aget(b"k")

            run_on("asyncio", main())

    def test_threads_and_loops_share_it(self, dead_port):
        """What threads found out holds for every event loop, and the other way round."""
        location = f"127.0.0.1:{dead_port}"
        options = own(breaker_threshold=4, breaker_reset=300)
        for way in ("blocking", "asyncio", "asyncio", "blocking"):
            with pytest.raises(ConnectError):
                call(open_store(location, options), "get", way)
        for way in WAYS:
            with pytest.raises(CircuitOpen):
                call(open_store(location, options), "get", way)

    def test_one_probe_of_many_threads(self, fault_proxy, clock):
        """Of 16 threads that call when it is time, one asks the server."""
        store = watched(fault_proxy.port, clock, ignore=True, threshold=1, read_timeout=0.3)
        fault_proxy.stall()
        store.get(b"k")
        connections = fault_proxy.connections
        clock.now += 5
        assert run_threads(16, lambda _: store.get(b"k")) == [None] * 16
        until(lambda: fault_proxy.connections > connections, "the probe")
        assert fault_proxy.connections - connections == 1


AROUND_A_FORK = """
import logging, os, signal, sys, threading
from kt_cache.cache import guard, open_store
from kt_cache.errors import TransportError

logging.disable()
options = {"breaker_threshold": 1, "breaker_reset": 300}
store = open_store(f"127.0.0.1:{sys.argv[1]}", options)

def outcome():
    try:
        open_store(f"127.0.0.1:{sys.argv[1]}", options).get(b"k")
    except TransportError as error:
        return type(error).__name__

def hold(held, forked):
    of_this = store._guard
    with guard._lock, of_this.breaker._lock, of_this.log_limit._lock:
        held.set()
        forked.wait(30)

outcome()
held, forked = threading.Event(), threading.Event()
holder = threading.Thread(target=hold, args=(held, forked))
holder.start()
held.wait(30)
child = os.fork()
if not child:
    signal.alarm(20)  # a child that hangs ends
    guard.get_guard(store.config, 7, 7)
    os.write(1, f"{outcome()}\\n".encode())
    os._exit(0)
forked.set()
holder.join()
_, status = os.waitpid(child, 0)
assert status == 0, status
print(outcome())
"""


class TestSharing:
    def test_one_breaker_per_configuration(self):
        """Stores of equal settings share a breaker, whichever database they use; others do not."""

        def guard_of(location: str, **options: Any) -> Guard:
            store = open_store(location, {"breaker_threshold": 3, **options})
            assert isinstance(store, TolerantStore)
            return store._guard

        one = guard_of("127.0.0.1:1979/0")
        assert guard_of("kt://127.0.0.1:1979/5", breaker_reset=5) is one
        assert guard_of("127.0.0.1:1979", ignore_errors=True) is one
        assert guard_of("127.0.0.1:1980") is not one
        assert guard_of("127.0.0.1:1979", read_timeout=1) is not one
        assert guard_of("127.0.0.1:1979", breaker_threshold=4) is not one
        assert guard_of("127.0.0.1:1979", breaker_reset=6) is not one

    def test_threads_get_the_same(self):
        """Threads that ask for the first time at once get the same guard."""
        config = PoolConfig(port=1979, **own())
        assert len({id(guard) for guard in run_threads(16, lambda _: get_guard(config, 3, 5))}) == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_child_process_begins_anew(self, dead_port):
        """After a fork the child asks the server itself, whatever other threads held just then."""
        printed = run_program(AROUND_A_FORK, dead_port, ignore="This process:DeprecationWarning")
        assert printed == "ConnectError\nCircuitOpen\n"


class TestTime:
    def test_a_dead_server_costs_its_timeout_a_few_times(self):
        """With a server that never answers, three calls wait; all others of a request do not."""
        with ScriptedServer(Peer.await_end) as server:
            options = own(ignore_errors=True, read_timeout=0.1)
            cache = Cache(open_store(f"127.0.0.1:{server.port}", options), Codec())
            start = time.monotonic()
            for number in range(1000):
                assert cache.get(f"key-{number}") is None
                assert cache.get_many([f"key-{number}"]) == {}
                assert cache.set(f"key-{number}", "v", 60) is False
            assert 0.3 <= time.monotonic() - start < 3

    @each_way
    def test_an_open_breaker_answers_at_once(self, dead_port, way):
        """While it is open a call takes far less than a millisecond."""
        options = own(ignore_errors=True, breaker_threshold=1, breaker_reset=300)
        store = open_store(f"127.0.0.1:{dead_port}", options)
        store.get(b"k")

        async def many() -> None:
            for _ in range(200):
                assert await store.aget(b"k") is None

        def fastest(work: Callable[[], Any]) -> float:
            times = []
            for _ in range(5):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            return min(times)

        if way == "blocking":
            spent = fastest(lambda: [store.get(b"k") for _ in range(200)])
        else:
            spent = fastest(lambda: asyncio.run(many()))
        assert spent < 200 * 0.001

    def test_every_call_ends_by_its_deadline(self):
        """The server stalls for good: calls of 8 threads end within the time of one call."""
        longest = []

        def work(store: Store) -> None:
            for _ in range(20):
                start = time.monotonic()
                assert store.get(b"k") is None
                longest.append(time.monotonic() - start)

        with ScriptedServer(Peer.await_end) as server:
            options = own(ignore_errors=True, read_timeout=0.3, call_timeout=0.6, max_size=2)
            store = open_store(f"127.0.0.1:{server.port}", options)
            run_threads(8, lambda _: work(store))
        assert max(longest) < 0.6 + 1.0

    def test_every_task_ends_by_its_deadline(self):
        """Likewise 100 tasks on one event loop, with two connections between them."""

        async def main(store: Store) -> float:
            start = time.monotonic()
            for _ in range(3):
                answers = await asyncio.gather(*(store.aget(b"k") for _ in range(100)))
                assert answers == [None] * 100
            return time.monotonic() - start

        with ScriptedServer(Peer.await_end) as server:
            options = own(ignore_errors=True, read_timeout=0.3, call_timeout=0.6, max_size=2)
            store = open_store(f"127.0.0.1:{server.port}", options)
            assert run_on("asyncio", main(store)) < 0.6 + 1.5


class TestLog:
    def test_one_line_for_many(self, dead_port, caplog, clock):
        """A hundred ignored errors of one kind make one line, and the next one counts them."""
        store = watched(dead_port, clock, ignore=True, threshold=0)
        with caplog.at_level(logging.INFO, "kt_cache.cache"):
            for _ in range(50):
                store.get(b"secret-key")
                store.set(b"secret-key", b"secret-value", 60)
            clock.now += 30
            store.touch(b"secret-key", 60)
        first, second = [record.getMessage() for record in caplog.records]
        assert first.startswith("ignored: ConnectError of get on server:1: ")
        assert "more" not in first
        assert second.startswith("ignored: ConnectError of touch on server:1: ")
        assert second.endswith("; 99 more since the last line like this")
        assert "secret" not in caplog.text

    def test_kinds_and_states(self, caplog, clock, any_server, kt):
        """Each kind of error has its line, and so have opening and closing."""
        with FaultProxy(any_server.port, any_server.host) as proxy:
            store = watched(proxy.port, clock, ignore=True, threshold=2)
            with caplog.at_level(logging.INFO, "kt_cache.cache"):
                proxy.cut()
                for _ in range(5):
                    store.get(b"k")
                proxy.restore()
                clock.now += 5
                store.get(b"k")
                store.get(b"k")
        lines = [
            f"{record.levelname} {record.getMessage()}"
            for record in caplog.records
            if record.name == "kt_cache.cache"
        ]
        failed, opened, refused, closed = lines
        assert failed.startswith("WARNING ignored: ConnectionClosed of get on server:1: ")
        assert opened == (
            "WARNING server:1 fails (calls in a row: 2); no more are sent, but for one every 5 s"
        )
        assert refused == (
            "WARNING ignored: CircuitOpen of get on server:1: not sent: the server fails (calls in "
            "a row: 2); it is tried again within 5.0 s"
        )
        assert closed == "INFO server:1 answers again; calls are sent as usual"

    def test_a_handler_that_uses_the_cache(self, dead_port, clock):
        """A log handler may use the very cache whose failure it is told."""
        store = watched(dead_port, clock, ignore=True)
        told = []

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                told.append(store.get(b"k"))

        logger, handler = logging.getLogger("kt_cache.cache"), Handler()
        logger.addHandler(handler)
        try:
            for _ in range(10):
                store.get(b"k")
        finally:
            logger.removeHandler(handler)
        assert told == [None] * 3  # a failure, the opening, a refusal


class TestRestart:
    def test_used_again_after_a_restart(self, tmp_path):
        """The server is stopped for good, calls go on; started again, it is used again."""
        database = str(tmp_path / "records.sqlite")
        with EmbeddedServer("included", database=database, quiet=True) as server:
            options = own(ignore_errors=True, breaker_reset=0.2)
            store = open_store(f"{server.host}:{server.port}", options)
            assert store.set(b"k", b"v", 600) is None
            assert store.get(b"k") == b"v"
            server.stop()
            for method, gives in GIVES.items():
                assert call(store, method) == gives
            server.run()
            until(lambda: store.get(b"k") == b"v", "the server is used again")
            assert store.set(b"k", b"w", 600) is None


class TestPolicy:
    @pytest.mark.parametrize(
        ("options", "threshold", "reset"),
        [
            ({}, 0, 5.0),
            ({"ignore_errors": True}, 3, 5.0),
            ({"breaker_threshold": 10}, 10, 5.0),
            ({"breaker_reset": 1}, 3, 1),
            ({"ignore_errors": True, "breaker_threshold": 0}, 0, 5.0),
        ],
    )
    def test_when_there_is_a_breaker(self, options, threshold, reset):
        """There is one if errors are ignored or it is spoken of, unless its threshold is 0."""
        policy = FailurePolicy(**options)
        assert (policy.threshold, policy.reset) == (threshold, reset)
        needs_one = bool(threshold or policy.ignore_errors)
        assert isinstance(open_store("127.0.0.1:9", options), TolerantStore) == needs_one

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("ignore_errors", "yes"),
            ("ignore_errors", 1),
            ("ignore_errors", None),
            ("breaker_threshold", -1),
            ("breaker_threshold", 2.5),
            ("breaker_threshold", True),
            ("breaker_threshold", "3"),
            ("breaker_reset", 0),
            ("breaker_reset", "5"),
            ("breaker_reset", float("inf")),
        ],
    )
    def test_wrong_values(self, option, value):
        """A value that makes no sense is refused at the start; the message names the option."""
        with pytest.raises(ConfigError, match=f"^{option} must be "):
            open_store("127.0.0.1:9", {option: value})

    def test_the_client_is_the_server_s(self, any_server, kt):
        """The direct client of a guarded store is that of the store within."""
        store = open_store(f"{any_server.host}:{any_server.port}", own(ignore_errors=True))
        store.set(b"k", b"1", 60)
        assert store.client.get_bytes(b"k") is not None
        assert store.config.port == any_server.port
