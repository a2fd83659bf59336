"""The calls beyond cachelib's, which the backend and the extension have in common."""

from __future__ import annotations

import datetime as dt
import inspect
import pickle
import threading
import time
from datetime import timedelta

import pytest
from flask_caching import Cache as FlaskCaching

from kt_cache import NEVER
from kt_cache.cache import Lock
from kt_cache.errors import ConfigError, LockNotAcquired
from kt_cache.flask import KTCache, KyotoTycoonCache
from kt_cache.flask.coordination import CoordinationMethods
from kt_cache.flask.extras import ExtraMethods
from kt_cache.flask.methods import CacheMethods
from tests.flask.conftest import make_app
from tests.support.threads import run_threads


@pytest.fixture(params=["backend", "extension"])
def cache(request, any_url) -> KyotoTycoonCache | KTCache:
    """Each of both, on an empty database of each kind of server."""
    if request.param == "backend":
        return KyotoTycoonCache(any_url)
    return KTCache(make_app(KT_CACHE_URL=any_url))


class TestInterface:
    @pytest.mark.parametrize("part", [CacheMethods, CoordinationMethods, ExtraMethods])
    def test_both_have_every_call(self, part):
        """Backend and extension have the same calls, with the same words about them."""
        names = {name for name in vars(part) if not name.startswith("_")}
        assert names
        for name in names:
            ours = inspect.getattr_static(KTCache, name)
            assert ours is inspect.getattr_static(KyotoTycoonCache, name)
            assert inspect.getdoc(ours)


class TestTime:
    def test_ttl(self, cache):
        """Seconds left, 1 at least; None for ever, 0 if there is no value."""
        cache.set("k", "v", 100)
        assert 95 <= cache.ttl("k") <= 100
        cache.set("k", "v", 0.3)
        assert cache.ttl("k") in {0, 1}
        cache.set("k", "v", 0)
        assert cache.ttl("k") is None
        assert cache.ttl("missing") == 0

    @pytest.mark.parametrize("timeout", [2000, 1999.5, timedelta(seconds=2000)], ids=repr)
    def test_expire(self, cache, timeout):
        """A new time from now, whatever the earlier one was."""
        cache.set("k", "v", 0)
        assert cache.expire("k", timeout) is True
        assert 1990 < cache.ttl("k") <= 2000
        assert cache.get("k") == "v"
        assert cache.expire("missing", timeout) is False

    @pytest.mark.parametrize("timeout", [0, -1, timedelta(0)], ids=repr)
    def test_expire_at_once(self, cache, timeout):
        """No seconds are none, other than in a timeout, where 0 is for ever."""
        cache.set("k", "v")
        assert cache.expire("k", timeout) is True
        assert cache.has("k") is False
        assert cache.expire("k", timeout) is False

    def test_expire_at(self, cache):
        """A moment is a datetime or a Unix time; one in the past removes the value."""
        cache.set("k", "v")
        assert cache.expire_at("k", time.time() + 2000) is True
        assert 1990 < cache.ttl("k") <= 2000
        assert cache.expire_at("k", dt.datetime.now(dt.timezone.utc) + timedelta(hours=1)) is True
        assert 3590 < cache.ttl("k") <= 3600
        assert cache.expire_at("k", time.time() - 1) is True
        assert cache.get("k") is None
        with pytest.raises(ConfigError, match="when must be"):
            cache.expire_at("k", "tomorrow")

    def test_persist(self, cache):
        """It never ends then."""
        cache.set("k", "v", 10)
        assert cache.persist("k") is True
        assert cache.ttl("k") is None
        assert cache.persist("missing") is False


class TestValues:
    def test_default(self, cache):
        """A missing value is what the caller says; a stored None is none that is missing."""
        assert cache.get("k", "nothing") == "nothing"
        cache.set("k", None)
        assert cache.get("k", "nothing") is None

    def test_pop(self, cache):
        """Of many who pop a value one gets it."""
        cache.set("k", {"a": 1})
        popped = run_threads(4, lambda number: cache.pop("k", "none left"))
        assert sorted(popped, key=str) == ["none left"] * 3 + [{"a": 1}]
        assert cache.pop("k") is None

    def test_replace(self, cache):
        """Only what is there is replaced; the timeout is one of cachelib's."""
        assert cache.replace("k", 1) is False
        assert cache.has("k") is False
        cache.set("k", 1)
        assert cache.replace("k", 2, 0) is True
        assert (cache.get("k"), cache.ttl("k")) == (2, None)
        assert cache.replace("k", 3) is True
        assert 290 < cache.ttl("k") <= 300

    def test_counting_with_a_timeout(self, cache):
        """A new number gets the timeout, an old one keeps its own."""
        assert cache.incr("n", timeout=1000) == 1
        end = cache.client.expire_time(cache.make_key("n"))
        assert 990 < end - time.time() <= 1002
        assert cache.incr("n", 5, timeout=0) == 6
        assert cache.decr("n", timeout=10) == 5
        assert cache.client.expire_time(cache.make_key("n")) == end
        assert cache.decr("m", 2, timeout=timedelta(0)) == -2
        assert cache.client.expire_time(cache.make_key("m")) == NEVER

    @pytest.mark.parametrize("name", ["replace", "get_or_set"])
    def test_what_cannot_be_stored(self, cache, name):
        """It is cachelib's error, and the earlier value stays."""
        cache.set("k", 1)
        key = "k" if name == "replace" else "other"
        with pytest.raises(pickle.PickleError, match="pickle cannot encode") as caught:
            getattr(cache, name)(key, threading.Lock() if name == "replace" else threading.Lock)
        assert type(caught.value).__module__ == "kt_cache.flask.terms"
        assert cache.get("k") == 1


