"""``get_or_set``: who makes a missing value, and what the others get."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from kt_cache.cache import Cache, Codec, open_store
from kt_cache.cache.guard import Guard
from kt_cache.cache.making import Failed, KeptIfPossible, Unkept
from kt_cache.cache.tolerant import TolerantStore
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError, EncodeError, PoolTimeout, TransportError
from kt_cache.transport import get_pool
from tests.support.failing import dead_port, own
from tests.support.threads import run_threads

__all__ = ["dead_port"]

PROTECTED = {
    "lock": {"lock": True},
    "lock for seconds": {"lock": 5},
    "stale": {"stale": 60},
    "beta": {"beta": 1.0},
    "all": {"lock": 10.5, "stale": 60, "beta": 1, "tags": ["t"]},
}
each_protection = pytest.mark.parametrize("options", PROTECTED.values(), ids=list(PROTECTED))
each_way = pytest.mark.parametrize("options", [{}, *PROTECTED.values()], ids=["plain", *PROTECTED])


def blocking(cache, *args, **options):
    return cache.get_or_set(*args, **options)


def on_a_loop(cache, *args, **options):
    return asyncio.run(cache.aget_or_set(*args, **options))


LEADER = b"kt-leader-:1:k"

each_asking = pytest.mark.parametrize("asking", [blocking, on_a_loop])


class Counted:
    """A function that counts its calls and may take its time."""

    def __init__(self, result="made", *, seconds=0.0):
        self.result = result
        self.seconds = seconds
        self.calls = 0

    def __call__(self):
        self.calls += 1
        time.sleep(self.seconds)
        return self.result


class Busy(StoreWrapper):
    """A store all of whose connections are in use, for the next calls of some methods."""

    def __init__(self, store):
        super().__init__(store)
        self.strict = self
        self.times = {}

    def _check(self, operation):
        if self.times.get(operation):
            self.times[operation] -= 1
            raise PoolTimeout("all connections are in use")

    def _run(self, operation, call, *args):
        self._check(operation)
        return call(*args)

    async def _arun(self, operation, call, *args):
        self._check(operation)
        return await call(*args)


@pytest.fixture
def stopped(store, clock):
    """A cache whose idea of freshness a test moves; records keep their real time."""
    return Cache(store, Codec(), clock=clock)


class TestValues:
    @each_way
    def test_made_once(self, either_cache, options):
        """The function is called for a missing value alone; None is a value."""
        for value in (None, 0, 5, "text", {"a": [1]}, b"\xb1", ""):
            function = Counted(value)
            for _ in range(3):
                assert either_cache.get_or_set("k", function, 60, **options) == value
            assert function.calls == 1
            assert either_cache.get("k", "missing") == value
            assert either_cache.get_many(["k"]) == {"k": value}
            assert either_cache.has("k")
            either_cache.delete("k")

    @each_way
    def test_not_a_function(self, either_cache, options):
        """What cannot be called is the value itself."""
        assert either_cache.get_or_set("k", "value", 60, **options) == "value"
        assert either_cache.get_or_set("k", "other", 60, **options) == "value"

    @each_way
    def test_no_time(self, either_cache, options):
        """Without time left nothing is stored; without a limit it is for ever."""
        assert either_cache.get_or_set("k", "value", 0, **options) == "value"
        assert not either_cache.has("k")
        assert either_cache.get_or_set("k", "value", None, 7, **options) == "value"
        assert either_cache.get("k", version=7) == "value"

    @each_way
    def test_unreadable(self, either_cache, store, options):
        """What cannot be read is missing, and is replaced."""
        for broken in (b"\x81broken", b"\xb1broken", b"\xff"):
            store.set(b":1:k", broken, 60)
            assert either_cache.get_or_set("k", "value", 60, **options) == "value"
            assert either_cache.get("k") == "value"

    @each_way
    def test_cannot_be_stored(self, either_cache, options):
        """A value that cannot be stored is an error, and holds nobody up."""
        with pytest.raises(EncodeError):
            either_cache.get_or_set("k", lambda: threading.Lock(), 60, **options)
        assert either_cache.get_or_set("k", "value", 60, **options) == "value"

    def test_somebody_was_faster(self, either_cache, cache):
        """Unprotected, who stores first decides, as in Django."""

        def function():
            cache.set("k", "theirs", 60)
            return "mine"

        assert either_cache.get_or_set("k", function, 60) == "theirs"

    @each_way
    def test_coroutine_functions(self, cache, options):
        """The a-method awaits the function; the blocking one refuses it and stores nothing."""

        async def function():
            await asyncio.sleep(0)
            return "made"

        with pytest.raises(ConfigError, match="call the method whose name begins with an 'a'"):
            cache.get_or_set("k", function, 60, **options)
        assert not cache.has("k")
        assert asyncio.run(cache.aget_or_set("k", function, 60, **options)) == "made"
        assert cache.get("k") == "made"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"lock": -1}, "lock"),
            ({"lock": "yes"}, "lock"),
            ({"lock": float("inf")}, "lock"),
            ({"lock": 0}, "lock"),
            ({"lock": 0, "stale": 60}, "lock"),
            ({"stale": -1}, "stale"),
            ({"stale": "60"}, "stale"),
            ({"beta": float("nan")}, "beta"),
            ({"lock": True, "beta": -0.1}, "beta"),
        ],
    )
    def test_wrong_options(self, cache, options, message):
        """An option that makes no sense is an error that names it."""
        with pytest.raises(ConfigError, match=message):
            cache.get_or_set("k", "value", 60, **options)


class TestWhatIsGiven:
    @each_way
    @each_asking
    @pytest.mark.parametrize("codec", [Codec("json"), Codec(), Codec("msgpack")])
    def test_the_same_for_all(self, store, options, asking, codec):
        """The one who makes a value gets what all the others get, and nobody shares an object."""
        cache = Cache(store, codec)
        made = {"tuple": (1, 2), "list": [3]}
        first = asking(cache, "k", lambda: made, 60, **options)
        made["list"].append("changed")
        second = asking(cache, "k", "other", 60, **options)
        assert first == second == cache.get("k")
        assert type(first["tuple"]) is type(second["tuple"])
        assert first["list"] == [3]

    @each_way
    def test_not_stored(self, cache, options):
        """Of what is not stored it is the function's own."""
        made = {"tuple": (1, 2)}
        assert cache.get_or_set("k", lambda: made, 0, **options) is made


