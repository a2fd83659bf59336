"""The backend's calls beyond Django's API, in threads and on event loops."""

from __future__ import annotations

import datetime as dt
import inspect
import threading

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from kt_cache import KyotoTycoon
from kt_cache.django import KyotoTycoonCache
from kt_cache.django.extras import ExtraMethods
from kt_cache.errors import ConfigError
from tests.django.keys import own_key
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread


def take_apart(stored):
    return stored.rpartition("-")[2]


@pytest.fixture(params=["blocking", "asyncio"])
def way(request):
    """Return what makes a backend's a-methods the ones that are tested, every other time."""
    if request.param == "blocking":
        yield lambda backend: backend
        return
    with loop_in_a_thread() as loop:
        yield lambda backend: OverAsyncio(backend, loop)


@pytest.fixture
def backend(way, make_backend):
    return way(make_backend(TIMEOUT=50, KEY_PREFIX="shop"))


class TestSet:
    def test_nx(self, backend):
        """With nx it stores only where there is nothing, and says whether it did."""
        assert backend.set("k", 1, nx=True) is True
        assert backend.set("k", 2, nx=True) is False
        assert backend.get("k") == 1
        assert backend.ttl("k") in (49, 50)

    def test_xx(self, backend):
        """With xx it stores only where there is something, and says whether it did."""
        assert backend.set("k", 1, xx=True) is False
        assert backend.get("k") is None
        backend.set("k", 1, None)
        assert backend.set("k", 2, timeout=20, version=1, xx=True) is True
        assert backend.get("k") == 2
        assert backend.ttl("k") in (19, 20)

    def test_neither(self, backend):
        """Without them it returns nothing, as in Django."""
        assert backend.set("k", 1) is None
        assert backend.set("k", 1, 0) is None

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_no_time_left(self, backend, timeout):
        """With no time left nx stores nothing, and xx removes."""
        assert backend.set("k", 1, timeout, nx=True) is True
        assert backend.set("k", 1, timeout, xx=True) is False
        backend.set("k", 1)
        assert backend.set("k", 1, timeout, nx=True) is False
        assert backend.set("k", 1, timeout, xx=True) is True
        assert backend.get("k") is None

    def test_both(self, backend):
        """A value cannot be there and not."""
        with pytest.raises(ValueError, match="nx and xx exclude each other"):
            backend.set("k", 1, nx=True, xx=True)

    @pytest.mark.parametrize("condition", ["nx", "xx"])
    def test_what_cannot_be_pickled(self, backend, condition):
        """It raises what set raises, and leaves what there is."""
        backend.set("k", 1)
        with pytest.raises(TypeError, match="pickle"):
            backend.set("k", threading.Lock(), **{condition: True})
        with pytest.raises(TypeError, match="pickle"):
            backend.replace("k", threading.Lock())
        assert backend.get("k") == 1


class TestTimes:
    def test_all(self, backend):
        """Asking for the time left, and giving a value another end, or none."""
        backend.set("k", "v")
        assert backend.ttl("k") in (49, 50)
        assert backend.expire("k", 100) is True
        assert backend.ttl("k") in (99, 100)
        assert backend.expire("k", dt.timedelta(minutes=3)) is True
        assert backend.ttl("k") in (179, 180)
        when = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)
        assert backend.expire_at("k", when) is True
        assert backend.ttl("k") in (3599, 3600)
        assert backend.persist("k") is True
        assert backend.ttl("k") is None
        assert backend.expire("k", 0) is True
        assert backend.ttl("k") == 0

    def test_missing(self, backend):
        """Without a value there is nothing to change."""
        assert backend.ttl("k") == 0
        assert backend.expire("k", 5) is False
        assert backend.expire_at("k", 0) is False
        assert backend.persist("k") is False

    def test_versions(self, backend):
        """Every call takes a version."""
        backend.set("k", "v", 20, version=3)
        assert backend.expire("k", 30, version=3)
        assert backend.ttl("k", version=3) in (29, 30)
        assert backend.expire_at("k", 10**10, version=3)
        assert backend.persist("k", version=3)
        assert backend.ttl("k", version=3) is None
        assert backend.pop("k", version=3) == "v"
        assert backend.ttl("k", version=3) == 0


class TestVersions:
    def test_keep_the_timeout(self, backend):
        """incr_version and decr_version move the value with the time it has left."""
        backend.set("k", "v", 1_000)
        assert backend.incr_version("k") == 2
        assert backend.ttl("k", version=2) in (999, 1_000)
        assert backend.decr_version("k", version=2) == 1
        assert backend.ttl("k") in (998, 999, 1_000)
        backend.persist("k")
        assert backend.incr_version("k", 5) == 6
        assert backend.ttl("k", version=6) is None
        assert backend.get("k") is None

    def test_missing(self, backend):
        """Without a value they raise what Django's raise."""
        for call in (backend.incr_version, backend.decr_version):
            with pytest.raises(ValueError, match="Key 'k' not found"):
                call("k")


