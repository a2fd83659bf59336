"""What the cache does beyond Django's API, in threads and on event loops."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, timezone

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.errors import ConfigError, EncodeError
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.threads import run_threads


@pytest.fixture(params=["blocking", "asyncio"])
def way(request):
    """Return what makes a cache's a-methods the ones that are tested, every other time."""
    if request.param == "blocking":
        yield lambda cache: cache
        return
    with loop_in_a_thread() as loop:
        yield lambda cache: OverAsyncio(cache, loop)


@pytest.fixture
def cache(way, store):
    return way(Cache(store, Codec()))


@pytest.fixture
def stopped(way, stopped_cache):
    """A cache whose clock stands still, with values that the server holds past their time."""
    stopped_cache.set_many({"k": "v", "l": 5.5}, 30)
    return way(stopped_cache)


class TestTimes:
    def test_ttl(self, cache):
        """It is whole seconds, rounded up; None without an end, 0 without a value."""
        cache.set("k", "v", 100)
        cache.set("n", 5, 100)
        cache.set("short", "v", 1.5)
        cache.set_many({"ever": "v", "ever n": 5}, None)
        assert 98 <= cache.ttl("k") <= 100
        assert 98 <= cache.ttl("n") <= 100
        assert 1 <= cache.ttl("short") <= 2
        assert cache.ttl("ever") is cache.ttl("ever n") is None
        assert cache.ttl("missing") == 0
        assert cache.ttl("k", version=2) == 0
        assert type(cache.ttl("k")) is int

    def test_ttl_of_the_living_is_never_zero(self, store):
        """A value that is still found has at least one second, to the end of its time."""
        cache = Cache(store, Codec())
        cache.set_many({"k": "v", "n": 5}, 1)
        began = time.monotonic()
        left = {"k", "n"}
        while left:
            for name in [*left]:
                found, ttl = cache.has(name), cache.ttl(name)
                if not found:
                    assert ttl == 0
                    left.remove(name)
                elif ttl == 0:
                    assert not cache.has(name)  # it ended in between
                else:
                    assert ttl == 1
            assert time.monotonic() - began < 5

    def test_past_its_time(self, stopped, clock):
        """A value past its deadline has no time left, and cannot be given any."""
        assert stopped.ttl("k") == 30
        clock.now += 29.5
        assert stopped.ttl("k") == 1
        clock.now += 0.6
        assert stopped.ttl("k") == 0
        assert not stopped.persist("k")
        assert not stopped.expire_at("k", time.time() + 60)
        assert not stopped.expire_at("k", 0)
        assert not stopped.touch("k", 60)

    @pytest.mark.parametrize(
        "when",
        [
            lambda: time.time() + 50,
            lambda: int(time.time()) + 50,
            lambda: datetime.now() + timedelta(seconds=50),  # noqa: DTZ005 - local time
            lambda: datetime.now(timezone.utc) + timedelta(seconds=50),
            lambda: datetime.now(timezone(timedelta(hours=-7))) + timedelta(seconds=50),
        ],
    )
    def test_expire_at(self, cache, when):
        """A moment is a Unix time or a datetime, of any zone or none."""
        cache.set_many({"k": "v", "n": 5}, None)
        for name in ("k", "n"):
            assert cache.expire_at(name, when()) is True
            assert 46 <= cache.ttl(name) <= 50
        assert cache.expire_at("missing", when()) is False
        assert cache.get_many(["k", "n", "missing"]) == {"k": "v", "n": 5}

    @pytest.mark.parametrize("when", [0, -1, 1.5, datetime(2020, 1, 1, tzinfo=timezone.utc)])
    def test_a_moment_in_the_past(self, cache, when):
        """It removes the value, and tells whether there was one."""
        cache.set("k", "v", None)
        assert cache.expire_at("k", when) is True
        assert not cache.has("k")
        assert cache.expire_at("k", when) is False

    @pytest.mark.parametrize("when", ["tomorrow", None, True, timedelta(1), math.nan, math.inf])
    def test_no_moment(self, cache, when):
        """Anything else is refused, and changes nothing."""
        cache.set("k", "v", None)
        with pytest.raises(ConfigError, match="when must be"):
            cache.expire_at("k", when)
        assert cache.ttl("k") is None

    def test_persist(self, cache):
        """It takes the end away and leaves the value."""
        cache.set_many({"k": "v", "n": 5}, 100)
        assert cache.persist("k") is cache.persist("n") is True
        assert cache.ttl("k") is cache.ttl("n") is None
        assert cache.get_many(["k", "n"]) == {"k": "v", "n": 5}
        assert cache.persist("missing") is False


