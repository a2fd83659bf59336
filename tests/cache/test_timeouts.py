"""A value lives exactly as long as its timeout says, by one clock."""

from __future__ import annotations

import itertools
import time

import pytest

from kt_cache import NEVER
from kt_cache.cache import Cache, Codec
from kt_cache.cache.envelope import unwrap
from kt_cache.protocol.expiry import NEVER_GIVEN
from kt_cache.sessions import SessionStore
from tests.support import servers
from tests.support.lifetimes import TENTH, watch, write
from tests.support.recording import read_request
from tests.support.threads import run_threads

TIMEOUTS = [0.3, 1, 1.5, 2.2]
# The server ends a counter by itself: in the second after the one it was told, in whole seconds.
COUNTER_LATE = 2 + TENTH


def write_set(cache, name, timeout):
    cache.set(name, "v", timeout)


def write_set_many(cache, name, timeout):
    cache.set_many({name: "v"}, timeout)


def write_add(cache, name, timeout):
    assert cache.add(name, "v", timeout)


def write_over(cache, name, timeout):
    cache.set(name, "old", None)
    cache.set(name, "v", timeout)


def write_touch_down(cache, name, timeout):
    cache.set(name, "v", 1000)
    assert cache.touch(name, timeout)


def write_touch_from_never(cache, name, timeout):
    cache.set(name, "v", None)
    assert cache.touch(name, timeout)


WRITERS = [
    write_set,
    write_set_many,
    write_add,
    write_over,
    write_touch_down,
    write_touch_from_never,
]


class TestEnd:
    @pytest.mark.servers(*servers.SERVERS, servers.SCRIPTLESS[0])
    def test_exact_to_a_tenth(self, cache):
        """However and whenever it was written, a value is gone when its timeout is over."""
        records = []
        for phase in range(4):  # of the server's whole seconds
            time.sleep((phase / 4 - time.time()) % 1)
            for timeout, writer in itertools.product(TIMEOUTS, WRITERS):
                name = (phase, timeout, writer.__name__)
                records.append(
                    write(name, timeout, lambda w=writer, n=name, t=timeout: w(cache, n, t))
                )
        watch(records, lambda record: cache.get(record.name) is not None)

    def test_exact_for_each_look(self, cache):
        """get, get_many and has agree on when a value is gone, a stored None included."""
        looks = {
            "get": lambda name: cache.get(name, "gone") != "gone",
            "get_many": lambda name: bool(cache.get_many([name, "other"])),
            "has": cache.has,
        }
        records = [
            write(
                (look, timeout), timeout, lambda n=(look, timeout), t=timeout: cache.set(n, None, t)
            )
            for look, timeout in itertools.product(looks, (0.3, 1.1))
        ]
        watch(records, lambda record: looks[record.name[0]](record.name))

    def test_counters_end_by_the_server(self, cache):
        """A counter never ends early, and at most in the second after the next."""
        records = [
            write(str(timeout), timeout, lambda t=timeout: cache.set(str(t), 1, t), COUNTER_LATE)
            for timeout in (0.3, 1, 1.5)
        ]
        watch(records, lambda record: cache.incr(record.name) is not None)

    def test_sessions(self, store):
        """A session ends exactly when its lifetime is over."""
        sessions = SessionStore(store, Codec("json"))
        records = [
            write("made", 0.4, lambda: sessions.create("made", {"a": 1}, 0.4)),
            write("kept", 1.2, lambda: sessions.create("kept", {"a": 1}, 1.2)),
        ]
        sessions.create("saved", {}, 100)
        records.append(write("saved", 1.6, lambda: sessions.save("saved", {"a": 1}, 1.6)))
        watch(records, lambda record: sessions.load(record.name) is not None)


