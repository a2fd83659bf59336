"""The cache on any store: keys, versions, prefixes and values."""

from __future__ import annotations

import logging
import threading

import pytest

from kt_cache.cache import Cache, Codec, default_key
from kt_cache.errors import DecodeError, EncodeError, KTError
from kt_cache.serializers import KT_JSON
from tests.support.threads import run_threads


class TestKeys:
    @pytest.mark.parametrize(
        ("prefix", "version", "key", "stored"),
        [
            ("", 1, "k", b":1:k"),
            ("app", 1, "k", b"app:1:k"),
            ("app", 7, "k", b"app:7:k"),
            ("app", 1, "", b"app:1:"),
            ("app", 1, "schlüssel ☃", "app:1:schlüssel ☃".encode()),
            ("app", 1, 42, b"app:1:42"),
            ("app", 1, ("a", 1), b"app:1:('a', 1)"),
            ("app", 1, None, b"app:1:None"),
            ("a:b", 1, "c:d", b"a:b:1:c:d"),
        ],
    )
    def test_stored_key(self, prefix, version, key, stored):
        """A stored key is prefix, version and key, as Django's default has it."""
        cache = Cache(None, Codec(), prefix=prefix, version=version)
        assert cache.make_key(key) == stored
        assert default_key(key, prefix, version).encode() == stored

    def test_version_zero_is_a_version(self):
        """Version 0 is not "none given"."""
        assert Cache(None, Codec(), version=5).make_key("k", 0) == b":0:k"

    def test_key_function(self, store):
        """A key function of one's own makes every stored key."""
        cache = Cache(store, Codec(), key_function=lambda key, prefix, version: f"<{key}>")
        cache.set_many({"a": 1, "b": 2}, 60)
        cache.add("c", 3, 60)
        assert sorted(store.keys(b"")) == [b"<a>", b"<b>", b"<c>"]
        assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2, "c": 3}

    def test_check_sees_every_key(self, store):
        """Each method has its stored keys checked before anything is sent."""
        seen = []
        cache = Cache(store, Codec(), prefix="p", check_key=seen.append)
        calls = [
            lambda: cache.get("k"),
            lambda: cache.get_many(["k"]),
            lambda: cache.has("k"),
            lambda: cache.set("k", 1, 60),
            lambda: cache.set_many({"k": 1}, 60),
            lambda: cache.add("k", 1, 60),
            lambda: cache.touch("k", 60),
            lambda: cache.incr("k"),
            lambda: cache.delete("k"),
            lambda: cache.delete_many(["k"]),
        ]
        for number, call in enumerate(calls, 1):
            call()
            assert seen == ["p:1:k"] * number

    def test_check_may_refuse(self, store):
        """A check that raises keeps the call from doing anything."""

        def refuse(key):
            raise ValueError(key)

        cache = Cache(store, Codec(), check_key=refuse)
        with pytest.raises(ValueError, match="k"):
            cache.set("k", 1, 60)
        assert store.keys(b"") == []

    @pytest.mark.parametrize("method", ["get", "has", "delete", "incr"])
    def test_key_that_utf8_cannot_carry(self, cache, method):
        """A key with a lone surrogate is an EncodeError that names it."""
        with pytest.raises(EncodeError, match=r"not valid Unicode.*\\ud800"):
            getattr(cache, method)("\ud800")

    def test_very_long_key(self, cache):
        """There is no limit of 250 characters here."""
        cache.set("k" * 100_000, "v", 60)
        assert cache.get("k" * 100_000) == "v"
        assert not cache.has("k" * 99_999)


class TestValues:
    def test_none_is_a_value(self, cache):
        """A stored None is found, by every way of looking."""
        cache.set("k", None, 60)
        assert cache.get("k", "default") is None
        assert cache.get_many(["k"]) == {"k": None}
        assert cache.has("k")
        assert not cache.add("k", 1, 60)

    def test_default(self, cache):
        """A miss is the default, whatever that is."""
        default = object()
        assert cache.get("k") is None
        assert cache.get("k", default) is default
        assert cache.get_many(["k"]) == {}

    def test_values_are_copies(self, cache):
        """Changing what was stored or read changes nothing in the cache."""
        value = {"list": [1]}
        cache.set("k", value, 60)
        value["list"].append(2)
        cache.get("k")["list"].append(3)
        assert cache.get("k") == {"list": [1]}

    def test_versions_and_prefixes_are_apart(self, store):
        """The same key under another version or prefix is another value."""
        one, two = Cache(store, Codec(), prefix="one"), Cache(store, Codec(), prefix="two")
        one.set("k", 1, 60)
        one.set("k", 2, 60, version=2)
        two.set("k", 3, 60)
        assert (one.get("k"), one.get("k", version=2), two.get("k")) == (1, 2, 3)
        assert one.incr("k", 10, version=2) == 12
        assert one.delete("k")
        assert (one.get("k"), one.get("k", version=2), two.get("k")) == (None, 12, 3)
        assert one.delete_many(["k"], version=2) == 1
        assert two.touch("k", 60)

    def test_get_many_takes_any_iterable(self, cache):
        """Keys may come from a generator, be of any type, and repeat."""
        cache.set_many({1: "a", "two": "b"}, 60)
        assert cache.get_many(key for key in (1, "two", 1, "missing")) == {1: "a", "two": "b"}
        assert cache.delete_many(key for key in (1, "two", "missing")) == 2


