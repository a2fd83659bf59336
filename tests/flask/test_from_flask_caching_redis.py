"""What the documentation says is different from Flask-Caching's Redis backend, on both."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from importlib.metadata import version
from types import ModuleType

import pytest
from flask_caching import Cache

from tests.flask.caching_site import CACHE_TYPE
from tests.flask.conftest import make_app

# What the page says of other packages is said of these.
DESCRIBED = {"flask-caching": "2.5.", "cachelib": "0.17."}
IS_DESCRIBED = all(version(name).startswith(start) for name, start in DESCRIBED.items())


class Side:
    """Caches of an app on one backend.

    :ivar app: whose.
    """

    name: str

    def __init__(self, **config: str) -> None:
        self.app = make_app(**config)
        self._made: list[Cache] = []

    def cache(self, prefix: str = "shop") -> Cache:
        """Return a new cache."""
        cache = Cache(self.app, config={"CACHE_KEY_PREFIX": prefix})
        self._made.append(cache)
        return cache

    def stored(self) -> set[str]:
        """Return the keys on the server."""
        raise NotImplementedError

    def seconds_left(self, key: str) -> int | None:
        """Return how long a value is kept; ``None`` for ever, 0 if there is none."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind."""


class OnRedis(Side):
    name = "RedisCache"

    def __init__(self, port: int) -> None:
        super().__init__(CACHE_TYPE=self.name, CACHE_REDIS_URL=f"redis://127.0.0.1:{port}/0")

    def stored(self) -> set[str]:
        return {key.decode() for key in self._client.scan_iter()}

    def seconds_left(self, key: str) -> int | None:
        left = self._client.ttl(f"shop{key}")
        return {-1: None, -2: 0}.get(left, left)

    @property
    def _client(self):
        return self._made[0].cache._read_client

    def close(self) -> None:
        self._client.flushdb()
        for cache in self._made:
            cache.cache._read_client.close()


class OnOurs(Side):
    name = "KyotoTycoonCache"

    def __init__(self, url: str) -> None:
        super().__init__(CACHE_TYPE=CACHE_TYPE, CACHE_KT_URL=url)

    def stored(self) -> set[str]:
        return set(self._made[0].cache.client.match_prefix(""))

    def seconds_left(self, key: str) -> int | None:
        return self._made[0].cache.ttl(key)


@pytest.fixture(params=["redis_port", "url"], ids=["RedisCache", "KyotoTycoonCache"])
def side(request) -> Iterator[Side]:
    """Each of the two in turn."""
    kind = OnRedis if request.param == "redis_port" else OnOurs
    if kind is OnRedis and not IS_DESCRIBED:
        pytest.skip(f"docs/how-to/from-flask-caching-redis.md describes {DESCRIBED}")
    side = kind(request.getfixturevalue(request.param))
    with side.app.app_context():
        yield side
    side.close()


@pytest.fixture
def cache(side) -> Cache:
    return side.cache()


def test_keys(side, cache):
    """The prefix is a part of the key there, and has a colon behind it here."""
    side.app.add_url_rule("/", view_func=cache.cached()(lambda: "home"), endpoint="home")
    side.app.test_client().get("/")
    key = {"RedisCache": "shopview//", "KyotoTycoonCache": "shop:1:view//"}[side.name]
    assert side.stored() == {key}


def test_clear(side, cache):
    """What begins with the prefix goes there, what is under it here."""
    others = [side.cache(prefix) for prefix in ("shopping", "shop:eu")]
    for each in (cache, *others):
        each.set("k", 1)
    assert len(side.stored()) == 3
    assert cache.clear() is True
    found = [each.get("k") for each in others]
    assert found == ([None, None] if side.name == "RedisCache" else [1, None])
    assert cache.clear() is (side.name != "RedisCache")


def test_timeouts(side, cache):
    """0 is for ever; what is below that is something else, -1 included."""
    cache.set("k", 1, timeout=0)
    assert side.seconds_left("k") is None
    if side.name == "RedisCache":
        cache.set("k", 1, timeout=-1)
        assert side.seconds_left("k") is None
        with pytest.raises(Exception, match="invalid expire time"):
            cache.set("k", 1, timeout=-5)
        return
    for timeout in (-1, -5):
        cache.set("k", 1, timeout=timeout)
        assert side.seconds_left("k") == 0


def test_counting(side, cache):
    """A new number stays for ever there, and for the default timeout here."""
    assert cache.cache.inc("n") == 1
    assert cache.get("n") == 1
    left = side.seconds_left("n")
    assert left is None if side.name == "RedisCache" else 240 < left <= 300
    cache.set("text", "one")
    with pytest.raises(Exception if side.name == "RedisCache" else TypeError, match="integer"):
        cache.cache.inc("text")


def test_a_class_that_is_gone(side, cache, monkeypatch):
    """A value that cannot be loaded is made at each call there, and once here."""
    module = ModuleType("an_earlier_release")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("class Report: pass", module.__dict__)
    cache.set("report", module.Report())
    del module.Report
    runs = itertools.count(1)
    report = cache.cached(key_prefix="report")(lambda: next(runs))
    assert [report(), report()] == ([1, 2] if side.name == "RedisCache" else [1, 1])
