"""What ``clear()`` and ``flush()`` remove, and what they leave."""

from __future__ import annotations

import time

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.cache.base import PROTECTED_PREFIX, PROTECTED_PREFIXES
from kt_cache.errors import ConfigError
from kt_cache.sessions import SessionStore
from tests.support.recording import read_request

FOREIGN = [b"app", b"appendix:1:k", b"app2:1:k", b"other:1:k", b":1:k", b"1:k", b"\xffapp:1:k"]


@pytest.fixture
def crowded(store):
    """A store with records of other programs, and a session."""
    store.set_many(dict.fromkeys(FOREIGN, b"v"), None)
    assert SessionStore(store, Codec("json")).create("id", {"a": 1}, 60)
    return store


def make_cache(store, **settings):
    return Cache(store, Codec(), **settings)


def by_name_alone(key, prefix, version):
    return f"{key}/{version}"


class TestClear:
    def test_all_versions_and_nobody_elses(self, crowded):
        """All versions under the prefix go; other prefixes, programs and sessions stay."""
        cache = make_cache(crowded, prefix="app")
        for version in (1, 2, 77):
            cache.set_many({"a": 1, "b": "v", "ü\n": None}, 60, version)
        assert cache.clear() == 9
        assert sorted(crowded.keys(b"app:")) == []
        assert sorted(key for key in crowded.keys(b"") if key in FOREIGN) == sorted(FOREIGN)
        assert SessionStore(crowded, Codec("json")).load("id").data == {"a": 1}

    def test_empty_prefix(self, crowded):
        """Without a prefix only keys without one go."""
        cache = make_cache(crowded)
        cache.set_many({"a": 1, "b": 2}, 60)
        assert cache.clear() == 3  # and ":1:k", which is of this form too
        left = [key for key in crowded.keys(b"") if not key.startswith(PROTECTED_PREFIX)]
        assert sorted(left) == sorted(set(FOREIGN) - {b":1:k"})
        assert SessionStore(crowded, Codec("json")).exists("id")

    @pytest.mark.parametrize("prefix", ["", "k", "kt", "kt-session", "kt-lock", "äö", "a b"])
    def test_sessions_outlive_every_prefix(self, crowded, prefix):
        """There is no prefix under which sessions are."""
        cache = make_cache(crowded, prefix=prefix)
        cache.set("k", "v", 60)
        assert cache.clear() >= 1
        assert not cache.has("k")
        assert SessionStore(crowded, Codec("json")).exists("id")

    @pytest.mark.parametrize("prefix", ["kt-session-", "kt-session-abc", "kt-lock-", "kt-tag-x"])
    def test_no_prefix_of_what_is_no_value(self, crowded, prefix):
        """A prefix that would hide values from clear(), among sessions or locks, is refused."""
        with pytest.raises(ConfigError, match="such as locks and sessions; choose another"):
            make_cache(crowded, prefix=prefix)

    def test_custom_key_function(self, crowded):
        """With a key function of one's own everything goes but the sessions."""
        cache = make_cache(crowded, prefix="app", key_function=by_name_alone)
        cache.set_many({"a": 1, "b": 2}, 60)
        assert cache.clear() == 2 + len(FOREIGN)
        assert [key[: len(PROTECTED_PREFIX)] for key in crowded.keys(b"")] == [PROTECTED_PREFIX]
        assert SessionStore(crowded, Codec("json")).load("id").data == {"a": 1}

    def test_twice(self, store):
        """Clearing what is clear removes nothing."""
        cache = make_cache(store, prefix="app")
        cache.set("k", "v", 60)
        assert cache.clear() == 1
        assert cache.clear() == 0
        cache.set("k", "w", 60)
        assert cache.get("k") == "w"

    def test_batches(self, recorded_store, proxy):
        """2,500 keys are listed and removed a thousand at a time, so no request takes long."""
        cache = make_cache(recorded_store, prefix="app")
        cache.set_many(dict.fromkeys(range(2_500), "v"), 60)
        proxy.forget()
        assert cache.clear() == 2_500
        sent = [read_request(request) for request in proxy.requests]
        assert [rows[0].command for rows in sent] == ["match_prefix", "remove_bulk"] * 3
        assert [len(rows) for rows in sent[1::2]] == [1_000, 1_000, 500]
        assert recorded_store.keys(b"") == []

    @pytest.mark.parametrize("function", [None, by_name_alone])
    def test_dead_records_still_listed(self, store, function):
        """It comes to an end over records that are dead but not swept yet."""
        cache = make_cache(store, key_function=function)
        past = -(int(time.time()) - 1_000)
        for number in range(1_500):
            key = cache.make_key(number)
            store.client.set_bytes(key, b"v", expire_time=past, no_reply=True)
        cache.set("alive", "v", 60)
        assert cache.get(7) is None
        began = time.monotonic()
        assert cache.clear() == 1
        assert time.monotonic() - began < 10
        assert cache.clear() == 0
        assert not cache.has("alive")

    def test_many_large_keys(self, store):
        """A listing of several megabytes is read whole."""
        cache = make_cache(store, prefix="app")
        cache.set_many({"x" * 1_000 + str(number): 1 for number in range(5_000)}, 60)
        assert cache.clear() == 5_000
        assert store.keys(b"") == []


def test_flush(crowded):
    """Flush removes everything: other prefixes, other programs, sessions."""
    make_cache(crowded, prefix="app").flush()
    assert crowded.keys(b"") == []


def test_protected_prefix_has_no_colon():
    """Keys under a prefix contain ``PREFIX:``, so without a colon none can reach sessions."""
    assert not any(b":" in prefix for prefix in PROTECTED_PREFIXES)
    assert SessionStore.record_key("id").startswith(PROTECTED_PREFIX)