class TestStampede:
    @each_protection
    def test_fifty_threads(self, cache, options):
        """Fifty threads that miss the same value call the function once and all get it."""
        function = Counted(seconds=0.05)
        results = run_threads(50, lambda _: cache.get_or_set("k", function, 60, **options))
        assert (set(results), function.calls) == ({"made"}, 1)

    @each_protection
    def test_fifty_tasks(self, cache, options):
        """And so do fifty tasks."""
        calls = []

        async def function():
            calls.append(1)
            await asyncio.sleep(0.05)
            return "made"

        async def main():
            calling = (cache.aget_or_set("k", function, 60, **options) for _ in range(50))
            return await asyncio.gather(*calling)

        assert (set(asyncio.run(main())), len(calls)) == ({"made"}, 1)

    @each_protection
    def test_few_connections(self, any_server, kt, options):
        """Where errors are ignored, who finds all connections in use waits for one."""
        place = f"{any_server.host}:{any_server.port}"
        cache = Cache(
            open_store(place, own(ignore_errors=True, max_size=2, max_waiting=1)), Codec()
        )
        function = Counted(seconds=0.2)
        results = run_threads(40, lambda _: cache.get_or_set("k", function, 60, **options))
        assert (set(results), function.calls) == ({"made"}, 1)

    @each_protection
    def test_few_connections_for_tasks(self, any_server, kt, options):
        """So does a task."""
        place = f"{any_server.host}:{any_server.port}"
        calls = []

        async def function():
            calls.append(1)
            await asyncio.sleep(0.2)
            return "made"

        async def main():
            few = own(ignore_errors=True, max_size=1, max_waiting=1)
            cache = Cache(open_store(place, few), Codec())
            calling = (cache.aget_or_set("k", function, 60, **options) for _ in range(40))
            return await asyncio.gather(*calling)

        assert (set(asyncio.run(main())), len(calls)) == ({"made"}, 1)

    @each_asking
    def test_a_busy_moment(self, store, asking):
        """A value is found, and stored, although there was no connection for it at first."""
        busy = Busy(store)
        cache = Cache(TolerantStore(busy, Guard("server:1", 0, 5), ignore=True), Codec())
        cache.set("there", "theirs", 60)
        function = Counted()
        busy.times = {"get": 3}
        assert asking(cache, "there", function, 60, lock=True) == "theirs"
        assert function.calls == 0
        busy.times = {"add": 2, "set": 2, "swap": 2}
        assert asking(cache, "new", function, 60, lock=True) == "made"
        assert asking(cache, "new", function, 60, lock=True) == "made"
        assert function.calls == 1
        assert not store.keys(b"kt-leader-")
        assert not any(busy.times.values())

    def test_claims_that_stay(self, store, caplog):
        """Claims that could not be given up cost the log one line, without their keys."""
        busy = Busy(store)
        cache = Cache(busy, Codec())
        busy.times = {"swap": 5}
        for number in range(5):
            assert cache.get_or_set(f"secret-{number}", "made", 60, lock=True) == "made"
        (record,) = caplog.records
        assert "a claim stays until its time is over: PoolTimeout" in record.getMessage()
        assert "secret" not in caplog.text

    @each_asking
    def test_a_busy_moment_with_an_old_value(self, store, clock, asking):
        """Nobody waits for a connection who can have the old value."""
        busy = Busy(store)
        tolerant = TolerantStore(busy, Guard("server:1", 0, 5), ignore=True)
        cache = Cache(tolerant, Codec(), clock=clock)
        asking(cache, "k", "old", 60, stale=60)
        clock.now += 61
        function = Counted()
        busy.times = {"add": 1}
        assert asking(cache, "k", function, 60, stale=60) == "old"
        assert function.calls == 0
        assert asking(cache, "k", function, 60, stale=60) == "made"

    def test_no_connection_at_all(self, included_server):
        """That waiting has an end, too: the value is made, and not stored."""
        place = f"{included_server.host}:{included_server.port}"
        few = own(ignore_errors=True, max_size=1, max_waiting=1, call_timeout=0.05)
        store = open_store(place, few)
        pool = get_pool(store.config)
        connection = pool.acquire(time.monotonic() + 10, time.monotonic())
        try:
            cache, function = Cache(store, Codec()), Counted()
            began = time.monotonic()
            assert cache.get_or_set("k", function, 60, lock=0.1) == "made"
            assert function.calls == 1
            assert time.monotonic() - began < 15
        finally:
            pool.release(connection)

    def test_quick_functions(self, either_cache):
        """Also where the function is so quick that it is done before the others look."""
        for number in range(5):
            function = Counted(None)
            run_threads(
                12,
                lambda _, key=f"k{number}", function=function: either_cache.get_or_set(
                    key, function, 60, lock=True
                ),
            )
            assert function.calls == 1

    def test_other_keys_do_not_wait(self, either_cache):
        """Who makes one value holds up nobody who wants another one."""
        began = time.monotonic()

        def work(me):
            return either_cache.get_or_set(f"k{me}", Counted(me, seconds=0.02), 60, lock=True)

        assert run_threads(4, work) == [0, 1, 2, 3]
        assert time.monotonic() - began < 5

    def test_failing_function(self, either_cache):
        """One that raises does so for its caller, and the next caller tries at once."""
        calls = []

        def function():
            calls.append(1)
            time.sleep(0.02)
            if len(calls) < 3:
                raise ZeroDivisionError
            return "made"

        def work(me):
            try:
                return either_cache.get_or_set("k", function, 60, lock=60)
            except ZeroDivisionError:
                return "failed"

        began = time.monotonic()
        results = run_threads(8, work)
        assert sorted(results) == ["failed"] * 2 + ["made"] * 6
        assert len(calls) == 3
        assert time.monotonic() - began < 20

    def test_cancelled(self, cache):
        """A task that is cancelled while it makes the value makes way at once."""

        async def main():
            began = asyncio.Event()

            async def endless():
                began.set()
                await asyncio.sleep(60)

            leader = asyncio.create_task(cache.aget_or_set("k", endless, 60, lock=60))
            await began.wait()
            waiters = [
                asyncio.create_task(cache.aget_or_set("k", "made", 60, lock=60)) for _ in range(3)
            ]
            await asyncio.sleep(0.02)
            waiters.pop().cancel()
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            return await asyncio.wait_for(asyncio.gather(*waiters), 20)

        assert asyncio.run(main()) == ["made", "made"]


