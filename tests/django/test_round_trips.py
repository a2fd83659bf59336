"""How often Django's calls ask the server, counted by a proxy in between."""

from __future__ import annotations

from importlib import import_module

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches

HUNDRED = {f"key-{number}": f"value {number}" for number in range(100)}

CALLS = {
    "get": (lambda cache: cache.get("k"), 1),
    "get_many of 100": (lambda cache: cache.get_many(HUNDRED), 1),
    "set": (lambda cache: cache.set("k", "v"), 1),
    "set_many of 100": (lambda cache: cache.set_many(HUNDRED), 1),
    "add": (lambda cache: cache.add("new", "v"), 1),
    "delete": (lambda cache: cache.delete("k"), 1),
    "delete_many of 100": (lambda cache: cache.delete_many(HUNDRED), 1),
    "has_key": (lambda cache: cache.has_key("k"), 1),
    "in": (lambda cache: "k" in cache, 1),
    "get_or_set of a hit": (lambda cache: cache.get_or_set("k", "v"), 1),
    "get_or_set of a miss": (lambda cache: cache.get_or_set("new", "v"), 2),
    "touch": (lambda cache: cache.touch("k"), 1),
    "incr": (lambda cache: cache.incr("n"), 1),
    "decr": (lambda cache: cache.decr("n"), 1),
    "aget": (lambda cache: async_to_sync(cache.aget)("k"), 1),
    "aget_many of 100": (lambda cache: async_to_sync(cache.aget_many)(HUNDRED), 1),
    "aset": (lambda cache: async_to_sync(cache.aset)("k", "v"), 1),
    "aset_many of 100": (lambda cache: async_to_sync(cache.aset_many)(HUNDRED), 1),
    "aadd": (lambda cache: async_to_sync(cache.aadd)("new", "v"), 1),
    "adelete": (lambda cache: async_to_sync(cache.adelete)("k"), 1),
    "adelete_many of 100": (lambda cache: async_to_sync(cache.adelete_many)(HUNDRED), 1),
    "ahas_key": (lambda cache: async_to_sync(cache.ahas_key)("k"), 1),
    "atouch": (lambda cache: async_to_sync(cache.atouch)("k"), 2),
    "aincr": (lambda cache: async_to_sync(cache.aincr)("n"), 2),
    "adecr": (lambda cache: async_to_sync(cache.adecr)("n"), 2),
    "close": (lambda cache: cache.close(), 0),
    "make_key": (lambda cache: cache.make_key("k"), 0),
}


@pytest.mark.parametrize(("call", "trips"), CALLS.values(), ids=list(CALLS))
def test_cache(recorded_site, call, trips):
    """Each of Django's calls takes as many round trips as promised, the asynchronous ones too.

    Each event loop has connections of its own, so the first call that uses the script asks again
    whether it is there.
    """
    cache = caches["default"]
    cache.set_many({"k": "v", "n": 1})
    cache.touch("k")
    recorded_site.forget()
    call(cache)
    assert recorded_site.trips == trips


SESSION_CALLS = {
    "a new one is made": (lambda engine, session: engine.SessionStore().create(), 1),
    "a new one is saved": (lambda engine, session: engine.SessionStore().save(), 1),
    "load": (lambda engine, session: session.load(), 1),
    "read": (lambda engine, session: session["a"], 1),
    "read twice": (lambda engine, session: (session["a"], session.get("b")), 1),
    "exists": (lambda engine, session: session.exists(session.session_key), 1),
    "delete": (lambda engine, session: session.delete(), 1),
    "read and save": (lambda engine, session: (session["a"], session.save()), 1),
    "change and save": (lambda engine, session: (session.update({"a": 2}), session.save()), 2),
    "flush": (lambda engine, session: session.flush(), 1),
    "not touched": (lambda engine, session: session.session_key, 0),
}


@pytest.mark.parametrize(("call", "trips"), SESSION_CALLS.values(), ids=list(SESSION_CALLS))
def test_session(recorded_site, call, trips):
    """Loading, making, saving, looking for and ending a session take one round trip each."""
    engine = import_module("kt_cache.django.sessions")
    first = engine.SessionStore()
    first["a"] = 1
    first.save()
    session = engine.SessionStore(first.session_key)
    recorded_site.forget()
    call(engine, session)
    assert recorded_site.trips == trips
