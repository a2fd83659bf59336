"""cachelib's contract in our own words: every documented method and what it returns."""

from __future__ import annotations

import datetime as dt
import inspect
import pickle
import uuid
from decimal import Decimal

import cachelib
import pytest

from kt_cache import KyotoTycoon
from kt_cache.django import KyotoTycoonCache as DjangoCache
from kt_cache.errors import EncodeError
from kt_cache.flask import KyotoTycoonCache
from tests.support.threads import run_threads

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


class Unpicklable:
    """A value that pickle refuses, in the manner of locks and sockets."""

    def __reduce__(self):
        raise TypeError("cannot pickle this")


class TestInterface:
    def test_it_is_a_cachelib_cache(self, backend):
        """Whatever asks for a cachelib backend gets one, with every method of its interface."""
        assert isinstance(backend, cachelib.BaseCache)
        for name, method in inspect.getmembers(cachelib.BaseCache, inspect.isfunction):
            if name.startswith("_"):
                continue
            ours = list(inspect.signature(getattr(KyotoTycoonCache, name)).parameters.values())
            theirs = list(inspect.signature(method).parameters)
            assert [each.name for each in ours[: len(theirs)]] == theirs, name
            assert all(each.default is not each.empty for each in ours[len(theirs) :]), name

    def test_default_timeout_and_prefix_can_be_given_by_position(self, any_url):
        """URL, default timeout and prefix come in this order, as the documentation shows them."""
        backend = KyotoTycoonCache(any_url, 60, "shop")
        assert backend.default_timeout == 60
        assert backend.make_key("k") == b"shop:1:k"

    def test_delete_many_errors_are_accepted(self, any_url):
        """The option of cachelib's backends is taken and kept."""
        assert KyotoTycoonCache(any_url).ignore_delete_many_errors is True
        strict = KyotoTycoonCache(any_url, ignore_delete_many_errors=False)
        assert strict.ignore_delete_many_errors is False
        assert strict.delete_many("missing") == ["missing"]


class TestSetAndGet:
    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    def test_any_value_comes_back(self, backend, value):
        """``set`` returns True, and ``get`` an equal value of the same type."""
        assert backend.set("k", value) is True
        found = backend.get("k")
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize("key", KEYS)
    def test_any_text_is_a_key(self, backend, key):
        """Keys may have any characters and length."""
        assert backend.set(key, "v")
        assert backend.get(key) == "v"
        assert backend.get_many(key) == ["v"]
        assert backend.delete(key) is True

    def test_a_missing_value_is_none(self, backend):
        """``get`` of a key that is not there returns None."""
        assert backend.get("k") is None

    def test_set_overwrites(self, backend):
        """The last value counts."""
        backend.set("k", 1)
        backend.set("k", "two")
        assert backend.get("k") == "two"

    def test_has_tells_a_stored_none_from_a_missing_value(self, backend):
        """``has`` is True for whatever was stored, None included, and False for the rest."""
        backend.set("k", None)
        assert backend.has("k") is True
        assert backend.has("other") is False


class TestMany:
    def test_get_many_keeps_the_order_of_the_keys(self, backend):
        """One item for each key, in the keys' order, None for a missing one."""
        backend.set_many({"a": 1, "b": "two", "c": None})
        assert backend.get_many("c", "missing", "b", "a", "b") == [None, None, "two", 1, "two"]

    def test_get_dict_has_every_key(self, backend):
        """``get_dict`` gives the same as a dictionary, missing ones as None."""
        backend.set("a", 1)
        assert backend.get_dict("a", "missing") == {"a": 1, "missing": None}

    def test_set_many_returns_the_stored_keys(self, backend):
        """``set_many`` returns a list of the keys it stored: all of them."""
        stored = backend.set_many({"a": 1, "b": [2]})
        assert isinstance(stored, list)
        assert sorted(stored) == ["a", "b"]
        assert backend.get_many("a", "b") == [1, [2]]

    def test_delete_many_returns_the_keys_that_are_gone(self, backend):
        """Every key is gone afterwards, so each is in the list, also one that was not there."""
        backend.set_many({"a": 1, "b": 2, "c": 3})
        gone = backend.delete_many("a", "missing", "b")
        assert gone == ["a", "missing", "b"]
        assert backend.get_many("a", "b", "c") == [None, None, 3]

    def test_nothing_asked_is_nothing_done(self, backend):
        """No keys, no values: empty answers."""
        assert backend.get_many() == []
        assert backend.get_dict() == {}
        assert backend.set_many({}) == []
        assert backend.delete_many() == []


class TestAddAndDelete:
    def test_add_stores_only_what_is_missing(self, backend):
        """``add`` returns True if it stored the value, False if there was one, which stays."""
        assert backend.add("k", 1) is True
        assert backend.add("k", 2) is False
        assert backend.get("k") == 1

    def test_add_is_atomic(self, backend):
        """Of many threads that add the same key at once, exactly one succeeds."""
        assert sum(run_threads(8, lambda number: backend.add("k", number))) == 1

    def test_delete_tells_whether_there_was_a_value(self, backend):
        """``delete`` returns True for a value, False if there is none."""
        backend.set("k", 1)
        assert backend.delete("k") is True
        assert backend.delete("k") is False
        assert backend.get("k") is None