class TestKeys:
    def test_listing(self, cache):
        """Keys are listed as they were given, without the prefix."""
        cache.set_many({"user:1": 1, "user:2": 2, "page": 3})
        assert sorted(cache.keys()) == ["page", "user:1", "user:2"]
        assert sorted(cache.keys("user:?")) == ["user:1", "user:2"]
        assert sorted(cache.iter_keys("user:*", itersize=1)) == ["user:1", "user:2"]
        assert cache.keys("nothing*") == []

    def test_deleting(self, cache):
        """A pattern, or a text that may hold the pattern's signs."""
        cache.set_many({"user:1": 1, "user:2": 2, "user*": 3, "page": 4})
        assert cache.delete_pattern("*:2") == 1
        assert cache.delete_prefix("user*") == 1
        assert cache.delete_prefix("user") == 1
        assert cache.keys() == ["page"]
        with pytest.raises(ConfigError, match="itersize"):
            cache.delete_prefix("p", itersize=0)


class TestTags:
    def test_every_call_that_stores(self, cache):
        """What was stored with a tag is gone when that is deleted, and nothing else."""
        cache.set("replaced", 0)
        cache.set("set", 1, tags=["some"])
        cache.set_many({"a": 2, "b": 3}, tags=["some", "more"])
        assert cache.add("add", 4, tags=["some"]) is True
        assert cache.replace("replaced", 5, tags=["some"]) is True
        assert cache.get_or_set("made", lambda: 6, tags=["some"]) == 6
        cache.set("other", 7, tags=["others"])
        keys = ("set", "a", "b", "add", "replaced", "made", "other")
        assert cache.get_many(*keys) == [1, 2, 3, 4, 5, 6, 7]
        assert cache.delete_tag("some") is None
        assert cache.get_many(*keys) == [None] * 6 + [7]
        cache.delete_tags(["others", "nobody's"])
        assert cache.has("other") is False

    def test_under_flask_caching(self, any_url):
        """Flask-Caching hands arguments through, so tags can be given there, too."""
        app = make_app(CACHE_TYPE="kt_cache.flask.KyotoTycoonCache", CACHE_KT_URL=any_url)
        cache = FlaskCaching(app)
        with app.app_context():
            cache.set("k", "v", timeout=60, tags=["some"])
            assert cache.get("k") == "v"
            cache.cache.delete_tag("some")
            assert cache.get("k") is None


class TestMakingValues:
    def test_made_once(self, cache):
        """A missing value is made and stored, with the default timeout."""
        made = []
        for _ in range(2):
            assert cache.get_or_set("k", lambda: made.append(1) or "v") == "v"
        assert made == [1]
        assert 290 < cache.ttl("k") <= 300
        assert cache.get_or_set("plain", "value", 0) == "value"
        assert cache.ttl("plain") is None

    def test_one_makes_it(self, cache):
        """With a lock one of many threads makes the value, and the others wait for it."""
        made = []

        def make():
            made.append(1)
            time.sleep(0.2)
            return "v"

        assert run_threads(6, lambda number: cache.get_or_set("k", make, lock=30)) == ["v"] * 6
        assert made == [1]

    def test_stale(self, cache):
        """An old value is better than an error."""

        def fail():
            raise ValueError("not today")

        assert cache.get_or_set("k", lambda: "old", 0.1, stale=60) == "old"
        time.sleep(0.15)
        assert cache.get_or_set("k", fail, 0.1, stale=60) == "old"

    def test_wrong_option(self, cache):
        """What is not understood is said at once, not when the value is missing."""
        with pytest.raises(ConfigError, match="beta"):
            cache.get_or_set("k", "v", beta=-1)

    def test_coroutine_function(self, cache):
        """It needs the call with an ``a``."""

        async def make():
            raise AssertionError

        with pytest.raises(ConfigError, match="begins with an 'a'"):
            cache.get_or_set("k", make)


class TestLocks:
    def test_one_holds_it(self, cache):
        """Somebody else gets it when it is released; it is no value."""
        with cache.lock("report", timeout=30) as lock:
            assert isinstance(lock, Lock)
            assert lock.owned()
            assert not cache.lock("report", timeout=30).acquire(blocking=False)
            with pytest.raises(LockNotAcquired):
                cache.lock("report", timeout=30, blocking_timeout=0.05, sleep=0.01).__enter__()
            assert cache.keys() == []
            cache.clear()
            assert lock.locked()
        assert cache.lock("report", timeout=30, blocking=False).acquire()

    def test_a_time_must_be_given(self, cache):
        """There is no lock without an end."""
        with pytest.raises(TypeError):
            cache.lock("report")
        with pytest.raises(ConfigError, match="timeout"):
            cache.lock("report", timeout=0)
