"""What an observer is told of each call of a store, and what it cannot do to it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.cache import Cache, CallEvent, Codec, Store, observed, open_store, store_of, strict
from kt_cache.cache.call_events import READINGS
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.log_limit import LogLimit
from kt_cache.cache.observed import observe
from kt_cache.cache.tolerant import NEUTRAL, NEVER_IGNORED
from kt_cache.errors import CircuitOpen, ConfigError, ConnectError, DecodeError, ReadTimeout
from kt_cache.sessions import SessionStore
from kt_cache.testing import FaultProxy
from tests.support.aio import run_on
from tests.support.clocks import Clock
from tests.support.failing import dead_port, own
from tests.support.peers import Peer, ScriptedServer
from tests.support.threads import run_threads

__all__ = ["dead_port"]

each_way = pytest.mark.parametrize("way", ["blocking", "asyncio"])

STORED = {b"k": b"value", b"n": b"17"}

CASES: dict[str, tuple[str, tuple[Any, ...], tuple[str, int, int, int]]] = {
    "get": ("get", (b"k",), ("hit", 1, 1, 5)),
    "get nothing": ("get", (b"x",), ("miss", 1, 0, 0)),
    "get_many": ("get_many", ([b"k", b"x", b"n"],), ("hit", 3, 2, 7)),
    "get_many of nothing": ("get_many", ([b"x", b"y"],), ("miss", 2, 0, 0)),
    "get_with_ttl": ("get_with_ttl", (b"k",), ("hit", 1, 1, 5)),
    "get_with_ttl of nothing": ("get_with_ttl", (b"x",), ("miss", 1, 0, 0)),
    "get_many_with_ttl": ("get_many_with_ttl", ([b"k", b"x", b"n"],), ("hit", 3, 2, 7)),
    "get_many_with_ttl of nothing": ("get_many_with_ttl", ([b"x", b"y"],), ("miss", 2, 0, 0)),
    "set": ("set", (b"x", b"abc", 60), ("ok", 1, 0, 3)),
    "set_many": ("set_many", ({b"x": b"abc", b"y": b"d"}, 60), ("ok", 2, 0, 4)),
    "add": ("add", (b"x", b"abc", 60), ("ok", 1, 0, 3)),
    "add to another": ("add", (b"k", b"abc", 60), ("refused", 1, 0, 0)),
    "replace": ("replace", (b"k", b"abc", 60), ("ok", 1, 0, 3)),
    "replace nothing": ("replace", (b"x", b"abc", 60), ("refused", 1, 0, 0)),
    "swap": ("swap", (b"k", b"value", b"abc", 60), ("ok", 1, 0, 3)),
    "swap for nothing": ("swap", (b"k", b"value", None, 60), ("ok", 1, 0, 0)),
    "swap another": ("swap", (b"k", b"other", b"abc", 60), ("refused", 1, 0, 0)),
    "get_record": ("get_record", (b"k",), ("hit", 1, 1, 5)),
    "get_record of nothing": ("get_record", (b"x",), ("miss", 1, 0, 0)),
    "swap_record": ("swap_record", (b"x", None, b"abc", 60), ("ok", 1, 0, 3)),
    "swap_record of another": ("swap_record", (b"k", b"token", b"abc", 60), ("refused", 1, 0, 0)),
    "touch": ("touch", (b"k", 60), ("hit", 1, 1, 0)),
    "touch nothing": ("touch", (b"x", 60), ("miss", 1, 0, 0)),
    "incr": ("incr", (b"n", 1), ("hit", 1, 1, 0)),
    "incr to zero": ("incr", (b"n", -17), ("hit", 1, 1, 0)),
    "incr nothing": ("incr", (b"x", 1), ("miss", 1, 0, 0)),
    "pop": ("pop", (b"k",), ("hit", 1, 1, 5)),
    "pop nothing": ("pop", (b"x",), ("miss", 1, 0, 0)),
    "remove": ("remove", (b"k",), ("hit", 1, 1, 0)),
    "remove nothing": ("remove", (b"x",), ("miss", 1, 0, 0)),
    "remove_many": ("remove_many", ([b"k", b"x", b"n"],), ("hit", 3, 2, 0)),
    "remove_many of nothing": ("remove_many", ([b"x", b"y"],), ("miss", 2, 0, 0)),
    "keys": ("keys", (b"",), ("ok", 0, 2, 0)),
    "page": ("page", (b"", None, 10), ("ok", 0, 2, 0)),
    "flush": ("flush", (), ("ok", 0, 0, 0)),
}
"""A call -> its outcome, keys, hits and bytes where STORED is on the server."""

ONE_OF_EACH = {method: arguments for method, arguments, _ in CASES.values()}


def call(store: Any, method: str, arguments: tuple[Any, ...], way: str, **options: Any) -> Any:
    """Call a method, or its twin on an event loop."""
    if way == "blocking":
        return getattr(store, method)(*arguments, **options)
    return asyncio.run(getattr(store, "a" + method)(*arguments, **options))


class Events(list[CallEvent]):
    """An observer that keeps what it is told."""

    def __call__(self, event: CallEvent) -> None:
        self.append(event)

    def take(self) -> list[tuple[str, str]]:
        """Return operations and outcomes up to now, and forget them."""
        told = [(event.operation, event.outcome) for event in self]
        self.clear()
        return told


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def location(any_server, kt) -> str:
    """Where an empty database is."""
    return f"{any_server.host}:{any_server.port}"


@pytest.fixture
def store(location, events) -> Store:
    """An observed store on that database."""
    return open_store(location, {"observer": events})


class TestEvents:
    def test_every_method_is_told_of(self):
        """Whatever a store can do has a meaning for the observer, and a case here."""
        methods = {
            name
            for name, member in vars(Store).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }
        blocking = {name for name in methods if not inspect.iscoroutinefunction(vars(Store)[name])}
        assert READINGS.keys() == blocking == ONE_OF_EACH.keys()

    @each_way
    @pytest.mark.parametrize("case", CASES)
    def test_calls(self, store, events, kt, case, way):
        """Each call is one event, which says what came of it; the call's result is as ever."""
        method, arguments, told = CASES[case]
        plain = KyotoStore(store.config)
        plain.set_many(STORED, 600)
        result = call(store, method, arguments, way)
        kt.clear()
        plain.set_many(STORED, 600)
        expected = call(plain, method, arguments, way)
        if method in {"get_with_ttl", "get_record"} and expected:
            assert result[0] == expected[0]
            assert 590 < result[-1] <= 600
        elif method == "swap_record":
            assert type(result) is type(expected)
        elif method == "get_many_with_ttl":
            assert {key: payload for key, (payload, _) in result.items()} == {
                key: payload for key, (payload, _) in expected.items()
            }
        else:
            assert result == expected
        (event,) = events
        assert (event.outcome, event.keys, event.hits, event.bytes) == told
        assert (event.operation, event.kind, event.error) == (method, "value", None)
        assert 0 < event.seconds < 10
        assert event.misses == (event.keys - event.hits if told[0] in {"hit", "miss"} else 0)

    @each_way
    def test_nothing_asked_for(self, store, events, way):
        """Calls for no keys at all are not sent, and not told of."""
        assert call(store, "get_many", ([],), way) == {}
        assert call(store, "set_many", ({}, 60), way) is None
        assert call(store, "remove_many", ([],), way) == 0
        assert events == []

    def test_no_keys_and_no_values(self, store, events):
        """What somebody keeps, logs or exports of an event names no record and no content."""
        store.set(b"secret-key", b"secret-value", 60)
        store.get_many([b"secret-key", b"secret-other"])
        store.keys(b"secret")
        assert len(events) == 3
        assert "secret" not in repr(events)

    @each_way
    def test_kinds(self, store, events, way):
        """Records beside values are told apart from them, so that they spoil no hit rate."""
        cache = Cache(store, Codec())
        call(cache, "set", ("k", "v", 60), way)
        assert {event.kind for event in events} == {"value"}
        events.clear()
        cache.set("tagged", "v", 60, tags=["tag"])
        cache.get("tagged")
        assert Counter(event.kind for event in events)["tag"] >= 2
        assert [event.outcome for event in events if event.operation == "get"] == ["hit"]
        events.clear()
        for expected in ("hit", "miss"):
            call(cache, "get_or_set", ("tagged", "v", 60), way, tags=["tag", "other"])
            event = events[0]
            assert (event.kind, event.outcome) == ("value", expected)
            assert (event.keys, event.hits) == (1, int(expected == "hit"))
            cache.delete("tagged")
            events.clear()
        lock = cache.lock("name", timeout=5)
        assert lock.acquire()
        lock.release()
        assert {event.kind for event in events} == {"lock"}
        events.clear()
        cache.get_or_set("made", lambda: "v", 60, lock=True)
        assert {event.kind for event in events} == {"value", "leader"}
        events.clear()
        SessionStore(store, Codec("json")).load("a" * 32)
        assert [(event.operation, event.kind, event.outcome) for event in events] == [
            ("get_record", "session", "miss")
        ]
        events.clear()
        store.keys(b"kt-session-")
        store.keys(b"kt-something-of-the-sites-own")
        assert [event.kind for event in events] == ["session", "value"]

    def test_threads(self, store):
        """Calls of many threads are told of in these, each once."""
        told: Counter[int] = Counter()

        def count(event: CallEvent) -> None:
            told[threading.get_ident()] += 1  # nobody else has this thread's number

        watched = observe(KyotoStore(store.config), count)
        barrier = threading.Barrier(8)

        def work(_: int) -> int:
            barrier.wait(30)
            for _ in range(50):
                watched.get(b"k")
            return told[threading.get_ident()]

        assert run_threads(8, work) == [50] * 8

    def test_tasks(self, store, events):
        """A hundred tasks on one event loop make a hundred events, with times of their own."""

        async def main() -> None:
            await asyncio.gather(*(store.aget(b"k") for _ in range(100)))

        run_on("asyncio", main())
        assert events.take() == [("get", "miss")] * 100