PROGRAM = """
import sys, time
from kt_cache.cache import Cache, Codec, open_store
from kt_cache.cache.guard import Guard
from kt_cache.cache.making import Failed, Unkept
from kt_cache.cache.tolerant import TolerantStore
from kt_cache.cache.wrapper import StoreWrapper

cache = Cache(open_store(sys.argv[1]), Codec())

def forever():
    print("it is my turn", flush=True)
    time.sleep(60)

cache.get_or_set("k", forever, 60, lock=1)
"""


def test_a_leader_that_dies(cache, store):
    """A process that is killed while it makes a value is replaced after its time, by one other."""
    command = [sys.executable, "-c", PROGRAM, store.config.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as leader:
        try:
            assert leader.stdout.readline() == "it is my turn\n"
        finally:
            leader.kill()
    killed = time.monotonic()
    function = Counted(seconds=0.02)

    async def function_for_tasks():
        return function()

    async def tasks():
        calling = (cache.aget_or_set("k", function_for_tasks, 60, lock=1) for _ in range(10))
        return await asyncio.gather(*calling)

    def work(me):
        if me == 0:
            return asyncio.run(tasks())[0]
        return cache.get_or_set("k", function, 60, lock=1)

    assert set(run_threads(10, work)) == {"made"}
    assert function.calls == 1
    assert time.monotonic() - killed < 6


def test_a_leader_that_hangs(included_server):
    """Nobody waits for ever: who has waited for two leaders makes the value themselves."""
    included_server.client.clear()
    store = open_store(f"{included_server.host}:{included_server.port}")
    cache = Cache(store, Codec())

    def cut_in(way):
        function = Counted()
        store.set(b"kt-leader-:1:" + way.encode(), b"1", 60)  # as of one with another idea of time
        if way == "blocking":
            assert cache.get_or_set(way, function, 60, lock=0.1) == "made"
        else:
            assert asyncio.run(cache.aget_or_set(way, function, 60, lock=0.1)) == "made"
        return function.calls

    began = time.monotonic()
    assert run_threads(2, lambda me: cut_in(["blocking", "asyncio"][me])) == [1, 1]
    assert 2 * (0.1 + 2) <= time.monotonic() - began < 20


class TestStale:
    def test_one_makes_it_anew(self, stopped, clock):
        """After its timeout one caller makes the value anew, the others get the old one at once."""
        stopped.get_or_set("k", "old", 60, stale=60)
        clock.now += 61
        making, others_done = threading.Event(), threading.Event()

        def function():
            making.set()
            assert others_done.wait(20)
            return "new"

        def work(me):
            if me == 0:
                return stopped.get_or_set("k", function, 60, stale=60)
            assert making.wait(20)
            results = [stopped.get_or_set("k", Counted("no"), 60, stale=60) for _ in range(3)]
            others_done.set()
            return results

        assert run_threads(2, work) == ["new", ["old"] * 3]
        assert stopped.get_or_set("k", Counted("no"), 60, stale=60) == "new"

    def test_not_before(self, stopped, clock):
        """Until its timeout is over it is not made anew."""
        stopped.get_or_set("k", "old", 60, stale=60)
        clock.now += 59
        assert stopped.get_or_set("k", Counted("new"), 60, stale=60) == "old"
        clock.now += 2
        assert stopped.get_or_set("k", Counted("new"), 60, stale=60) == "new"

    def test_time_beyond_the_timeout(self, stopped_store, clock):
        """The value is there for its timeout and the time beyond; other calls see it all along."""
        cache = Cache(stopped_store, Codec(), clock=clock)
        cache.get_or_set("k", "old", 60, stale=30)
        clock.now += 85
        assert cache.get("k") == "old"
        assert cache.get_or_set("k", "new", 60) == "old"
        clock.now += 5.5  # a whole second later the record would be the server's to end
        assert cache.get("k") is None

    @each_asking
    def test_failing_function(self, stopped, clock, caplog, asking):
        """If making it anew fails all get the old value, and nobody tries again for a while."""
        calls = []

        def function():
            calls.append(1)
            raise ZeroDivisionError("secret")

        def ask(make, **options):
            return asking(stopped, "k", make, 3600, stale=3600, tags=["t"], **options)

        assert ask("old") == "old"
        clock.now += 3601
        assert [ask(function) for _ in range(5)] == ["old"] * 5
        assert len(calls) == 1
        (record,) = caplog.records
        assert "ZeroDivisionError" in record.getMessage()
        assert "secret" not in caplog.text
        clock.now += 29
        assert ask("new") == "old"
        clock.now += 2
        assert [ask(function, lock=5) for _ in range(5)] == ["old"] * 5
        assert len(calls) == 2
        assert 7100 < stopped.ttl("k") <= 7200  # of the time that it has nothing was changed
        clock.now += 6
        assert ask("new") == "new"
        clock.now += 7200
        stopped.delete("k")
        with pytest.raises(ZeroDivisionError):
            ask(function)

    @each_asking
    def test_somebody_else_succeeds(self, stopped, clock, caplog, asking):
        """Who fails has what others have made in the meantime, and leaves its time alone."""

        def function():
            stopped.renew("k", "theirs", 60, stale=60)
            raise ZeroDivisionError

        asking(stopped, "k", "old", 60, stale=60)
        clock.now += 61
        assert asking(stopped, "k", function, 60, stale=60) == "theirs"
        assert not caplog.records
        clock.now += 59
        assert asking(stopped, "k", Counted("no"), 60, stale=60) == "theirs"

    @each_asking
    def test_failing_before_the_timeout(self, stopped, asking):
        """So it is with what is made anew early."""
        asking(stopped, "k", Counted("old", seconds=0.01), 60, beta=1.0)
        calls = []

        def function():
            calls.append(1)
            raise ZeroDivisionError

        given = [asking(stopped, "k", function, 60, beta=1_000_000) for _ in range(5)]
        assert given == ["old"] * 5
        assert calls

    @each_asking
    def test_failing_and_gone(self, stopped, clock, asking):
        """What was deleted while the function ran does not come back: its error counts."""
        asking(stopped, "k", "old", 60, stale=60, tags=["t"])
        clock.now += 61

        def function():
            stopped.delete_tag("t")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            asking(stopped, "k", function, 60, stale=60, tags=["t"])

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_interrupted_function(self, stopped, clock, error):
        """What is no failure but an end of the work is raised, and the next one may try."""
        stopped.get_or_set("k", "old", 60, stale=60)
        clock.now += 61

        def function():
            raise error

        with pytest.raises(error):
            stopped.get_or_set("k", function, 60, stale=60)
        assert stopped.get_or_set("k", "new", 60, stale=60) == "new"

    def test_failing_configuration(self, stopped, clock):
        """Nor is a coroutine function without an event loop a failure to put up with."""

        async def function():
            return "new"

        stopped.get_or_set("k", "old", 60, stale=60)
        clock.now += 61
        with pytest.raises(ConfigError):
            stopped.get_or_set("k", function, 60, stale=60)

    def test_on_event_loops(self, stopped, clock):
        """The same with tasks."""

        async def main():
            began, ended = asyncio.Event(), asyncio.Event()

            async def function():
                began.set()
                await ended.wait()
                return "new"

            await stopped.aget_or_set("k", "old", 60, stale=60)
            clock.now += 61
            leader = asyncio.create_task(stopped.aget_or_set("k", function, 60, stale=60))
            await began.wait()
            assert await stopped.aget_or_set("k", Counted("no"), 60, stale=60) == "old"
            ended.set()
            assert await leader == "new"

        asyncio.run(main())


class TestEarly:
    def test_the_nearer_the_likelier(self, stopped, clock):
        """Early making is for values that take long to make, and near their end."""

        def made_anew(seconds_left, beta, took):
            stopped.delete("k")
            stopped.get_or_set("k", Took(took), 1_000, beta=beta)
            clock.now += 1_000 - seconds_left
            count = 0
            for _ in range(30):
                stopped_at = clock.now
                count += stopped.get_or_set("k", Counted("new"), 1_000, beta=beta) == "new"
                clock.now = stopped_at
                if count:
                    break
            return bool(count)

        class Took:
            def __init__(self, seconds):
                self.seconds = seconds

            def __call__(self):
                time.sleep(self.seconds)
                return "old"

        assert not made_anew(900, 1.0, 0.01)
        assert made_anew(0.005, 1.0, 0.01)
        assert made_anew(5, 10_000, 0.01)
        assert not made_anew(5, 0.001, 0.01)

    def test_touch_and_plain_reading(self, stopped):
        """A value with notes is one like any other for the other calls."""
        stopped.get_or_set("k", "value", 60, beta=1.0)
        assert stopped.touch("k", 120)
        assert stopped.get_or_set("k", "other", 60) == "value"
        assert stopped.add("k", "other", 60) is False
        assert stopped.delete("k")


class TestServerDown:
    @each_way
    def test_errors_ignored(self, options, dead_port):
        """While errors are ignored the value is made and returned, without waiting."""
        cache = Cache(open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True)), Codec())
        function = Counted()
        began = time.monotonic()
        assert cache.get_or_set("k", function, 60, **options) == "made"
        assert asyncio.run(cache.aget_or_set("k", function, 60, **options)) == "made"
        assert function.calls == 2
        assert time.monotonic() - began < 4

    @each_way
    def test_errors_raised(self, options, dead_port):
        """Otherwise they are raised, and the function is not called."""
        cache = Cache(open_store(f"127.0.0.1:{dead_port}", own()), Codec())
        function = Counted()
        with pytest.raises(TransportError):
            cache.get_or_set("k", function, 60, **options)
        assert function.calls == 0

    def test_tags_and_locks(self, dead_port):
        """Tagged values are like others; a lock is never pretended."""
        cache = Cache(open_store(f"127.0.0.1:{dead_port}", own(ignore_errors=True)), Codec())
        assert cache.set("k", 1, 60, tags=["t"]) is False
        assert cache.get("k") is None
        for call in (
            lambda: cache.add("k", 1, 60, tags=["t"]),
            cache.lock("l", 5).acquire,
            cache.lock("l", 5).locked,
        ):
            with pytest.raises(TransportError):
                call()


