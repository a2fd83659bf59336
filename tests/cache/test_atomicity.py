"""What many threads at once may not break."""

from __future__ import annotations

import threading
import time

import pytest

from kt_cache import NEVER
from kt_cache.cache import Cache, Codec
from tests.support import servers
from tests.support.threads import run_threads

pytestmark = servers.WITH_AND_WITHOUT

# The one pair of operations that may undo each other without the script on the server: a touch
# that meets an increment. ``cas`` compares values, not times, so an increment can put back the
# time it read before the touch. See "Values and time" in the design.
EXCLUDED = {("touch", "incr"): "the touch may be lost, the increment never"}


class TestIncr:
    @pytest.mark.parametrize("timeout", [1000, None])
    def test_sixteen_thousand(self, cache, timeout):
        """16 threads x 1,000 incr end at exactly 16,000, with the end of its time unchanged."""
        each = 1_000 if timeout else 100
        cache.set("n", 0, timeout)
        key = cache.make_key("n")
        ends = cache.store.client.expire_time(key)
        results = run_threads(16, lambda me: [cache.incr("n") for _ in range(each)])
        assert cache.get("n") == 16 * each
        assert cache.store.client.expire_time(key) == ends
        # Every number was handed out to one of them, once, and in growing order to each.
        assert sorted(n for result in results for n in result) == list(range(1, 16 * each + 1))
        assert all(result == sorted(result) for result in results)

    def test_up_and_down(self, cache):
        """Adding and taking away at once cancel out."""
        cache.set("n", 7, 60)
        run_threads(8, lambda me: [cache.incr("n", -3 if me % 2 else 3) for _ in range(50)])
        assert cache.get("n") == 7

    def test_missing_is_never_made(self, cache):
        """Incr of a missing key by many at once makes no record."""
        results = run_threads(16, lambda me: [cache.incr("n") for _ in range(50)])
        assert {number for result in results for number in result} == {None}
        assert cache.store.keys(b"") == []

    def test_never_resurrects(self, cache):
        """After a delete has returned, no increment under way brings the counter back."""
        for _ in range(30):
            cache.set("n", 0, 60)

            def work(me):
                if me == 0:
                    assert cache.delete("n")
                    return
                while cache.incr("n") is not None:
                    pass

            run_threads(5, work)
            assert not cache.has("n")

    def test_against_its_own_end(self, cache):
        """Incr up to the moment the counter ends neither prolongs it nor brings it back."""
        cache.set("n", 0, 1)
        written = time.time()

        def work(me):
            began = time.time()
            while cache.incr("n") is not None:
                assert began - written < 2 + 0.1
                began = time.time()

        run_threads(4, work)
        assert not cache.has("n")

    def test_with_add(self, cache):
        """Add and incr at once: the counter starts once, and nothing of it is lost."""
        for number in range(20):
            name = f"n{number}"

            def work(me, name=name):
                cache.add(name, 0, 60)
                return cache.incr(name)

            results = run_threads(8, work)
            assert sorted(results) == list(range(1, 9))


class TestTouchMeetsIncr:
    def test_nothing_is_lost(self, cache, scripted):
        """A touch that meets increments is never undone by them, nor any of them by it."""
        if not scripted:
            pytest.skip(f"without the script {EXCLUDED['touch', 'incr']}")
        cache.set("n", 0, 1000)
        key = cache.make_key("n")
        expire_time = cache.store.client.expire_time

        def work(me):
            if me:
                return [cache.incr("n") for _ in range(150)]
            ends = []
            for number in range(50):
                timeout = None if number % 2 else 5000
                assert cache.touch("n", timeout)
                ends.append((expire_time(key) == NEVER) == (timeout is None))
            return ends

        touched, *_ = run_threads(6, work)
        assert all(touched)
        assert cache.get("n") == 5 * 150

    def test_what_holds_nevertheless(self, cache):
        """A touch that meets increments: none of these is lost, and the record's end is one of
        those that somebody asked for.
        """
        assert ("touch", "incr") in EXCLUDED
        cache.set("n", 0, 1000)
        key = cache.make_key("n")
        asked = {cache.store.client.expire_time(key)}
        done = threading.Event()

        def work(me):
            if me:
                for _ in range(100):
                    cache.incr("n")
                return
            while not done.is_set():
                assert cache.touch("n", None)
                asked.add(NEVER)
                time.sleep(0.001)
                if cache.get("n") == 300:
                    done.set()

        run_threads(4, work)
        assert cache.get("n") == 300
        assert cache.store.client.expire_time(key) in asked

    def test_touch_alone_holds(self, cache):
        """Without an increment in its way a touch is never lost, however many touch at once."""
        cache.set_many({"k": "v", "n": 5}, 1000)
        run_threads(8, lambda me: [cache.touch(name, None) for name in ("k", "n") * 10])
        for name in ("k", "n"):
            assert cache.store.client.expire_time(cache.make_key(name)) == NEVER
        assert cache.get_many(["k", "n"]) == {"k": "v", "n": 5}


class TestAdd:
    def test_exactly_one_of_sixteen(self, cache):
        """Of 16 threads that add the same key exactly one succeeds, and its value stays."""
        for number in range(50):
            name = f"k{number}"
            results = run_threads(16, lambda me, name=name: cache.add(name, f"by {me}", 60))
            (winner,) = [me for me, won in enumerate(results) if won]
            assert cache.get(name) == f"by {winner}"

    def test_hand_over(self, cache):
        """Add and delete as a lock: two never hold it at once, and all get their turn."""
        inside, most = [], []

        def work(me):
            for _ in range(20):
                while not cache.add("lock", me, 60):
                    time.sleep(0.0005)
                inside.append(me)
                most.append(len(inside))
                inside.remove(me)
                assert cache.delete("lock")

        run_threads(6, work)
        assert len(most) == 120
        assert set(most) == {1}


def test_caches_share_the_store(store):
    """Many cache objects in many threads see one set of records."""
    Cache(store, Codec()).set("n", 0, 60)

    def work(me):
        own = Cache(store, Codec())
        return [own.incr("n") for _ in range(20)]

    run_threads(8, work)
    assert Cache(store, Codec()).get("n") == 160
