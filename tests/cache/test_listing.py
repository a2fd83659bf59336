"""Listing keys and removing many, in threads and on event loops."""

from __future__ import annotations

import inspect
import itertools

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError
from kt_cache.sessions import SessionStore
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.recording import read_request

USERS = [f"user:{number}" for number in range(25)]
ODD = ["", "a:b", "*", "a*b", "a?b", "[a]", "\\", "schl\u00fcssel", "tab\t\n", " ", "\x00"]
FOREIGN = [
    b"app:2:user:1",
    b"app:10:user:1",
    b"app",
    b"app:1",
    b"application:1:user:1",
    b"app:1:\xff",
]


def reverse(stored):
    """Take apart what ``backwards`` made."""
    key, _, _ = stored.split("/")
    return key[::-1]


def backwards(key, prefix, version):
    return f"{str(key)[::-1]}/{prefix}/{version}"


@pytest.fixture(params=["blocking", "asyncio"])
def way(request):
    """Return what makes a cache's a-methods the ones that are tested, every other time."""
    if request.param == "blocking":
        yield lambda cache: cache
        return
    with loop_in_a_thread() as loop:
        yield lambda cache: OverAsyncio(cache, loop)


@pytest.fixture(params=["prefix:version:key", "own function"])
def cache(request, way, store):
    """A cache with keys, among those of others."""
    own = {"key_function": backwards, "reverse_key": reverse} if "own" in request.param else {}
    cache = Cache(store, Codec(), prefix="app", **own)
    cache.set_many(dict.fromkeys([*USERS, *ODD], "v"), 60)
    cache.set_many({"other version": 1, "user:1": 1}, 60, version=2)
    Cache(store, Codec(), prefix="app2", **own).set("other prefix", 1, 60)
    SessionStore(store, Codec("json")).create("id", {}, 60)
    store.set_many(dict.fromkeys(FOREIGN, b"v"), None)
    store.set(b"1:yek/x/y/z", b"v", None)
    return way(cache)


class TestKeys:
    def test_all(self, cache):
        """All keys of this prefix and version are listed, as they were given, and no others."""
        assert sorted(cache.keys()) == sorted(USERS + ODD)
        assert sorted(cache.iter_keys()) == sorted(USERS + ODD)
        assert sorted(cache.iter_keys("*", itersize=3)) == sorted(USERS + ODD)
        assert sorted(cache.keys(version=2)) == ["other version", "user:1"]
        assert sorted(cache.iter_keys("u*", version=2)) == ["user:1"]

    @pytest.mark.parametrize(
        ("pattern", "keys"),
        [
            ("user:*", USERS),
            ("user:?", USERS[:10]),
            ("user:1[3-5]", USERS[13:16]),
            ("*:7", ["user:7"]),
            ("user:7", ["user:7"]),
            ("a*b", ["a:b", "a*b", "a?b"]),
            (r"a\*b", ["a*b"]),
            (r"\[a\]", ["[a]"]),
            ("", [""]),
            ("schl?ssel", ["schl\u00fcssel"]),
            ("nothing*", []),
        ],
    )
    def test_patterns(self, cache, pattern, keys):
        """A pattern is held against the key as it was given."""
        assert sorted(cache.keys(pattern)) == sorted(keys)
        assert sorted(cache.iter_keys(pattern, itersize=4)) == sorted(keys)

    def test_stopping_half_way(self, cache):
        """A listing that nobody goes on with leaves nothing behind."""
        keys = cache.iter_keys("user:*", itersize=2)
        assert len(list(itertools.islice(keys, 3))) == 3
        keys.close()
        assert cache.delete_pattern("user:*") == 25

    def test_while_removing(self, cache):
        """What has been yielded may be removed at once."""
        assert [cache.delete(key) for key in cache.iter_keys("user:*", itersize=4)] == [True] * 25
        assert cache.keys("user:*") == []


class TestDelete:
    @pytest.mark.parametrize("itersize", [1, 7, 1000])
    def test_pattern(self, cache, itersize):
        """What the pattern matches goes and is counted; all else stays."""
        assert cache.delete_pattern("user:1*", itersize=itersize) == 11
        left = [name for name in USERS if not name.startswith("user:1")]
        assert sorted(cache.keys()) == sorted(left + ODD)
        assert cache.delete_pattern("user:1*") == 0
        assert sorted(cache.keys(version=2)) == ["other version", "user:1"]

    def test_prefix(self, cache):
        """A prefix is plain text, and of keys as they were given."""
        assert cache.delete_prefix("a*") == 1
        assert cache.delete_prefix("[") == 1
        assert cache.delete_prefix("\\") == 1
        assert cache.delete_prefix("user:2", version=2) == 0
        assert cache.delete_prefix("user:2") == 6
        assert cache.delete_prefix("", itersize=5) == 19 + len(ODD) - 3
        assert cache.keys() == []
        assert sorted(cache.keys(version=2)) == ["other version", "user:1"]

    def test_others_stay(self, cache, store):
        """Neither sessions nor records of others are touched, whatever the pattern."""
        before = set(store.keys(b""))
        assert cache.delete_pattern("*") == len(USERS) + len(ODD)
        after = set(store.keys(b""))
        assert set(FOREIGN) <= after
        assert SessionStore(store, Codec("json")).exists("id")
        assert len(before) - len(after) == len(USERS) + len(ODD)


@pytest.mark.parametrize("itersize", [0, -1, 1.5, "10", True, None])
def test_wrong_itersize(way, store, itersize):
    """A number of keys that cannot be is refused."""
    cache = way(Cache(store, Codec()))
    for call in (cache.delete_pattern, lambda *a, **b: list(cache.iter_keys(*a, **b))):
        with pytest.raises(ConfigError, match="itersize must be"):
            call("*", itersize=itersize)