class TestUnkept:
    """Values that their function says are not to be stored."""

    @each_way
    def test_is_returned_and_not_stored(self, either_cache, options):
        """The function's caller gets it, and the next one calls the function again."""
        function = Counted(Unkept("value"))
        for _ in range(2):
            assert either_cache.get_or_set("k", function, 60, **options) == "value"
        assert function.calls == 2
        assert not either_cache.has("k")
        assert either_cache.get_or_set("k", "kept", 60, **options) == "kept"
        assert either_cache.get("k") == "kept"

    def test_nobody_waits(self, cache):
        """Those who waited call the function at once, and together, and so does who comes later."""
        together = threading.Barrier(7)
        calls = []

        def function():
            calls.append(time.monotonic())
            if len(calls) == 1:
                time.sleep(0.3)
            else:
                together.wait(60)
            return Unkept("value")

        results = run_threads(8, lambda _: cache.get_or_set("k", function, 60, lock=True))
        assert results == ["value"] * 8
        assert len(calls) == 8

    def test_an_old_value_stays(self, either_cache):
        """What is stored already is neither replaced nor removed."""
        either_cache.get_or_set("k", "old", 0.2, stale=60)
        time.sleep(0.4)
        made = [either_cache.get_or_set("k", lambda: Unkept("new"), 60, stale=60) for _ in "12"]
        assert made == ["new", "old"]

    def test_nobody_will_wait(self, stopped, clock):
        """Where nobody waits it stays so as long as there is somebody to find out."""
        together = threading.Barrier(4)

        def function():
            together.wait(60)
            return Unkept("value")

        assert stopped.get_or_set("k", Unkept("value"), 60, lock=True) == "value"
        for _ in range(5):
            clock.now += 6
            before = stopped.store.get_with_ttl(LEADER)
            asked = run_threads(4, lambda _: stopped.get_or_set("k", function, 60, lock=True))
            assert asked == ["value"] * 4
            assert stopped.store.get_with_ttl(LEADER)[0] != before[0]

    def test_prolonging_is_no_work_for_all(self, stopped, clock):
        """Of those who pass within the first seconds nobody prolongs it, nor who makes a value."""
        stopped.get_or_set("k", Unkept("value"), 60, lock=True)
        before = stopped.store.get(LEADER)
        clock.now += 1
        stopped.get_or_set("k", Unkept("value"), 60, lock=True)
        assert stopped.store.get(LEADER) == before
        clock.now += 6
        stopped.get_or_set("k", "kept", 60, lock=True)
        assert stopped.store.get(LEADER) == before

    @each_protection
    def test_no_time(self, cache, options):
        """Nobody waits for what is not stored as its time is over at once."""
        together = threading.Barrier(8)

        def function():
            together.wait(60)
            return "value"

        asked = run_threads(8, lambda _: cache.get_or_set("k", function, -1, **options))
        assert asked == ["value"] * 8