class TestFailures:
    @each_way
    @pytest.mark.parametrize("method", ONE_OF_EACH)
    def test_raised(self, dead_port, events, method, way):
        """An error is told of and raised."""
        store = open_store(f"127.0.0.1:{dead_port}", {"observer": events})
        with pytest.raises(ConnectError) as caught:
            call(store, method, ONE_OF_EACH[method], way)
        (event,) = events
        assert (event.operation, event.outcome, event.error) == (method, "error", caught.value)
        assert (event.hits, event.bytes, event.misses) == (0, 0, 0)

    @each_way
    @pytest.mark.parametrize("method", ONE_OF_EACH)
    def test_ignored(self, dead_port, events, method, way):
        """An ignored one is told of as such, and the call gives what it gives unobserved."""
        options = own(ignore_errors=True, breaker_threshold=0)
        plain = open_store(f"127.0.0.1:{dead_port}", options)
        store = open_store(f"127.0.0.1:{dead_port}", {**options, "observer": events})
        if method in NEVER_IGNORED:
            with pytest.raises(ConnectError):
                call(store, method, ONE_OF_EACH[method], way)
            assert events.take() == [(method, "error")]
            return
        given = call(store, method, ONE_OF_EACH[method], way)
        expected = call(plain, method, ONE_OF_EACH[method], way)
        assert given == expected == NEUTRAL[method]()
        assert type(given) is type(expected)
        (event,) = events
        assert event.outcome == "ignored"
        assert isinstance(event.error, ConnectError)
        assert (event.hits, event.bytes, event.misses) == (0, 0, 0)

    @each_way
    @pytest.mark.parametrize("ignore", [True, False])
    def test_breaker_open(self, dead_port, events, ignore, way):
        """What the circuit breaker keeps back is told of as skipped, whatever its caller gets."""
        options = own(ignore_errors=ignore, breaker_threshold=2, breaker_reset=300)
        store = open_store(f"127.0.0.1:{dead_port}", {**options, "observer": events})
        for _ in range(2):
            with pytest.raises(ConnectError):
                call(strict(store), "get", (b"k",), way)
        if ignore:
            assert call(store, "get", (b"k",), way) is None
        else:
            with pytest.raises(CircuitOpen):
                call(store, "get", (b"k",), way)
        with pytest.raises(CircuitOpen):
            call(store, "add", (b"k", b"v", 60), way)
        assert events.take() == [
            ("get", "error"),
            ("get", "error"),
            ("get", "skipped"),
            ("add", "skipped"),
        ]

    @each_way
    def test_nobody_to_tell(self, dead_port, events, way):
        """While its observer wants to hear nothing a store does as without, failures included."""
        events.listens = lambda: False
        options = own(ignore_errors=True, breaker_threshold=2, breaker_reset=300, observer=events)
        store = open_store(f"127.0.0.1:{dead_port}", options)
        assert call(store, "get", (b"k",), way) is None
        with pytest.raises(ConnectError):
            call(store, "add", (b"k", b"v", 60), way)
        with pytest.raises(CircuitOpen):
            call(strict(store), "get", (b"k",), way)
        assert events == []
        events.listens = lambda: True
        assert open_store(f"127.0.0.1:{dead_port}", options).get(b"k") is None
        assert events.take() == [("get", "skipped")]

    def test_the_breaker_is_shared(self, dead_port, events):
        """An observed store and others of equal options know the same of the server."""
        options = own(breaker_threshold=1, breaker_reset=300)
        with pytest.raises(ConnectError):
            open_store(f"127.0.0.1:{dead_port}", options).get(b"k")
        with pytest.raises(CircuitOpen):
            open_store(f"127.0.0.1:{dead_port}", {**options, "observer": events}).get(b"k")

    @each_way
    def test_seconds(self, included_server, events, way):
        """The time of a call that waits in vain is what it waited."""
        with FaultProxy(included_server.port, included_server.host) as proxy:
            options = own(read_timeout=0.2, observer=events)
            store = open_store(f"127.0.0.1:{proxy.port}", options)
            proxy.stall()
            with pytest.raises(ReadTimeout):
                call(store, "incr", (b"k", 1), way)
        assert 0.2 <= events[0].seconds < 5

    @each_way
    def test_an_answer_is_not_ignored(self, store, events, way, location):
        """A value that is no counter is an error, also where failures are ignored."""
        options = own(ignore_errors=True, observer=events)
        for each in (store, open_store(location, options)):
            each.set(b"k", b"no number", 60)
            with pytest.raises(DecodeError):
                call(each, "incr", (b"k", 1), way)
        assert events.take() == [("set", "ok"), ("incr", "error")] * 2

    def test_cancelled(self, events):
        """A cancelled task's call is no error of the server's."""
        with ScriptedServer(Peer.await_end) as server:
            options = own(ignore_errors=True, observer=events)
            store = open_store(f"127.0.0.1:{server.port}", options)

            async def main() -> None:
                task = asyncio.ensure_future(store.aget(b"k"))
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            run_on("asyncio", main())
        assert events.take() == [("get", "cancelled")]

    def test_logged_once(self, dead_port, events, caplog):
        """An ignored error makes its one line in the log, with an observer and without."""
        options = own(ignore_errors=True, observer=events)
        store = open_store(f"127.0.0.1:{dead_port}", options)
        with caplog.at_level(logging.INFO, "kt_cache.cache"):
            store.get(b"k")
        (record,) = caplog.records
        assert record.getMessage().startswith("ignored: ConnectError of get on ")