class TestPop:
    def test_pop(self, cache):
        """It returns the value, which is gone then; the default if there is none."""
        cache.set_many({"k": ["v"], "n": 5, "none": None}, 60)
        assert cache.pop("k") == ["v"]
        assert cache.pop("n", 7) == 5
        assert cache.pop("none", 7) is None
        assert cache.get_many(["k", "n", "none"]) == {}
        assert cache.pop("k") is None
        assert cache.pop("k", 7) == 7

    def test_past_its_time(self, stopped, clock):
        """What is past its deadline is missing, although the server still holds it."""
        clock.now += 30.1
        assert stopped.pop("k", "default") == "default"

    def test_what_cannot_be_read(self, store, way):
        """A value in another format is missing, here too."""
        Cache(store, Codec("json")).set("k", "v", 60)
        assert way(Cache(store, Codec())).pop("k", "default") == "default"

    def test_one_of_many(self, cache):
        """Each value goes to one of those who pop at once, and none is lost."""
        cache.set_many({f"k{number}": number for number in range(50)}, 60)
        results = run_threads(8, lambda me: [cache.pop(f"k{number}", None) for number in range(50)])
        got = [number for result in results for number in result if number is not None]
        assert sorted(got) == list(range(50))


class TestReplace:
    def test_replace(self, cache):
        """It stores where there is a value, with the new time, and nowhere else."""
        assert cache.replace("k", 1, 60) is False
        assert not cache.has("k")
        cache.set("k", 1, None)
        assert cache.replace("k", [2], 60) is True
        assert (cache.get("k"), cache.ttl("k")) == ([2], pytest.approx(60, abs=3))

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_no_time_left(self, cache, timeout):
        """With no time left it removes the value there is."""
        assert cache.replace("k", 1, timeout) is False
        cache.set("k", 1, 60)
        assert cache.replace("k", 2, timeout) is True
        assert not cache.has("k")

    def test_past_its_time(self, stopped, clock):
        """What is past its deadline is not replaced."""
        clock.now += 30.1
        assert stopped.replace("k", "w", 60) is False
        assert stopped.replace("l", "w", 0) is False
        assert stopped.get_many(["k", "l"]) == {}

    def test_what_cannot_be_stored(self, cache):
        """It leaves what there is, as set does."""
        cache.set("k", 1, 60)
        with pytest.raises(EncodeError):
            cache.replace("k", lambda: None, 60)
        assert cache.get("k") == 1

    def test_never_brings_back(self, cache):
        """A value deleted while others replace it stays away."""
        for _ in range(10):
            cache.set("k", 0, 60)

            def work(me):
                if me == 0:
                    assert cache.delete("k")
                    return
                while cache.replace("k", me, 60):
                    pass

            run_threads(4, work)
            assert not cache.has("k")


class TestMoveVersion:
    @pytest.mark.parametrize("timeout", [1_000, None])
    @pytest.mark.parametrize("value", [5, ["v"], None])
    def test_keeps_value_and_time(self, cache, value, timeout):
        """The value is found in the other version, with the time it had left, and there alone."""
        cache.set("k", value, timeout)
        assert cache.move_version("k", 2) == 3
        assert cache.get("k", "gone", version=3) == value
        assert cache.get("k", "gone") == "gone"
        ttl = cache.ttl("k", version=3)
        assert ttl is None if timeout is None else 990 <= ttl <= 1_000
        assert cache.move_version("k", -1, version=3) == 2
        assert cache.get("k", "gone", version=2) == value

    def test_nowhere(self, cache):
        """By nothing it stays where it is."""
        cache.set("k", 1, 60)
        assert cache.move_version("k", 0) == 1
        assert cache.get("k") == 1

    def test_missing(self, stopped, clock):
        """Without a value, or past its deadline, nothing moves."""
        assert stopped.move_version("missing", 1) is None
        clock.now += 30.1
        assert stopped.move_version("k", 1) is None
        assert stopped.get("k", version=2) is None

    def test_replaces(self, cache):
        """What is in the other version already is replaced."""
        cache.set("k", "old", None, version=2)
        cache.set("k", "new", 60)
        assert cache.move_version("k", 1) == 2
        assert cache.get("k", version=2) == "new"
        assert cache.ttl("k", version=2) <= 60
