"""cachelib's contract in our own words, for cachelib's own cache and for both of ours."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from decimal import Decimal
from importlib.metadata import version

import cachelib
import pytest

from kt_cache.flask import KTCache, KyotoTycoonCache
from tests.flask.conftest import make_app
from tests.support.threads import run_threads

CACHES = {
    "backend": lambda url: KyotoTycoonCache(url, key_prefix="test"),
    "extension": lambda url: KTCache(make_app(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX="test")),
}
if tuple(map(int, version("cachelib").split(".")[:2])) >= (0, 17):  # before, it promised less
    CACHES["cachelib"] = lambda url: cachelib.SimpleCache()

VALUES = {
    "none": None,
    "false": False,
    "zero": 0,
    "negative": -7,
    "large": 10**50,
    "fraction": 1.5,
    "text": "käse ☂ \0",
    "empty": "",
    "digits": "123",
    "bytes": b"\x00\x01\xff",
    "containers": {"list": [1, "two"], "tuple": (1,), "set": {1}, 5: None},
    "datetime": dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc),
    "decimal": Decimal("1.10"),
    "object": uuid.UUID(int=5),
}
KEYS = ["k", "käse", "two words", "a:b", "line\nbreak", "", "x" * 1000]
FOR_EVER = [0, dt.timedelta(0)]
LONG = [None, 60, dt.timedelta(minutes=1)]


@pytest.fixture(params=CACHES)
def cache(request, any_url):
    """Each of them in turn, empty."""
    return CACHES[request.param](any_url)


class TestSetAndGet:
    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    def test_any_value_comes_back(self, cache, value):
        """``set`` returns True, and ``get`` an equal value of the same type."""
        assert cache.set("k", value) is True
        found = cache.get("k")
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize("key", KEYS)
    def test_any_text_is_a_key(self, cache, key):
        """Keys may have any characters and length."""
        assert cache.set(key, "v")
        assert cache.get(key) == "v"
        assert cache.get_many(key) == ["v"]
        assert cache.delete(key) is True

    def test_values_are_copies(self, cache):
        """Changing what was stored, or what came back, changes nothing in the cache."""
        value = {"list": [1]}
        cache.set("k", value)
        value["list"].append(2)
        cache.get("k")["list"].append(3)
        assert cache.get("k") == {"list": [1]}

    def test_a_missing_value_is_none(self, cache):
        """``get`` of a key that is not there returns None."""
        assert cache.get("k") is None

    def test_set_overwrites(self, cache):
        """The last value counts, of whatever type it is."""
        cache.set("k", 1)
        assert cache.set("k", "two") is True
        assert cache.get("k") == "two"

    def test_has_tells_a_stored_none_from_a_missing_value(self, cache):
        """``has`` is True for whatever was stored, None included, and False for the rest."""
        cache.set("k", None)
        assert cache.has("k") is True
        assert cache.has("other") is False


class TestMany:
    def test_get_many_keeps_the_order_of_the_keys(self, cache):
        """One item for each key, in the keys' order, None for a missing one."""
        cache.set_many({"a": 1, "b": "two", "c": None})
        assert cache.get_many("c", "missing", "b", "a", "b") == [None, None, "two", 1, "two"]

    def test_get_dict_has_every_key(self, cache):
        """``get_dict`` gives the same as a dictionary, missing ones as None."""
        cache.set_many({"a": 1, "b": 2})
        found = cache.get_dict("b", "missing", "a")
        assert found == {"b": 2, "missing": None, "a": 1}
        assert list(found) == ["b", "missing", "a"]

    def test_set_many_returns_the_stored_keys(self, cache):
        """``set_many`` returns a list of the keys it stored: all of them."""
        assert cache.set_many({"a": 1, "b": [2]}) == ["a", "b"]
        assert cache.get_many("a", "b") == [1, [2]]

    def test_delete_many_returns_the_keys_that_are_gone(self, cache):
        """Every key is gone afterwards, so each is in the list, also one that was not there."""
        cache.set_many({"a": 1, "b": 2, "c": 3})
        assert cache.delete_many("a", "missing", "b") == ["a", "missing", "b"]
        assert cache.get_many("a", "b", "c") == [None, None, 3]

    def test_nothing_asked_is_nothing_done(self, cache):
        """No keys, no values: empty answers."""
        assert cache.get_many() == []
        assert cache.get_dict() == {}
        assert cache.set_many({}) == []
        assert cache.delete_many() == []