@servers.WITH_AND_WITHOUT
class TestTimeoutValues:
    """``None`` is for ever, zero and below is gone at once."""

    def test_none_is_for_ever(self, cache):
        """Each way of writing with None stores without an end."""
        for writer in WRITERS:
            writer(cache, writer.__name__, None)
            key = cache.make_key(writer.__name__)
            assert cache.store.client.expire_time(key) == NEVER
            assert cache.get(writer.__name__) == "v"

    @pytest.mark.parametrize("timeout", [0, -1, -0.5, -(10**9), float("-inf")])
    def test_zero_and_below(self, cache, timeout):
        """A value with no time left is not stored, and what was there is gone."""
        for name in ("set", "many", "touch"):
            cache.set(name, "old", 60)
        cache.set("set", "new", timeout)
        cache.set_many({"many": "new", "more": "new"}, timeout)
        assert cache.touch("touch", timeout) is True
        assert cache.get_many(["set", "many", "more", "touch"]) == {}
        assert cache.store.keys(b"") == []

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_add(self, cache, timeout):
        """Add with no time left stores nothing, and still tells whether the key was free."""
        assert cache.add("free", "new", timeout) is True
        cache.set("taken", "old", 60)
        assert cache.add("taken", "new", timeout) is False
        assert cache.get_many(["free", "taken"]) == {"taken": "old"}

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_unencodable_with_no_time_left(self, cache, timeout):
        """A value that cannot be stored is an error whatever its timeout."""
        for write_it in (cache.set, cache.add):
            with pytest.raises(ValueError, match="pickle cannot encode function"):
                write_it("k", lambda: None, timeout)

    @pytest.mark.parametrize("timeout", [10**9, 10**12, 10**20, 1e300, float("inf")])
    def test_very_long(self, cache, timeout):
        """A timeout beyond all times the server knows is stored, as long as it can be."""
        cache.set("k", "v", timeout)
        assert cache.add("l", "v", timeout)
        assert cache.touch("k", timeout)
        assert cache.get_many(["k", "l"]) == {"k": "v", "l": "v"}
        least = min(time.time() + timeout, NEVER)
        assert cache.store.client.expire_time(cache.make_key("k")) >= least - 1

    def test_not_a_number(self, cache):
        """A timeout that is not a number is refused and changes nothing."""
        cache.set("k", "old", 60)
        with pytest.raises(ValueError, match="number of seconds, not nan"):
            cache.set("k", "new", float("nan"))
        assert cache.get("k") == "old"


@servers.WITH_AND_WITHOUT
class TestPastTheDeadline:
    """A record past its deadline that the server still holds, made by moving the clock."""

    @pytest.fixture
    def past(self, stopped_cache, clock):
        """A cache with such records, a live one and a counter."""
        stopped_cache.set_many(dict.fromkeys(["k", "l", "m"], "old"), 30)
        stopped_cache.set_many({"live": "v"}, 60)
        stopped_cache.set_many({"n": 5}, 30)
        clock.now += 30.2
        assert len(stopped_cache.store.keys(b"")) == 5
        return stopped_cache

    def test_reads(self, past, caplog):
        """It is missing for get, get_many and has, and that is nothing to log."""
        assert past.get("k", "default") == "default"
        assert past.get_many(["k", "l", "live", "n"]) == {"live": "v", "n": 5}
        assert not past.has("k")
        assert past.has("live")
        assert not caplog.records

    @pytest.mark.parametrize("timeout", [60, None, 0, -1])
    def test_touch(self, past, timeout):
        """Touch does not find it, let alone revive it."""
        before = past.store.client.expire_time(past.make_key("k"))
        assert past.touch("k", timeout) is False
        assert past.get("k") is None
        assert past.store.client.expire_time(past.make_key("k")) == before

    def test_incr(self, past):
        """Incr does not find it, whatever it held."""
        assert past.incr("k") is None

    def test_counters_stay(self, past):
        """A counter has no deadline: the server ends it."""
        assert past.incr("n") == 6
        assert past.touch("n", 60)

    @pytest.mark.parametrize(("value", "timeout"), [("new", 60), ("new", None), (7, 60)])
    def test_add(self, past, value, timeout):
        """Add takes its place, with its own value and time."""
        assert past.add("k", value, timeout) is True
        assert past.get("k") == value
        ends = past.store.client.expire_time(past.make_key("k"))
        assert ends == NEVER if timeout is None else abs(ends - time.time() - 60) < 5
        assert past.add("k", "later", 60) is False

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_add_with_no_time_left(self, past, timeout):
        """Add with no time left says that the key was free."""
        assert past.add("k", "new", timeout) is True

    def test_one_of_many_adds_wins(self, stopped_cache, clock):
        """Of 16 threads that add over it at the same moment exactly one does, every time."""
        names = [f"k{number}" for number in range(15)]
        stopped_cache.set_many(dict.fromkeys(names, "old"), 30)
        clock.now += 30.2
        for name in names:
            results = run_threads(16, lambda me, name=name: stopped_cache.add(name, f"{me}", 60))
            (winner,) = [me for me, won in enumerate(results) if won]
            assert stopped_cache.get(name) == str(winner)

    def test_replace_and_session_save(self, stopped_store, clock):
        """Replace and the saving of a session go by the server, which still holds it."""
        stopped_store.set(b"k", b"\x81v", 30)
        sessions = SessionStore(stopped_store, Codec("json"))
        sessions.create("id", {"a": 1}, 30)
        clock.now += 30.2
        assert stopped_store.get(b"k") is None
        assert stopped_store.replace(b"k", b"\x81new", 60) is True
        assert sessions.load("id") is None
        assert not sessions.exists("id")
        assert sessions.save("id", {"a": 2}, 60)
        assert sessions.load("id").data == {"a": 2}