class TestStacking:
    def test_off(self, location):
        """Without an observer there is nothing around a store."""
        assert type(open_store(location)) is KyotoStore
        assert type(open_store(location, {"observer": None})) is KyotoStore

    def test_strict(self, dead_port, events):
        """Who must know of failures is told of them, and so is the observer."""
        place = f"127.0.0.1:{dead_port}"
        lenient = open_store(place, own(ignore_errors=True, observer=events))
        careful = strict(lenient)
        assert careful is not lenient
        assert strict(careful) is careful
        with pytest.raises(ConnectError):
            careful.get(b"k")
        assert events.take() == [("get", "error")]
        raising = open_store(place, own(breaker_threshold=9, observer=events))
        assert strict(raising) is raising

    @each_way
    def test_calls_of_the_cache(self, dead_port, events, way):
        """A cache on it does what it does without: computes, misses, or raises."""
        options = own(ignore_errors=True, breaker_threshold=0, observer=events)
        cache = Cache(open_store(f"127.0.0.1:{dead_port}", options), Codec())
        assert call(cache, "get_or_set", ("k", lambda: "computed", 60), way) == "computed"
        assert events.take() == [("get", "ignored"), ("add", "error")]
        assert call(cache, "set", ("k", "v", 60), way) is False
        assert events.take() == [("set", "ignored")]
        for method, arguments, told in [
            ("add", ("k", "v", 0), "get"),
            ("clear", (), "keys"),
            ("flush", (), "flush"),
        ]:
            with pytest.raises(ConnectError):
                call(cache, method, arguments, way)
            assert events.take() == [(told, "error")]

    def test_client(self, store, events):
        """The direct client is the store's own, and nobody is told of its calls."""
        assert store.client.set_bytes("k", b"direct")
        assert store.get(b"k") == b"direct"
        assert events.take() == [("get", "hit")]

    def test_of_a_client(self, any_server, kt, events):
        """A ready-made client's store can be observed, too."""
        client = KyotoTycoon(any_server.host, any_server.port)
        store_of(client, {"observer": events}).get(b"k")
        assert events.take() == [("get", "miss")]