class TestKeptIfPossible:
    """Values that their callers get though they cannot be stored."""

    @each_way
    def test_stored(self, either_cache, options):
        """What can be stored is, and is a value like any other."""
        refused = []
        function = Counted(KeptIfPossible({"a": 1}, refused.append))
        for _ in range(2):
            assert either_cache.get_or_set("k", function, 60, **options) == {"a": 1}
        assert (function.calls, refused) == (1, [])
        assert either_cache.renew("k", function, 60) == {"a": 1}

    @each_way
    def test_not_stored(self, either_cache, options):
        """What cannot be is returned, and the function is told why."""
        refused = []
        lock = threading.Lock()
        function = Counted(KeptIfPossible(lock, refused.append))
        for _ in range(2):
            assert either_cache.get_or_set("k", function, 60, **options) is lock
        assert either_cache.renew("k", function, 60) is lock
        assert [type(error) for error in refused] == [EncodeError] * 3
        assert not either_cache.has("k")

    @each_protection
    def test_of_the_function_itself(self, cache, options):
        """A function that asks for the value that it makes gets a value."""
        depth = []

        def function():
            depth.append(1)
            if len(depth) == 2:
                return KeptIfPossible("deep", depth.append)
            return [cache.get_or_set("k", function, 60, **options)]

        assert cache.get_or_set("k", function, 60, **options) == ["deep"]


