"""Signals of hits, misses and failures."""

from __future__ import annotations

import asyncio
import logging
import time
import timeit
from contextlib import ExitStack

import pytest
from flask import session

from kt_cache.cache import CallEvent
from kt_cache.cache.observed import ObservedStore
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConnectError
from kt_cache.flask import KTCache, KTSession, KyotoTycoonCache
from kt_cache.flask.signals import SignalObserver, cache_error, cache_hit, cache_miss
from tests.flask.conftest import make_app
from tests.support.failing import dead_port, own

__all__ = ["dead_port"]


class Receiver:
    """Notes which signals came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, CallEvent]] = []
        self.senders: set[object] = set()
        self.caches: set[object] = set()

    def notes(self, name):
        def receive(sender, cache, event):
            self.senders.add(sender)
            self.caches.add(cache)
            self.events.append((name, event))

        return receive

    @property
    def told(self) -> list[tuple[str, str, int, int]]:
        """Signal, operation, hits and misses of each, in order."""
        return [(name, each.operation, each.hits, each.misses) for name, each in self.events]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture
def app(any_url):
    return make_app(KT_CACHE_URL=any_url, SECRET_KEY="s")


@pytest.fixture
def cache(app) -> KTCache:
    return KTCache(app)


@pytest.fixture
def receiver():
    """Connected to all signals of all apps."""
    found = Receiver()
    with ExitStack() as stack:
        for name, signal in (("hit", cache_hit), ("miss", cache_miss), ("error", cache_error)):
            stack.enter_context(signal.connected_to(found.notes(name)))
        yield found


class TestHitsAndMisses:
    def test_each_call(self, app, cache, receiver):
        """Looking for values tells of hits and misses, other calls of neither."""
        assert cache.get("k") is None
        cache.set("k", "v")
        cache.add("n", 1)
        cache.incr("n")
        cache.touch("k", 60)
        cache.replace("k", "w")
        receiver.events.clear()
        cache.get("k")
        cache.has("missing")
        cache.get_many("k", "n", "missing")
        cache.get_dict("missing", "none")
        cache.ttl("k")
        cache.pop("k")
        cache.delete("n")
        cache.clear()
        assert receiver.told == [
            ("hit", "get", 1, 0),
            ("miss", "get", 0, 1),
            ("hit", "get_many", 2, 1),
            ("miss", "get_many", 2, 1),
            ("miss", "get_many", 0, 2),
            ("hit", "get_with_ttl", 1, 0),
            ("hit", "pop", 1, 0),
        ]
        assert receiver.senders == {app}
        assert receiver.caches == {cache}

    def test_no_values_no_keys(self, cache, receiver):
        """Neither is in what receivers are given."""
        cache.set("a secret key", "a secret value")
        cache.get("a secret key")
        (_, event), *_ = receiver.events
        assert event.bytes > 0
        assert event.seconds > 0
        assert "secret" not in repr(event)

    def test_made_values(self, cache, receiver):
        """A value that has to be made is a miss, also where its maker has to be found first."""
        cache.get_or_set("k", lambda: "v")
        assert receiver.names == ["miss"]
        cache.get_or_set("k", lambda: "v")
        assert receiver.names == ["miss", "hit"]
        receiver.events.clear()

        async def make():
            await asyncio.sleep(0.2)
            return "v"

        async def both():
            calls = (cache.aget_or_set("other", make, lock=30) for _ in range(2))
            return await asyncio.gather(*calls)

        assert asyncio.run(both()) == ["v", "v"]
        assert set(receiver.names) == {"miss"}  # waiting for the value is no hit

    def test_decorated_views(self, app, cache, receiver):
        """A page from the cache is a hit, one that has to be made a miss."""
        app.get("/")(cache.cached(lock=None)(lambda: "page"))
        visitor = app.test_client()
        assert [visitor.get("/").text for _ in range(3)] == ["page"] * 3
        assert receiver.names == ["miss", "hit", "hit"]

    def test_one_app_of_two(self, any_url, receiver):
        """The sender tells which app it was, and who connects to one hears of that alone."""
        cache = KTCache()
        apps = [make_app(KT_CACHE_URL=any_url) for _ in range(2)]
        heard = Receiver()
        notes = heard.notes("miss")
        for app in apps:
            cache.init_app(app)
        with cache_miss.connected_to(notes, apps[1]):
            for app in apps:
                with app.app_context():
                    cache.get("k")
        assert receiver.senders == set(apps)
        assert heard.senders == {apps[1]}

    def test_other_records(self, app, cache, receiver):
        """Sessions and locks are nothing that signals are about."""
        KTSession(app)

        @app.get("/")
        def page():
            session["visits"] = session.get("visits", 0) + 1
            return str(session["visits"])

        visitor = app.test_client()
        assert [visitor.get("/").text for _ in range(2)] == ["1", "2"]
        with cache.lock("report", timeout=30) as lock:
            lock.extend()
        assert receiver.events == []

    def test_the_backend_has_none(self, any_url, receiver):
        """A backend knows no app; its observer is told."""
        assert KyotoTycoonCache(any_url).get("k") is None
        assert receiver.events == []


class TestErrors:
    def test_raised(self, dead_port, receiver):
        """A failure that is raised, whatever the call."""
        cache = KTCache(make_app(KT_CACHE_URL=f"127.0.0.1:{dead_port}"))
        for call in (cache.get, cache.delete, cache.incr):
            with pytest.raises(ConnectError):
                call("k")
        assert receiver.told == [(*each, 0, 0) for each in zip(*CALLED, strict=True)]
        assert all(isinstance(event.error, ConnectError) for _, event in receiver.events)

    def test_ignored(self, dead_port, receiver):
        """One that is ignored, or foreseen by the circuit breaker, is an error and no miss."""
        options = own(ignore_errors=True, breaker_threshold=1, breaker_reset=60)
        app = make_app(KT_CACHE_URL=f"127.0.0.1:{dead_port}", KT_CACHE_OPTIONS=options)
        cache = KTCache(app)
        assert [cache.get("k", "nothing") for _ in range(2)] == ["nothing"] * 2
        assert receiver.names == ["error", "error"]
        assert [event.outcome for _, event in receiver.events] == ["ignored", "skipped"]

    def test_locks(self, dead_port, receiver):
        """Locks are no values when they fail, either."""
        cache = KTCache(make_app(KT_CACHE_URL=f"127.0.0.1:{dead_port}"))
        with pytest.raises(ConnectError):
            cache.lock("report", timeout=30).acquire()
        assert receiver.events == []


CALLED = ("error", "error", "error"), ("get", "remove", "incr")


class TestReceivers:
    def test_nobody_listens(self, dead_port):
        """Without receivers the cache does as ever: errors are ignored, or are not."""
        for number in range(2):
            options = own(ignore_errors=True, breaker_threshold=0) if number else {}
            app = make_app(KT_CACHE_URL=f"127.0.0.1:{dead_port}", KT_CACHE_OPTIONS=options)
            cache = KTCache(app)
            if options:
                assert cache.get("k", "nothing") == "nothing"
                assert asyncio.run(cache.aget_or_set("k", "made", lock=1)) == "made"
            else:
                with pytest.raises(ConnectError):
                    cache.get("k")

    def test_the_observer_goes_on(self, any_url, receiver):
        """The site's own observer is told of everything, with and without receivers."""
        seen: list[CallEvent] = []
        options = {"observer": seen.append}
        cache = KTCache(make_app(KT_CACHE_URL=any_url, KT_CACHE_OPTIONS=options))
        cache.set("k", "v")
        cache.get("k")
        assert [event.operation for event in seen] == ["set", "get"]
        assert receiver.names == ["hit"]
        with cache_hit.muted(), cache_miss.muted(), cache_error.muted():
            cache.get("k")
        assert [event.operation for event in seen] == ["set", "get", "get"]

    def test_one_that_fails(self, any_url, caplog):
        """What a receiver raises is logged; the call and the site's observer do not notice."""
        seen: list[CallEvent] = []
        app = make_app(KT_CACHE_URL=any_url, KT_CACHE_OPTIONS={"observer": seen.append})
        cache = KTCache(app)

        odd = f"Odd{time.monotonic_ns()}"  # of nobody else: the log has not had it lately

        def fail(sender, cache, event):
            raise type(odd, (Exception,), {})

        with caplog.at_level(logging.WARNING, "kt_cache.cache"), cache_miss.connected_to(fail):
            assert cache.get("k", "nothing") == "nothing"
        assert len(seen) == 1
        assert odd in caplog.text

    def test_connected_later(self, cache):
        """Who connects is told from then on, and who disconnects is told no more."""
        receiver = Receiver()
        notes = receiver.notes("miss")
        cache.get("k")
        with cache_miss.connected_to(notes):
            cache.get("k")
        cache.get("k")
        assert receiver.names == ["miss"]


class Instant(StoreWrapper):
    """A store that answers at once."""

    def __init__(self, store):
        super().__init__(store)
        self.strict = self

    def get(self, key):
        return b"payload"


def test_no_receivers_cost_little(url):
    """What nobody wants to be told of costs a small part of what telling costs."""
    instant = Instant(KyotoTycoonCache(url).cache.store)
    observed = ObservedStore(instant, SignalObserver(make_app(), None, None))

    def seconds(store) -> float:
        return min(timeit.repeat(lambda: store.get(b"k"), number=500, repeat=40))

    for _ in range(5):  # a machine with other things to do may spoil one
        cost = seconds(observed) - seconds(instant)
        with cache_hit.connected_to(lambda sender, cache, event: None):
            cost_of_telling = seconds(observed) - seconds(instant)
        if cost < cost_of_telling / 2:
            return
    raise AssertionError((cost, cost_of_telling))