class TestFailingObserver:
    @pytest.fixture
    def clock(self, monkeypatch) -> Clock:
        """The clock of the log of failing observers, which begins anew."""
        clock = Clock()
        monkeypatch.setattr(observed, "_log_limit", LogLimit(30, clock=clock))
        return clock

    @each_way
    def test_calls_go_on(self, location, clock, caplog, way):
        """Its errors have no effect on calls, and make one line with the place of the mistake."""

        def observer_with_a_mistake(event: CallEvent) -> None:
            raise KeyError(event.operation)

        store = open_store(location, {"observer": observer_with_a_mistake})
        with caplog.at_level(logging.INFO, "kt_cache.cache"):
            for _ in range(50):
                call(store, "set", (b"secret-key", b"secret-value", 60), way)
            clock.now += 30
            assert call(store, "get", (b"secret-key",), way) == b"secret-value"
        first, second = caplog.records
        assert first.levelname == "WARNING"
        assert "observer_with_a_mistake failed; calls go on without it" in first.getMessage()
        assert second.getMessage().endswith("; 49 more since the last line like this")
        assert "raise KeyError(event.operation)" in caplog.text
        assert "secret" not in caplog.text

    def test_kinds_of_failures(self, location, clock, caplog):
        """Different failures, and those of different observers, have a line each."""

        class Observer:
            error: Exception = ValueError()

            def __call__(self, event: CallEvent) -> None:
                raise self.error

        def another(event: CallEvent) -> None:
            raise ValueError

        one = Observer()
        with caplog.at_level(logging.INFO, "kt_cache.cache"):
            for error in (ValueError(), KeyError(), ValueError()):
                one.error = error
                open_store(location, {"observer": one}).get(b"k")
            open_store(location, {"observer": another}).get(b"k")
        assert len(caplog.records) == 3

    @each_way
    def test_errors_stay_what_they_are(self, dead_port, clock, way):
        """A call that fails raises its own error, not the observer's."""

        def observer(event: CallEvent) -> None:
            raise ValueError

        store = open_store(f"127.0.0.1:{dead_port}", {"observer": observer})
        with pytest.raises(ConnectError):
            call(store, "get", (b"k",), way)
        store = open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True, observer=observer))
        assert call(store, "get", (b"k",), way) is None

    def test_an_interrupt_is_not_held_back(self, location, clock):
        """Whoever stops the program while the observer runs, stops it."""

        def observer(event: CallEvent) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            open_store(location, {"observer": observer}).get(b"k")


