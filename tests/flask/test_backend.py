"""What the backend promises beyond what cachelib's own caches do, and where it is stricter."""

from __future__ import annotations

import inspect
import pickle

import cachelib
import pytest

from kt_cache import KyotoTycoon
from kt_cache.django import KyotoTycoonCache as DjangoCache
from kt_cache.errors import EncodeError
from kt_cache.flask import KyotoTycoonCache


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


class TestNumbers:
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