class TestAddAndDelete:
    def test_add_stores_only_what_is_missing(self, cache):
        """``add`` returns True if it stored the value, False if there was one, which stays."""
        assert cache.add("k", None) is True
        assert cache.add("k", 2) is False
        assert cache.get("k") is None
        assert cache.has("k") is True

    def test_add_is_atomic(self, cache):
        """Of many threads that add the same key at once, exactly one succeeds."""
        assert sum(run_threads(8, lambda number: cache.add("k", number))) == 1

    def test_delete_tells_whether_there_was_a_value(self, cache):
        """``delete`` returns True for a value, False if there is none."""
        cache.set("k", None)
        assert cache.delete("k") is True
        assert cache.delete("k") is False
        assert cache.has("k") is False

    def test_clear(self, cache):
        """``clear`` returns True and leaves nothing, also where there was nothing."""
        cache.set_many({"a": 1, "b": 2}, 0)
        assert cache.clear() is True
        assert cache.get_many("a", "b") == [None, None]
        assert cache.clear() is True


class TestNumbers:
    def test_a_missing_number_counts_as_zero(self, cache):
        """``inc`` and ``dec`` of a missing key store and return the difference."""
        assert cache.inc("up") == 1
        assert cache.inc("ups", 5) == 5
        assert cache.dec("down") == -1
        assert cache.dec("downs", 5) == -5
        assert cache.get_many("up", "ups", "down", "downs") == [1, 5, -1, -5]

    def test_a_stored_number_is_changed(self, cache):
        """``inc`` and ``dec`` return the new number, which is what ``get`` finds."""
        cache.set("k", 10)
        assert cache.inc("k") == 11
        assert cache.dec("k", 20) == -9
        assert cache.inc("k", -1) == -10
        assert cache.dec("k", -10) == 0
        assert cache.get("k") == 0

    @pytest.mark.parametrize("value", ["text", "12", [1]], ids=repr)
    def test_what_is_no_number_cannot_be_counted(self, cache, value):
        """It is a TypeError, and the value stays."""
        cache.set("k", value)
        for call in (cache.inc, cache.dec):
            with pytest.raises(TypeError):
                call("k")
        assert cache.get("k") == value

    def test_no_count_is_lost(self, cache):
        """Counting is atomic between threads, from the first one on."""
        run_threads(8, lambda number: [cache.inc("k") for _ in range(20)])
        assert cache.get("k") == 160


class TestTimeouts:
    @pytest.mark.parametrize("timeout", [*FOR_EVER, *LONG], ids=repr)
    def test_kept(self, cache, timeout):
        """None is the default, 0 is for ever, all else so many seconds: it is there for now."""
        assert cache.set("a", 1, timeout) is True
        assert cache.set_many({"b": 2}, timeout) == ["b"]
        assert cache.add("c", 3, timeout) is True
        assert cache.get_many("a", "b", "c") == [1, 2, 3]

    @pytest.mark.parametrize("timeout", [-1, dt.timedelta(seconds=-60)], ids=repr)
    def test_gone_at_once(self, cache, timeout):
        """Below 0 a value is gone, the earlier one with it."""
        cache.set_many({"a": 0, "b": 0})
        assert cache.set("a", 1, timeout) is True
        assert cache.set_many({"b": 2}, timeout) == ["b"]
        assert cache.add("c", 3, timeout) is True
        assert [cache.has(key) for key in "abc"] == [False] * 3

    def test_over(self, any_url):
        """When its time is over a value is missing for every call, and can be added."""
        caches = [make(any_url) for make in CACHES.values()]
        for number, cache in enumerate(caches):
            cache.set(f"a{number}", "v", 1)
            cache.set_many({f"b{number}": [2]}, dt.timedelta(seconds=1))
            cache.add(f"c{number}", None, timeout=1)
            cache.set(f"kept{number}", 4, 0)
        time.sleep(1.2)
        for number, cache in enumerate(caches):
            keys = [f"{letter}{number}" for letter in "abc"]
            assert cache.get_many(*keys) == [None] * 3
            assert [cache.has(key) for key in keys] == [False] * 3
            assert cache.add(keys[0], "new") is True
            assert cache.get(f"kept{number}") == 4
