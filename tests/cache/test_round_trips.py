"""How often each call asks the server, counted by a proxy in between."""

from __future__ import annotations

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.sessions import SessionStore
from tests.support import servers
from tests.support.recording import read_request
from tests.support.stores import StoppedClock

pytestmark = servers.WITH_AND_WITHOUT

HUNDRED = {f"key {number}": f"value {number}" for number in range(100)}

CALLS = {
    "get": (lambda cache: cache.get("k"), 1),
    "get, missing": (lambda cache: cache.get("missing"), 1),
    "get_many of 100": (lambda cache: cache.get_many(HUNDRED), 1),
    "get_many of none": (lambda cache: cache.get_many([]), 0),
    "has": (lambda cache: cache.has("k"), 1),
    "set": (lambda cache: cache.set("k", "v", 60), 1),
    "set of 1 MB": (lambda cache: cache.set("k", "v" * 10**6, 60), 1),
    "set, no time left": (lambda cache: cache.set("k", "v", 0), 1),
    "set_many of 100": (lambda cache: cache.set_many(HUNDRED, 60), 1),
    "set_many of 100, no time left": (lambda cache: cache.set_many(HUNDRED, 0), 1),
    "set_many of none": (lambda cache: cache.set_many({}, 60), 0),
    "add": (lambda cache: cache.add("new", "v", 60), 1),
    "add, no time left": (lambda cache: cache.add("new", "v", 0), 1),
    "delete": (lambda cache: cache.delete("k"), 1),
    "delete_many of 100": (lambda cache: cache.delete_many(HUNDRED), 1),
    "delete_many of 2,500": (lambda cache: cache.delete_many(range(2_500)), 1),
    "touch": (lambda cache: cache.touch("k", 60), 1),
    "touch, missing": (lambda cache: cache.touch("missing", 60), 1),
    "incr": (lambda cache: cache.incr("n"), 1),
    "incr, missing": (lambda cache: cache.incr("missing"), 1),
    "ttl": (lambda cache: cache.ttl("k"), 1),
    "expire_at": (lambda cache: cache.expire_at("k", 10**10), 1),
    "persist": (lambda cache: cache.persist("k"), 1),
    "pop": (lambda cache: cache.pop("k"), 1),
    "replace": (lambda cache: cache.replace("k", "w", 60), 2),
    "replace, missing": (lambda cache: cache.replace("missing", "w", 60), 1),
    "move_version": (lambda cache: cache.move_version("k", 1), 3),
    "keys, none": (lambda cache: cache.keys("x*"), 1),
    "keys, few": (lambda cache: cache.keys("k*"), 2),
    "delete_pattern, none": (lambda cache: cache.delete_pattern("x*"), 1),
    "delete_pattern, few": (lambda cache: cache.delete_pattern("k*"), 2),
    "clear of nothing": (lambda cache: Cache(cache.store, cache.codec, prefix="x").clear(), 1),
    "flush": (lambda cache: cache.flush(), 1),
    "get, tagged": (lambda cache: cache.get("tagged"), 2),
    "set, tagged": (lambda cache: cache.set("k", "v", 60, tags=["t"]), 2),
    "get_or_set": (lambda cache: cache.get_or_set("k", "w", 60), 1),
    "get_or_set, missing": (lambda cache: cache.get_or_set("missing", "w", 60), 2),
    "get_or_set, lock": (lambda cache: cache.get_or_set("k", "w", 60, lock=True), 1),
    "get_or_set, lock, missing": (lambda cache: cache.get_or_set("m", "w", 60, lock=True), 5),
    "get_or_set, stale": (lambda cache: cache.get_or_set("fresh", "w", 60, stale=60), 1),
    "get_or_set, tagged": (lambda cache: cache.get_or_set("tagged", "w", 60, tags=["t", "u"]), 1),
    "get_or_set, tagged, missing": (lambda cache: cache.get_or_set("m", "w", 60, tags=["t"]), 2),
    "get_or_set, a new tag": (lambda cache: cache.get_or_set("m", "w", 60, tags=["new"]), 3),
    "get_or_set, other tags": (lambda cache: cache.get_or_set("tagged", "w", 60, tags=["u"]), 2),
    "get_or_set, untagged": (lambda cache: cache.get_or_set("k", "w", 60, tags=["t"]), 1),
    "renew": (lambda cache: cache.renew("k", "w", 60), 1),
    "renew, tagged": (lambda cache: cache.renew("k", "w", 60, tags=["t"]), 2),
    "delete_tags": (lambda cache: cache.delete_tags(["t", "u"]), 1),
}