class TestEncodeErrors:
    @pytest.fixture
    def full(self, cache):
        cache.set_many({"k": "old", "l": "old"}, 60)
        return cache

    def test_what_was_stored_stays(self, full):
        """A value that cannot be stored leaves what is there."""
        for write in (full.set, full.add):
            with pytest.raises(EncodeError):
                write("k", threading.Lock(), 60)
        assert full.get("k") == "old"

    def test_set_many_stores_all_or_none(self, full):
        """One value that cannot be stored keeps all of a call from being stored."""
        with pytest.raises(EncodeError):
            full.set_many({"k": "new", "l": threading.Lock(), "m": "new"}, 60)
        assert full.get_many(["k", "l", "m"]) == {"k": "old", "l": "old"}


class TestIncr:
    def test_only_ints(self, cache):
        """What is not an int is refused and stays; a bool and a float are not ints here."""
        for value in ("5", 5.0, True, None, [1]):
            cache.set("k", value, 60)
            with pytest.raises(DecodeError, match="not an integer"):
                cache.incr("k")
            assert cache.get("k") == value

    @pytest.mark.parametrize("delta", [1.5, "1", None])
    def test_delta_must_be_an_int(self, cache, delta):
        """A delta that is not an int is refused; nothing is cut off, nothing stored."""
        cache.set("n", 1, 60)
        with pytest.raises(TypeError):
            cache.incr("n", delta)
        assert cache.get("n") == 1

    def test_beyond_64_bits(self, cache):
        """A number may grow beyond 64 bits, as Python's do, and come from there."""
        cache.set("n", 2**63 - 1, 60)
        assert cache.incr("n") == 2**63
        assert cache.get("n") == 2**63
        cache.set("n", 2**100, 60)
        assert cache.incr("n", -1) == 2**100 - 1

    def test_under_json(self, store):
        """Counters are the same whatever the serializer."""
        cache = Cache(store, Codec(KT_JSON))
        cache.set("n", 5, 60)
        assert cache.incr("n", 37) == 42
        assert store.client.get_bytes(cache.make_key("n")) == b"42"


class TestCount:
    def test_missing_counts_as_zero(self, cache):
        """A missing number is made with its timeout; that of an existing one stays."""
        assert cache.count("n", 5, 100) == 5
        ends = cache.store.client.expire_time(cache.make_key("n"))
        assert cache.count("n", -7, 1_000) == -2
        assert cache.count("n", True, None) == -1
        assert cache.store.client.expire_time(cache.make_key("n")) == ends
        assert cache.store.client.get_bytes(cache.make_key("n")) == b"-1"

    def test_no_time_left(self, cache):
        """With no time left the answer is right and nothing is stored."""
        assert cache.count("n", 5, 0) == 5
        assert not cache.has("n")

    def test_not_an_int(self, cache):
        """A value or a delta that is no int is refused."""
        cache.set("k", "5", 60)
        with pytest.raises(DecodeError):
            cache.count("k", 1, 60)
        for key in ("k", "new"):
            with pytest.raises(TypeError):
                cache.count(key, 0.5, 60)
        assert cache.get_many(["k", "new"]) == {"k": "5"}

    def test_many_at_once(self, cache):
        """However many start a number at the same moment, every count is in it."""
        for number in range(10):
            name = f"n{number}"
            results = run_threads(8, lambda me, n=name: [cache.count(n, 1, 60) for _ in range(5)])
            assert sorted(n for result in results for n in result) == list(range(1, 41))

    def test_meets_delete(self, cache):
        """Counting while others delete: every count starts from 0 or goes on, none fails."""

        def work(me):
            if me == 0:
                return [cache.delete("n") for _ in range(50)]
            return [cache.count("n", 1, 60) for _ in range(50)]

        results = run_threads(4, work)
        assert all(number >= 1 for result in results[1:] for number in result)


def test_errors_and_logs_never_show_values(cache, caplog):
    """No exception text and no log line of any failing call holds the value."""
    texts = []
    cache.set("k", ["4111-1111"], 60)
    attempts = [
        lambda: cache.incr("k"),
        lambda: cache.set("k", {"4111-1111": threading.Lock()}, 60),
        lambda: cache.set("\ud800", "4111-1111", 60),
        lambda: Cache(cache.store, Codec(KT_JSON)).set("k", {"4111-1111": b""}, 60),
        lambda: Cache(type(cache.store)(cache.store.config, db=9), Codec()).set(
            "k", "4111-1111", 1
        ),
    ]
    with caplog.at_level(logging.DEBUG):
        for attempt in attempts:
            with pytest.raises(KTError) as caught:
                attempt()
            texts += [str(caught.value), repr(caught.value)]
        Cache(cache.store, Codec(KT_JSON)).get("k")
    assert len(caplog.records) == 1
    assert "4111" not in caplog.text + "".join(texts)


def test_one_cache_object_in_many_threads(cache):
    """A cache object may be shared by threads: nobody sees another's value."""

    def work(me):
        for number in range(30):
            cache.set(f"{me}-{number}", [me, number], 60)
            assert cache.get(f"{me}-{number}") == [me, number]
        wanted = [f"{me}-{number}" for number in range(30)]
        return list(cache.get_many(wanted).values()) == [[me, number] for number in range(30)]

    assert run_threads(12, work) == [True] * 12
