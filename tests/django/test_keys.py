"""Keys of the Django backend: how they are made, and what is said about strange ones."""

from __future__ import annotations

import warnings

import pytest
from django.core.cache.backends.base import CacheKeyWarning
from django.core.cache.backends.locmem import LocMemCache

from kt_cache.django import KyotoTycoonCache


class TestKeys:
    @pytest.mark.parametrize(
        "call",
        [
            lambda cache, key: cache.get(key),
            lambda cache, key: cache.get_many([key]),
            lambda cache, key: cache.has_key(key),
            lambda cache, key: key in cache,
            lambda cache, key: cache.set(key, 1),
            lambda cache, key: cache.set_many({key: 1}),
            lambda cache, key: cache.add(key, 1),
            lambda cache, key: cache.touch(key),
            lambda cache, key: cache.delete(key),
            lambda cache, key: cache.delete_many([key]),
        ],
        ids=range(10),
    )
    @pytest.mark.parametrize("key", ["a b", "tab\t", "nul\x00", "del\x7f", "x" * 251])
    def test_warnings(self, backend, call, key):
        """Each method warns of keys that memcached would refuse, as Django's backends do."""
        with pytest.warns(CacheKeyWarning) as caught:
            call(backend, key)
        reference = LocMemCache("warnings", {})
        with pytest.warns(CacheKeyWarning) as expected:
            reference.make_and_validate_key(key)
        messages = [str(warning.message) for warning in caught]
        assert messages == [str(warning.message) for warning in expected]

    @pytest.mark.parametrize("key", ["k", "ü☃", "a:b/c?d=e%20", "x" * 245, 5, ("a",)])
    def test_no_warning(self, backend, key):
        """Other keys pass without a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            backend.set(key, 1)
            assert backend.get(key) == 1

    def test_keys_that_are_warned_of_work(self, backend):
        """A warning is all: such keys store and find values."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheKeyWarning)
            for key in ("a b", "line\nfeed\t", "\x00", "x" * 10_000):
                backend.set(key, key)
                assert backend.get(key) == key

    def test_overridden_validate_key(self, location):
        """A subclass's own validate_key sees every stored key and may refuse it."""
        seen = []

        class Strict(KyotoTycoonCache):
            def validate_key(self, key):
                seen.append(key)
                if "!" in key:
                    raise ValueError(f"no: {key}")

        backend = Strict(location, {"KEY_PREFIX": "p", "VERSION": 3})
        backend.set("plain", 1)
        assert seen == ["p:3:plain"]
        with pytest.raises(ValueError, match="no: p:3:k!"):
            backend.set("k!", 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            backend.set("a b", 1)  # its own rule, not Django's

    def test_prefix_version_and_function(self, make_backend):
        """KEY_PREFIX, VERSION and KEY_FUNCTION make the stored key, in make_key and in calls."""
        plain = make_backend(KEY_PREFIX="p", VERSION=4)
        assert plain.make_key("k") == "p:4:k"
        assert plain.make_key("k", version=0) == "p:0:k"
        dotted = make_backend(KEY_FUNCTION="tests.django.keys.own_key", KEY_PREFIX="p")
        assert dotted.make_key("k") == "own-p-1-k"
        called = make_backend(KEY_FUNCTION=lambda key, prefix, version: f"{key}!")
        for backend in (plain, dotted, called):
            backend.set("k", "v")
            assert backend.client.exists(backend.make_key("k"))
        assert plain.client.count() == 3

    def test_replaced_key_function(self, backend):
        """key_func can be replaced on the object, as on Django's backends."""
        backend.set("k", 1)
        backend.key_func = lambda key, prefix, version: f"new-{key}"
        assert backend.get("k") is None
        backend.set("k", 2)
        assert backend.client.get_bytes("new-k") == b"2"