class TestNumbers:
    def test_a_missing_number_counts_as_zero(self, backend):
        """``inc`` and ``dec`` of a missing key store and return the difference."""
        assert backend.inc("up") == 1
        assert backend.inc("ups", 5) == 5
        assert backend.dec("down") == -1
        assert backend.dec("downs", 5) == -5
        assert backend.get_many("up", "ups", "down", "downs") == [1, 5, -1, -5]

    def test_a_stored_number_is_changed(self, backend):
        """``inc`` and ``dec`` return the new number, which is what ``get`` finds."""
        backend.set("k", 10)
        assert backend.inc("k") == 11
        assert backend.dec("k", 20) == -9
        assert backend.inc("k", -1) == -10
        assert backend.get("k") == -10

    @pytest.mark.parametrize("value", ["text", "12", 1.5, None, True, [1]], ids=repr)
    def test_only_integers_can_be_counted(self, backend, value):
        """Anything but an ``int`` is a TypeError and stays what it is."""
        backend.set("k", value)
        for call in (backend.inc, backend.dec):
            with pytest.raises(TypeError, match="'k' is not an integer"):
                call("k")
        assert backend.get("k") == value

    def test_the_difference_is_an_integer(self, backend):
        """A difference that is not an integer is a TypeError; one of another type counts as one."""

        class Three:
            def __index__(self):
                return 3

        for key in ("missing", "k"):
            with pytest.raises(TypeError):
                backend.inc(key, 1.5)
            assert backend.get(key) is None
        assert [backend.inc("k", Three()), backend.inc("k", True), backend.inc("k")] == [3, 4, 5]

    def test_no_count_is_lost(self, backend):
        """Counting is atomic between threads, from the first one on."""
        run_threads(8, lambda number: [backend.inc("k") for _ in range(20)])
        assert backend.get("k") == 160


class TestClear:
    def test_clear_removes_this_prefix_only(self, any_url, kt: KyotoTycoon):
        """``clear`` returns True and removes what is under the prefix, nobody else's records."""
        ours, other = (KyotoTycoonCache(any_url, key_prefix=name) for name in ("shop", "shop2"))
        ours.set_many({str(number): number for number in range(10)})
        other.set("k", "kept")
        kt.set("by hand", "kept")
        assert ours.clear() is True
        assert ours.get_many("0", "9") == [None, None]
        assert other.get("k") == "kept"
        assert kt.get("by hand") == "kept"
        assert ours.clear() is True

    def test_apps_with_the_same_prefix_share_their_values(self, any_url):
        """Two backends with the same prefix, of two processes for instance, are one cache."""
        first, second = (KyotoTycoonCache(any_url, key_prefix="shop") for _ in range(2))
        first.set("k", "v")
        assert second.get("k") == "v"
        assert KyotoTycoonCache(any_url, key_prefix="other").get("k") is None


class TestOtherPrograms:
    def test_django_and_flask_share_values(self, any_url):
        """With the same database, prefix and serializer, what one stores the other finds."""
        django = DjangoCache(any_url, {"KEY_PREFIX": "shop"})
        flask = KyotoTycoonCache(any_url, key_prefix="shop")
        django.set("k", {"a": (1, None)})
        assert flask.get("k") == {"a": (1, None)}
        assert flask.inc("n") == 1
        assert django.incr("n") == 2
        assert flask.delete("k") is True
        assert django.get("k") is None


class TestValuesThatCannotBeStored:
    @pytest.mark.parametrize("value", [Unpicklable(), lambda: 1], ids=["object", "function"])
    def test_it_is_a_pickle_error(self, backend, value):
        """What pickle refuses is a ``PickleError``, one of ours too, that quotes no value."""
        for call in (backend.set, backend.add):
            with pytest.raises(pickle.PickleError, match="pickle cannot encode") as caught:
                call("k", value)
            assert isinstance(caught.value, EncodeError)
        assert backend.has("k") is False

    def test_the_earlier_value_stays(self, backend):
        """A refused value leaves what was stored before, in ``set_many`` for all keys."""
        backend.set_many({"a": 1, "b": 2})
        with pytest.raises(pickle.PickleError):
            backend.set("a", Unpicklable())
        with pytest.raises(pickle.PickleError):
            backend.set_many({"a": "new", "b": Unpicklable()})
        assert backend.get_many("a", "b") == [1, 2]

    def test_other_serializers_refuse_in_the_same_way(self, any_url):
        """A value that JSON cannot carry is the same error."""
        backend = KyotoTycoonCache(any_url, serializer="json")
        with pytest.raises(pickle.PickleError, match="json cannot encode set"):
            backend.set("k", {1})


class TestSerializers:
    def test_another_serializer_can_be_chosen(self, any_url):
        """``serializer`` decides how values are stored; JSON gives back what JSON can carry."""
        backend = KyotoTycoonCache(any_url, serializer="json")
        backend.set("k", {"a": (1, 2)})
        assert backend.get("k") == {"a": [1, 2]}
        assert b'{"a":[1,2]}' in backend.client.get_bytes(backend.make_key("k"))

    def test_what_another_serializer_wrote_is_missing(self, any_url, caplog):
        """A pickled value is never unpickled by a backend that reads JSON: it is a miss."""
        KyotoTycoonCache(any_url).set("k", {"a": 1})
        backend = KyotoTycoonCache(any_url, serializer="json")
        assert backend.get("k") is None
        assert backend.has("k") is False
        assert backend.get_many("k") == [None]
        assert "unreadable value counts as missing" in caplog.text
        with pytest.raises(TypeError):
            backend.inc("k")

    def test_a_broken_value_is_missing(self, backend):
        """A record that cannot be decoded is a miss and no exception."""
        backend.set("k", {"a": 1})
        key = backend.make_key("k")
        backend.client.set_bytes(key, backend.client.get_bytes(key)[:-3])
        assert backend.get("k") is None