@pytest.mark.parametrize("pattern", [None, b"*", 5])
def test_wrong_pattern(way, store, pattern):
    """A pattern that is no text is refused."""
    cache = way(Cache(store, Codec()))
    for call in (cache.keys, cache.delete_pattern):
        with pytest.raises(ConfigError, match="pattern must be text"):
            call(pattern)


def test_own_key_function_without_its_reverse(way, store):
    """Keys that cannot be taken apart cannot be listed; the error says what to do."""
    cache = way(Cache(store, Codec(), key_function=backwards))
    cache.set("k", "v", 60)
    for call in (cache.keys, lambda: cache.delete_pattern("*"), lambda: list(cache.iter_keys())):
        with pytest.raises(ConfigError, match="give its reverse too"):
            call()
    assert cache.get("k") == "v"


def test_own_keys_beside_locks_and_tags(way, store):
    """Where any text may be a key, records of locks, tags and sessions are still none."""
    own = {"key_function": lambda key, *_: str(key), "reverse_key": str}
    plain = Cache(store, Codec(), **own)
    cache = way(plain)
    held = plain.lock("l", 60)
    held.acquire()
    plain.set("k", "v", 60, tags=["t"])
    SessionStore(store, Codec("json")).create("id", {}, 60)
    assert cache.keys() == list(cache.iter_keys()) == ["k"]
    assert cache.keys("kt-*") == []
    assert cache.delete_pattern("kt-*") == 0
    assert cache.delete_pattern("*") == 1
    assert held.owned()
    assert store.keys(b"kt-tag-")
    assert SessionStore(store, Codec("json")).exists("id")


class Paged(StoreWrapper):
    """A store that lists in order, counts the parts, and lists records that are not there, too."""

    def __init__(self, store, ghosts=()):
        super().__init__(store)
        self.strict = self
        self.parts = 0
        self._ghosts = ghosts

    def _run(self, operation, call, *args):
        return self._part(*args) if operation == "page" else call(*args)

    async def _arun(self, operation, call, *args):
        return self._part(*args) if operation == "page" else await call(*args)

    def _part(self, prefix, after, size):
        self.parts += 1
        assert self.parts < 100, "it does not come to an end"
        keys = sorted([*self._store.keys(prefix), *self._ghosts])
        part = [key for key in keys if after is None or key > after][:size]
        return part, part[-1] if part and part[-1] != keys[-1] else None


class TestParts:
    def test_each_is_listed_once(self, way, store):
        """Where something stays in a part, removing goes on behind it instead of at the front."""
        paged = Paged(store)
        cache = way(Cache(paged, Codec()))
        cache.set_many(dict.fromkeys([f"{number:03}" for number in range(100)], "v"), 60)
        assert cache.delete_pattern("*7", itersize=10) == 10
        assert paged.parts == 10

    def test_records_that_are_gone(self, way, store):
        """Nor does it list for ever what is over and cannot be removed any more."""
        ghosts = [f":1:{number:03}".encode() for number in range(50)]
        paged = Paged(store, ghosts)
        cache = way(Cache(paged, Codec()))
        cache.set_many({"a": 1, "b": 2}, 60)
        assert cache.delete_pattern("*", itersize=10) == 2
        assert cache.keys() == []


def test_past_their_time(way, stopped_cache, clock):
    """Keys past their deadline are not listed, although the server still holds them."""
    stopped_cache.set_many(dict.fromkeys(map(str, range(250)), "v"), 30)
    stopped_cache.set_many({"alive": "v", "n": 5}, 60)
    clock.now += 30.1
    cache = way(stopped_cache)
    assert sorted(cache.keys()) == sorted(cache.iter_keys(itersize=9)) == ["alive", "n"]


def test_trips(recorded_store, proxy):
    """The pattern's beginning goes to the server; values are read a hundred at a time, and keys
    removed as many at a time as asked for.
    """
    cache = Cache(recorded_store, Codec(), prefix="app")
    cache.set_many(dict.fromkeys([f"a[{number}]" for number in range(250)], "v"), 60)
    proxy.forget()
    assert len(cache.keys("a\\[*")) == 250
    sent = [read_request(request) for request in proxy.requests]
    assert [rows[0].command for rows in sent] == ["match_prefix", *["get_bulk"] * 3]
    assert sent[0][0].key == b"app:1:a["
    proxy.forget()
    assert cache.delete_pattern("a*", itersize=200) == 250
    sent = [read_request(request) for request in proxy.requests]
    removals = [rows for rows in sent if rows[0].command == "remove_bulk"]
    assert [len(rows) for rows in removals] == [200, 50]


def test_every_method_has_a_twin():
    """What a cache does blocking it does on an event loop, with the same parameters."""
    methods = [name for name, _ in inspect.getmembers(Cache, inspect.isfunction)]
    alike = ("make_key", "make_keys", "lock")  # in either way
    plain = [name for name in methods if name[0] != "_" and name not in alike]
    blocking = [name for name in plain if not (name[0] == "a" and name[1:] in plain)]
    assert len(blocking) >= 23
    for name in blocking:
        twin = getattr(Cache, "a" + name)
        kind = (
            inspect.isasyncgenfunction if name.startswith("iter") else inspect.iscoroutinefunction
        )
        assert kind(twin)
        mine, theirs = inspect.signature(getattr(Cache, name)), inspect.signature(twin)
        assert mine.parameters == theirs.parameters