class TestDiscard:
    """``discard``: a value is deleted, and the one that is being made is not kept."""

    @each_way
    def test_what_is_there(self, either_cache, options):
        """A value is gone, and whoever asks next makes it."""
        either_cache.get_or_set("k", "old", 60, **options)
        assert either_cache.discard("k")
        assert not either_cache.discard("k")
        assert either_cache.get_or_set("k", "new", 60, **options) == "new"
        assert either_cache.get("k") == "new"

    @each_protection
    def test_what_is_being_made(self, either_cache, cache, options):
        """Its caller gets it; nobody else does, nor has to wait for it."""

        def make():
            assert cache.discard("k")
            new = run_threads(1, lambda _: cache.get_or_set("k", "new", 60, **options))
            assert new == ["new"]
            return "old"

        assert either_cache.get_or_set("k", make, 60, **options) == "old"
        assert either_cache.get_or_set("k", "newest", 60, **options) == "newest"

    @each_asking
    def test_what_is_made_anew(self, stopped, clock, asking):
        """So it is where there is an old value, which is no longer good for anybody."""
        asking(stopped, "k", "old", 60, stale=60)
        clock.now += 61

        def make():
            stopped.discard("k")
            return "old"

        assert asking(stopped, "k", make, 60, stale=60) == "old"
        assert asking(stopped, "k", "new", 60, stale=60) == "new"

    @each_asking
    def test_where_nobody_waits(self, cache, asking):
        """So it is after a value that was not to be stored, when all make their own."""

        def make():
            cache.discard("k")
            return "old"

        asking(cache, "k", Unkept("value"), 60, lock=True)
        assert asking(cache, "k", make, 60, lock=True) == "old"
        assert asking(cache, "k", "new", 60, lock=True) == "new"
        assert asking(cache, "k", "newest", 60, lock=True) == "new"

    def test_after_the_turn(self, either_cache, cache):
        """Whoever has lost the turn by taking too long has the value kept, deleted or not."""

        def slow():
            time.sleep(0.4)
            cache.discard("k")
            return "made"

        assert either_cache.get_or_set("k", slow, 60, lock=0.3) == "made"
        assert either_cache.get("k") == "made"