class TestKeys:
    def test_all(self, backend, make_backend):
        """Keys are listed, found by pattern and removed, those of other prefixes never."""
        make_backend(KEY_PREFIX="other").set("user:1", 1)
        backend.set_many({f"user:{number}": number for number in range(12)} | {"page": 1})
        assert sorted(backend.keys("user:1*")) == ["user:1", "user:10", "user:11"]
        assert sorted(backend.iter_keys("*e", itersize=2)) == ["page"]
        assert len(list(backend.iter_keys())) == len(backend.keys()) == 13
        assert backend.delete_pattern("user:1?") == 2
        assert backend.delete_prefix("user:", itersize=3) == 10
        assert backend.keys() == ["page"]
        assert backend.delete_pattern("*", version=2) == 0
        assert make_backend(KEY_PREFIX="other").keys() == ["user:1"]

    @pytest.mark.parametrize("reverse", [take_apart, "tests.django.test_extras.take_apart"])
    def test_own_key_function(self, way, make_backend, reverse):
        """With a KEY_FUNCTION it takes its reverse to list keys."""
        backend = way(make_backend(KEY_FUNCTION=own_key, REVERSE_KEY_FUNCTION=reverse))
        backend.set_many({"a": 1, "b": 2})
        backend.set("c", 3, version=2)
        assert sorted(backend.keys()) == ["a", "b"]
        assert backend.delete_pattern("a") == 1
        assert list(backend.iter_keys()) == ["b"]

    def test_own_key_function_alone(self, way, make_backend):
        """Without one the error says what to set."""
        backend = way(make_backend(KEY_FUNCTION=own_key))
        for call in (backend.keys, lambda: backend.delete_prefix("a")):
            with pytest.raises(ConfigError, match="REVERSE_KEY_FUNCTION"):
                call()

    @pytest.mark.parametrize("reverse", [5, "tests.django.nothing.reverse", "reverse"])
    def test_no_reverse_function(self, make_backend, reverse):
        """What is no function is ImproperlyConfigured."""
        with pytest.raises(ImproperlyConfigured, match="CACHES: REVERSE_KEY_FUNCTION"):
            make_backend(REVERSE_KEY_FUNCTION=reverse)


def test_get_client(make_backend):
    """get_client() is the direct client."""
    backend = make_backend()
    backend.set("n", 5)
    assert isinstance(backend.get_client(), KyotoTycoon)
    assert backend.get_client().get_bytes(backend.make_key("n")) == b"5"


SHARED = (
    *("set", "add", "get", "delete", "delete_many", "get_many", "set_many", "has_key", "touch"),
    *("incr", "decr", "incr_version", "ttl", "expire", "expire_at", "persist", "keys"),
    *("iter_keys", "delete_pattern", "lock", "clear"),
)


@pytest.mark.parametrize("name", [*SHARED, "get_client"])
def test_as_in_django_redis(name):
    """What is given by position means the same in django-redis, where that has the call."""
    reason = "django-redis, which the calls are compared with, is not installed"
    theirs = pytest.importorskip("django_redis.client", reason=reason).DefaultClient
    mine = _positional(getattr(KyotoTycoonCache, name))
    assert mine == _positional(getattr(theirs, name))[: len(mine)]


def _positional(method):
    parameters = list(inspect.signature(method).parameters.values())
    return [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]


def test_locks_take_keywords(make_backend):
    """A second argument, which is the version in django-redis, is never taken for a time."""
    with pytest.raises(TypeError, match="positional"):
        make_backend().lock("l", 2)
    with pytest.raises(TypeError, match="timeout"):
        make_backend().lock("l")


def test_through_the_proxy(site):
    """The calls are there on what Django hands out, with defaults from the setting."""
    caches["default"].set("k", 1, nx=True)
    assert caches["default"].ttl("k") in (299, 300)


def test_every_method_has_a_twin():
    """What a backend does blocking it does on an event loop, with the same parameters."""
    methods = dict(inspect.getmembers(ExtraMethods, inspect.isfunction))
    blocking = {name for name in methods if name[0] != "_"} - {"get_client"}
    blocking -= {"a" + name for name in blocking}
    assert len(blocking) >= 11
    for name in [*blocking, "set"]:
        mine, theirs = getattr(KyotoTycoonCache, name), getattr(KyotoTycoonCache, "a" + name)
        assert inspect.signature(mine).parameters == inspect.signature(theirs).parameters