# ---------------------------------------------------------------- the option

seen = Events()


def note(event: CallEvent) -> None:
    seen(event)


def note_for(alias: str, event: CallEvent) -> None:
    seen(event)


async def note_later(event: CallEvent) -> None:
    """Would never run."""


class Notes:
    def observe(self, event: CallEvent) -> None:
        seen(event)


class LaterNotes:
    async def __call__(self, event: CallEvent) -> None:
        """Would never run."""


def takes_nothing() -> None:
    """Cannot be told anything."""


class TestOption:
    @pytest.mark.parametrize(
        "given",
        [note, seen, Notes().observe, partial(note_for, "default"), lambda event: seen(event)],
        ids=["function", "object", "method", "partial", "lambda"],
    )
    def test_what_can_be_called(self, location, given):
        """A function, a method or an object of a class with ``__call__``."""
        seen.clear()
        open_store(location, {"observer": given}).get(b"k")
        assert seen.take() == [("get", "miss")]

    def test_of_the_language(self, location):
        """Also what does not tell how it is called."""
        told: list[CallEvent] = []
        open_store(location, {"observer": told.append}).get(b"k")
        assert told[0].operation == "get"

    def test_dotted_path(self, location):
        """Or where to import it from."""
        seen.clear()
        module = inspect.getmodule(note).__name__
        open_store(location, {"observer": f"{module}.note"}).get(b"k")
        assert seen.take() == [("get", "miss")]

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (5, "observer must be a function that takes an event, or where to import it from"),
            ([note], "observer must be a function"),
            ("tests.support", "observer must be a function"),
            (Notes, "is a class, of which every call would make an object"),
            ("collections.Counter", "'collections.Counter' is a class"),
            (note_later, "is a coroutine function; it must be a plain one"),
            (LaterNotes(), "is a coroutine function; it must be a plain one"),
            (takes_nothing, "must take one argument, the event"),
            (note_for, "must take one argument, the event"),
            ("no_such_module.observe", "observer: cannot import 'no_such_module.observe': No"),
            ("tests.support.observe", "observer: 'tests.support' has nothing named 'observe'"),
            ("observe", "observer: cannot import 'observe'"),
        ],
    )
    def test_mistakes(self, given, problem):
        """What is none is refused at once, with the reason."""
        with pytest.raises(ConfigError, match=problem):
            open_store("127.0.0.1:9", {"observer": given})
        with pytest.raises(ConfigError, match=problem):
            store_of(KyotoTycoon("127.0.0.1", 9), {"observer": given})

    def test_misspelt(self):
        """Another name is answered with this one."""
        with pytest.raises(ConfigError, match="did you mean 'observer'"):
            open_store("127.0.0.1:9", {"observers": note})