class TestFailed:
    """Failures that are not to be repeated one by one."""

    def test_nobody_waits(self, cache):
        """Those who waited call the function together."""
        together = threading.Barrier(7)
        calls = []

        def function():
            calls.append(time.monotonic())
            if len(calls) == 1:
                time.sleep(0.3)
            else:
                together.wait(60)
            raise Failed(KeyError("k"))

        def ask(_):
            with pytest.raises(Failed):
                cache.get_or_set("k", function, 60, lock=True)

        run_threads(8, ask)
        assert len(calls) == 8

    def test_what_cannot_be_stored(self, cache):
        """So it is where the value cannot be stored."""
        together = threading.Barrier(7)
        calls = []

        def function():
            calls.append(1)
            if len(calls) == 1:
                time.sleep(0.3)
            else:
                together.wait(60)
            return threading.Lock()

        def ask(_):
            with pytest.raises(EncodeError):
                cache.get_or_set("k", function, 60, lock=True)

        run_threads(8, ask)
        assert len(calls) == 8

    def test_an_old_value_is_used(self, either_cache, caplog):
        """Where there is an old value it is kept in use, as after any error, which is named."""

        def function():
            raise Failed(KeyError("k"))

        either_cache.get_or_set("k", "old", 0.2, stale=60)
        time.sleep(0.4)
        assert either_cache.get_or_set("k", function, 60, stale=60) == "old"
        assert "KeyError" in caplog.text