WITHOUT_SCRIPT = {"touch": 2, "incr": 2, "expire_at": 2, "persist": 2}  # those that take more

# The session has 50 of its 60 seconds left; the origin is that of a load.
SESSION_CALLS = {
    "load": (lambda sessions, origin: sessions.load("id"), 1),
    "load, missing": (lambda sessions, origin: sessions.load("missing"), 1),
    "create": (lambda sessions, origin: sessions.create("new", {"a": 1}, 60), 1),
    "create, taken": (lambda sessions, origin: sessions.create("id", {"a": 1}, 60), 1),
    "save": (lambda sessions, origin: sessions.save("id", {"a": 2}, 60, origin), 1),
    "save, never loaded": (lambda sessions, origin: sessions.save("id", {"a": 2}, 60), 1),
    "save, missing": (lambda sessions, origin: sessions.save("missing", {"a": 2}, 60), 1),
    "save, no time left": (lambda sessions, origin: sessions.save("id", {}, 0, origin), 1),
    "keep, changed": (lambda sessions, origin: sessions.keep("id", {"a": 2}, 60, origin), 1),
    "keep, due": (lambda sessions, origin: sessions.keep("id", {"a": 1}, 60, origin), 1),
    "keep, fresh": (lambda sessions, origin: sessions.keep("id", {"a": 1}, 52, origin), 0),
    "touch, due": (lambda sessions, origin: sessions.touch("id", 60, origin), 1),
    "touch, fresh": (lambda sessions, origin: sessions.touch("id", 52, origin), 0),
    "exists": (lambda sessions, origin: sessions.exists("id"), 1),
    "delete": (lambda sessions, origin: sessions.delete("id"), 1),
}


@pytest.fixture
def cache(recorded_store, proxy):
    cache = Cache(recorded_store, Codec())
    cache.incr("n")  # one trip is to ask whether the server has the script
    cache.set_many({"k": "v", "n": 1}, 60)
    cache.get_or_set("tagged", "v", 60, tags=["t", "u"])
    cache.get_or_set("fresh", "v", 60, stale=60)
    SessionStore(recorded_store, Codec("json")).create("id", {"a": 1}, 50)
    proxy.forget()
    return cache


@pytest.mark.parametrize("name", CALLS)
def test_cache(cache, proxy, scripted, name):
    """Each call of the cache takes as many round trips as promised."""
    call, trips = CALLS[name]
    call(cache)
    assert proxy.trips == (trips if scripted else WITHOUT_SCRIPT.get(name, trips))


@pytest.mark.parametrize("name", SESSION_CALLS)
def test_session(cache, proxy, name):
    """Each call of the session store takes as many round trips as promised."""
    call, trips = SESSION_CALLS[name]
    sessions = SessionStore(cache.store, Codec("json"))
    origin = sessions.load("id").origin
    proxy.forget()
    call(sessions, origin)
    assert proxy.trips == trips


def test_session_changed_by_two(cache, proxy):
    """A save that meets another one takes three trips: in vain, the record anew, and again."""
    sessions = SessionStore(cache.store, Codec("json"))
    one, two = sessions.load("id"), sessions.load("id")
    sessions.save("id", {"a": 2}, 60, one.origin)
    proxy.forget()
    sessions.save("id", {"a": 1, "b": 2}, 60, two.origin)
    commands = [read_request(request)[0].command for request in proxy.requests]
    assert commands == ["cas", "get_bulk", "cas"]


def test_add_of_a_taken_key(cache, proxy, scripted):
    """Without the script, add that is refused takes a second trip, to see whether the holder's
    time is over.
    """
    assert not cache.add("k", "v", 60)
    commands = [read_request(request)[0].command for request in proxy.requests]
    assert commands == (["ktcacheadd"] if scripted else ["add", "get_bulk"])


def test_add_over_a_record_past_its_time(cache, proxy, scripted):
    """Add over a record that the server holds past its deadline takes one trip, or three."""
    clock = StoppedClock()
    store = type(cache.store)(cache.store.config, clock=clock)
    store.set(b"k", b"\x81v", 30)
    clock.now += 30.1
    proxy.forget()
    assert store.add(b"k", b"\x81w", 30)
    assert proxy.trips == (1 if scripted else 3)


def test_bulk_calls_name_everything_once(cache, proxy):
    """One trip really carries all hundred."""
    cache.set_many(HUNDRED, 60)
    assert cache.get_many(HUNDRED) == HUNDRED
    cache.delete_many(HUNDRED)
    assert [len(read_request(request)) for request in proxy.requests] == [100, 100, 100]
