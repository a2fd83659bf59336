"""Locks, tags and protected values through Django's backend."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from kt_cache.errors import LockNotAcquired
from tests.support.threads import run_threads


def test_default_timeout(make_backend):
    """A value that get_or_set makes has the alias's timeout unless told otherwise."""
    backend = make_backend(TIMEOUT=1_000)
    for options in ({}, {"lock": True}, {"tags": ["t"]}):
        backend.clear()
        backend.get_or_set("default", lambda: 1, **options)
        backend.get_or_set("given", lambda: 1, 50, **options)
        backend.get_or_set("ever", lambda: 1, None, **options)
        assert 900 < backend.ttl("default") <= 1_000
        assert 40 < backend.ttl("given") <= 50
        assert backend.ttl("ever") is None


def test_fifty_threads(backend):
    """One of many threads calls the function."""
    calls = []

    def function():
        calls.append(1)

    results = run_threads(50, lambda _: backend.get_or_set("k", function, 60, lock=True))
    assert (set(results), len(calls)) == ({None}, 1)


def test_fifty_tasks(backend):
    """One of many tasks awaits the function; versions are taken as elsewhere."""
    calls = []

    async def function():
        calls.append(1)
        await asyncio.sleep(0.02)
        return "made"

    async def main():
        calling = (backend.aget_or_set("k", function, 60, 2, lock=True) for _ in range(50))
        return await asyncio.gather(*calling)

    assert (set(asyncio.run(main())), len(calls)) == ({"made"}, 1)
    assert (backend.get("k"), backend.get("k", version=2)) == (None, "made")


def test_values_that_cannot_be_pickled(backend):
    """It raises what Django's own backends raise."""
    for options in ({}, {"lock": True}):
        with pytest.raises((TypeError, pickle.PicklingError)):
            backend.get_or_set("k", threading.Lock, 60, **options)
        with pytest.raises((TypeError, pickle.PicklingError)):
            asyncio.run(backend.aget_or_set("k", threading.Lock, 60, **options))


def test_locks(make_backend):
    """A lock is shared by all handles of the same prefix, and by no other."""
    with make_backend().lock("l", timeout=60) as lock:
        assert lock.owned()
        with pytest.raises(LockNotAcquired):
            make_backend().lock("l", timeout=60, blocking=False).__enter__()
        assert make_backend(KEY_PREFIX="p").lock("l", timeout=60).acquire(blocking=False)
        assert make_backend().lock("l", timeout=60, version=2).acquire(blocking=False)
    assert not lock.locked()


def test_tags(backend):
    """Every call that stores takes tags, and its a-method too."""

    async def store():
        await backend.aset("aset", 1, tags=["t"])
        await backend.aset_many({"aset_many": 1}, tags=["t"])
        await backend.aadd("aadd", 1, tags=["t"])
        await backend.aset("nx", 1, nx=True, tags=["t"])
        await backend.aget_or_set("aget_or_set", 1, tags=["t"])
        await backend.aset("areplace", 0)
        await backend.areplace("areplace", 1, tags=["t"])

    async def delete():
        await backend.adelete_tag("t")
        await backend.adelete_tags(["t", "u"])

    for delete_all in (
        lambda: backend.delete_tag("t"),
        lambda: backend.delete_tags(["t", "u"]),
        lambda: asyncio.run(delete()),
    ):
        asyncio.run(store())
        backend.set("set", 1, tags=["t"])
        backend.set_many({"set_many": 1}, tags=["t"])
        backend.add("add", 1, tags=["t"])
        backend.set("replace", 0)
        backend.set("replace", 1, xx=True, tags=["t"])
        backend.get_or_set("get_or_set", 1, tags=["t"])
        backend.set("other", 1)
        names = ["aset", "aset_many", "aadd", "nx", "aget_or_set", "areplace", "set"]
        names += ["set_many", "add", "replace", "get_or_set", "other"]
        assert backend.get_many(names) == dict.fromkeys(names, 1)
        delete_all()
        assert backend.get_many(names) == {"other": 1}
        backend.clear()


def test_a_tag_may_be_any_text(make_backend, recwarn):
    """No CacheKeyWarning comes for a tag or a lock, whatever is in its name."""
    backend = make_backend()
    backend.set("k", 1, tags=["with blanks", "x" * 300])
    with backend.lock("a lock's name", timeout=5):
        assert backend.get("k") == 1
    assert not recwarn.list