class TestOwnValue:
    @each_protection
    def test_of_the_same_function(self, cache, options):
        """A function that asks for the value that it makes calls itself instead of waiting."""
        depth = []

        def function():
            depth.append(1)
            if len(depth) == 3:
                return "deep"
            return [cache.get_or_set("k", function, 60, **options)]

        assert cache.get_or_set("k", function, 60, **options) == [["deep"]]
        assert cache.get("k") == [["deep"]]

    def test_on_a_loop(self, cache):
        """So does a coroutine function; another task waits."""
        depth = []

        async def function():
            depth.append(1)
            await asyncio.sleep(0.05)
            if len(depth) == 2:
                return "deep"
            return [await cache.aget_or_set("k", function, 60, lock=True)]

        async def main():
            asked = (cache.aget_or_set("k", function, 60, lock=True) for _ in range(5))
            return await asyncio.gather(*asked)

        assert asyncio.run(main()) == [["deep"]] * 5
        assert len(depth) == 2

    def test_blocking_on_a_loop(self, cache):
        """A blocking call does not wait for a task that could only go on after it."""

        async def slow():
            began.set()
            await asyncio.sleep(0.2)
            return "theirs"

        async def main():
            task = asyncio.ensure_future(cache.aget_or_set("k", slow, 60, lock=5))
            await began.wait()
            other = asyncio.ensure_future(cache.aget_or_set("k", lambda: "no", 60, lock=5))
            await asyncio.sleep(0.05)
            before = time.monotonic()
            found = cache.get_or_set("k", lambda: "mine", 60, lock=5)
            assert time.monotonic() - before < 5
            return found, await task, await other

        began = asyncio.Event()
        assert asyncio.run(main()) == ("mine", "theirs", "theirs")
        cache.delete("k")
        assert cache.get_or_set("k", lambda: "again", 60, lock=5) == "again"


class TestRenew:
    @pytest.mark.parametrize("options", [{}, {"stale": 60}, {"beta": 1.0}, {"tags": ["t"]}])
    def test_replaces(self, either_cache, options):
        """It makes and stores the value whether there is one or not."""
        assert either_cache.renew("k", lambda: (1,), 60, **options) == (1,)
        assert either_cache.renew("k", (2,), 60, **options) == (2,)
        assert either_cache.get_or_set("k", "other", 60, **options) == (2,)

    def test_what_is_not_stored(self, either_cache):
        """Neither what is not to be kept nor an error changes what there is."""
        either_cache.set("k", "old", 60)
        assert either_cache.renew("k", lambda: Unkept("new"), 60) == "new"
        with pytest.raises(ZeroDivisionError):
            either_cache.renew("k", lambda: 1 // 0, 60, stale=60)
        assert either_cache.get("k") == "old"

    def test_tags(self, either_cache):
        """A tag deleted while the function runs deletes the value, and one deleted before not."""
        either_cache.renew("k", "value", 60, tags=["t"])
        either_cache.delete_tag("t")
        either_cache.renew("k", "value", 60, tags=["t"])
        assert either_cache.get("k") == "value"
        either_cache.delete_tag("t")
        assert either_cache.get("k") is None