@servers.WITH_AND_WITHOUT
class TestWhatIsSent:
    """The times in the requests, as a proxy sees them."""

    @pytest.fixture
    def recorded(self, recorded_store, proxy):
        """Call the store, return the times it sent."""
        cache = Cache(recorded_store, Codec())

        def times(action):
            cache.incr("missing")  # it may have to ask whether the server has the script
            proxy.forget()
            action(cache)
            rows = [row for request in proxy.requests for row in read_request(request)]
            return [row.xt for row in rows if row.xt is not None]

        return times

    @pytest.mark.parametrize(
        ("timeout", "xt"), [(0.3, 1), (1, 1), (1.5, 2), (300, 300), (None, NEVER_GIVEN)]
    )
    def test_relative_and_rounded_up(self, recorded, timeout, xt):
        """Times to live go out as relative seconds, rounded up; never as a moment."""
        assert recorded(lambda cache: cache.set("k", "v", timeout)) == [xt]
        assert recorded(lambda cache: cache.set_many({"a": 1, "b": "v"}, timeout)) == [xt, xt]
        assert recorded(lambda cache: cache.add("new", "v", timeout)) == [xt]
        assert recorded(lambda cache: cache.touch("b", timeout)) == [xt]
        assert recorded(lambda cache: cache.store.replace(b":1:b", b"v", timeout)) == [xt]

    def test_negative_only_as_read_back(self, recorded, scripted):
        """The only negative time ever sent is the one a counter was just read with; with the
        script that is not sent either.
        """
        everything = recorded(
            lambda cache: [
                cache.set("k", "v", 1.5),
                cache.set("n", 1, 100),
                cache.set("ever", 1, None),
                cache.set_many({"a": "v", "b": 2}, 33.3),
                cache.add("k", "v", 5),
                cache.add("new", "v", 0.2),
                cache.add("new2", 5, 0),
                cache.touch("k", 70),
                cache.touch("n", None),
                cache.touch("n", 90),
                cache.touch("a", -1),
                cache.incr("ever", 3),
                cache.get_many(["k", "n"]),
                cache.delete_many(["a", "b"]),
                SessionStore(cache.store, Codec("json")).create("s", {}, 10.5),
                SessionStore(cache.store, Codec("json")).save("s", {}, 20.5),
                cache.clear(),
            ]
        )
        assert len(everything) >= 12
        assert min(everything) > 0
        stored = []
        _, *kept = recorded(
            lambda cache: (
                cache.store.client.set_bytes(b":1:n", b"5", expire_time=100),
                stored.append(cache.store.client.expire_time(b":1:n")),
                cache.incr("n"),
                stored.append(cache.store.client.expire_time(b":1:n")),
            )
        )
        assert stored[0] == stored[1]
        assert kept == ([] if scripted else [-stored[0]])

    def test_deadline_inside_the_record(self, stopped_store, clock):
        """The deadline in the record is the writer's moment plus the time to live, exactly."""
        stopped_store.set(b"k", b"\x81v", 1.5)
        assert unwrap(stopped_store.client.get_bytes(b"k")) == (b"\x81v", clock.now + 1.5)
