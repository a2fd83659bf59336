"""Locks: one owner at a time, who is asked for, and for a time."""

from __future__ import annotations

import asyncio
import time

import pytest

from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import (
    ConfigError,
    ConnectError,
    LockError,
    LockNotAcquired,
    LockNotOwned,
    TransportError,
)
from kt_cache.testing import FaultProxy
from kt_cache.transport import PoolConfig
from tests.support.failing import dead_port
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.threads import run_threads

__all__ = ["dead_port"]


@pytest.fixture(params=["blocking", "asyncio"])
def lock(request, cache):
    """Make a lock, once with its blocking methods and once with its a-methods."""
    if request.param == "blocking":
        yield cache.lock
        return
    with loop_in_a_thread() as loop:
        yield lambda *args, **options: OverAsyncio(cache.lock(*args, **options), loop)


class TestOwners:
    def test_one_at_a_time(self, lock):
        """While one has the lock nobody else gets it; then the next one does."""
        mine, yours = lock("l", 60), lock("l", 60)
        assert mine.acquire() is True
        assert yours.acquire(blocking=False) is False
        assert yours.acquire(blocking_timeout=0.05) is False
        assert mine.release() is None
        assert yours.acquire(blocking=False) is True

    def test_who_has_it(self, lock):
        """Everybody sees that the lock is held, and the owner that it is theirs."""
        mine, yours = lock("l", 60), lock("l", 60)
        assert (mine.locked(), mine.owned()) == (False, False)
        mine.acquire()
        assert (mine.locked(), mine.owned()) == (True, True)
        assert (yours.locked(), yours.owned()) == (True, False)
        mine.release()
        assert (mine.locked(), mine.owned()) == (False, False)

    def test_not_the_owner(self, lock):
        """Only the owner can release or extend, and the others hear that they cannot."""
        mine, yours = lock("l", 60), lock("l", 60)
        mine.acquire()
        for call in (yours.release, yours.extend):
            with pytest.raises(LockNotOwned, match="does not hold the lock 'l'"):
                call()
        assert mine.owned()
        mine.release()
        with pytest.raises(LockNotOwned, match="does not hold the lock 'l'"):
            mine.release()

    def test_lost(self, lock, cache):
        """An owner who lost the lock hears of it, and the new owner keeps it."""
        for call in ("release", "extend"):
            mine, yours = lock("l", 60), lock("l", 60)
            mine.acquire()
            cache.flush()
            yours.acquire()
            assert not mine.owned()
            with pytest.raises(LockNotOwned, match="not held any more"):
                getattr(mine, call)()
            assert yours.owned()
            yours.release()

    def test_not_reentrant(self, lock):
        """Acquiring twice is refused, at once, instead of waiting for oneself."""
        mine = lock("l", 60)
        mine.acquire()
        with pytest.raises(LockError, match=r"already.*lock object of their own"):
            mine.acquire()
        assert mine.owned()

    def test_again(self, lock):
        """A lock that was released can be acquired again."""
        mine = lock("l", 60)
        for _ in range(3):
            assert mine.acquire()
            mine.release()

    def test_names(self, lock, cache):
        """Other names, versions, prefixes and values of that name are something else."""
        other = Cache(cache.store, cache.codec, prefix="other")
        held = [lock("l", 60), lock("m", 60), lock("l", 60, version=2), other.lock("l", 60)]
        for each in held:
            assert each.acquire(blocking=False)
        assert cache.get("l") is None
        cache.set("l", "value", 60)
        assert all(each.owned() for each in held)
        assert cache.get("l") == "value"

    def test_clear_leaves_it(self, lock, cache):
        """A lock outlives clear(), whatever makes the keys."""
        mine = lock("l", 60)
        mine.acquire()
        cache.clear()
        Cache(cache.store, cache.codec, key_function=lambda key, *_: key).clear()
        assert mine.owned()

    def test_mutual_exclusion(self, lock):
        """Of many who want it each gets it, one after the other."""
        inside, most = [], []

        def work(me):
            mine = lock("l", 60, sleep=0.005)
            assert mine.acquire()
            inside.append(me)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(me)
            mine.release()

        run_threads(10, work)
        assert most == [1] * 10

    def test_tasks_exclude_each_other(self, cache):
        """Tasks of one event loop exclude each other, too, and the threads beside it."""
        inside, most = [], []

        async def work(me):
            async with cache.lock("l", 60, sleep=0.005):
                inside.append(me)
                most.append(len(inside))
                await asyncio.sleep(0.002)
                inside.remove(me)

        async def main():
            await asyncio.gather(*(work(number) for number in range(20)))

        run_threads(2, lambda _: asyncio.run(main()))
        assert most == [1] * 40


class TestTime:
    def test_ends_by_itself(self, cache):
        """A lock whose time is over goes to who waits for it: late, never early."""
        names = ["for a thread", "for a task"]
        lost = {name: cache.lock(name, 1) for name in names}
        kept = cache.lock("kept", 1)
        began = time.monotonic()
        for mine in (*lost.values(), kept):
            mine.acquire()
        assert kept.extend(60) is True
        yours = {name: cache.lock(name, 60, blocking_timeout=10, sleep=0.02) for name in names}

        def wait(me):
            waiting = yours[names[me]]
            assert waiting.acquire() if me == 0 else asyncio.run(waiting.aacquire())
            return time.monotonic() - began

        assert all(1 <= seconds < 5 for seconds in run_threads(2, wait))
        for name in names:
            assert not lost[name].owned()
            with pytest.raises(LockNotOwned, match=r"1 s were over"):
                lost[name].release()
            assert yours[name].owned()
        assert kept.owned()

    def test_clocks_do_not_matter(self, stopped_store, clock):
        """Machines whose clocks are wrong do not take it early."""
        mine = Cache(stopped_store, Codec()).lock("l", 5)
        assert mine.acquire()
        for shift in (-3_600, 5.5, 6.5, 3_600):
            clock.now = time.time() + shift
            assert not Cache(stopped_store, Codec()).lock("l", 5).acquire(blocking=False)
            assert mine.owned()
        assert mine.extend()

    def test_waiting_has_an_end(self, lock):
        """Nobody waits for longer than they said."""
        lock("l", 60).acquire()
        began = time.monotonic()
        assert lock("l", 60, blocking_timeout=0.2, sleep=10).acquire() is False
        assert lock("l", 60, blocking=False).acquire() is False
        assert lock("l", 60).acquire(blocking_timeout=0) is False
        assert 0.2 <= time.monotonic() - began < 3
        assert lock("l", 7).blocking_timeout == 9  # as long as one that died could have it

    @pytest.mark.parametrize("timeout", [None, 0, -1, float("inf"), float("nan"), "5", b"5"])
    def test_a_time_is_needed(self, cache, timeout):
        """A lock without an end is refused, and so is anything that is no time."""
        with pytest.raises(ConfigError, match="timeout must be a positive number of seconds"):
            cache.lock("l", timeout)

    @pytest.mark.parametrize("option", ["blocking_timeout", "sleep"])
    def test_other_times(self, cache, option):
        """So are waiting times that are none."""
        with pytest.raises(ConfigError, match=f"{option} must be a positive number"):
            cache.lock("l", 5, **{option: -1})


class TestWith:
    def test_with(self, cache):
        """The lock is held within the block, however it ends."""
        with cache.lock("l", 60) as mine:
            assert mine.owned()
        assert not mine.locked()
        with pytest.raises(ZeroDivisionError), cache.lock("l", 60) as mine:
            raise ZeroDivisionError
        assert not mine.locked()

    def test_async_with(self, cache):
        """The same on an event loop."""

        async def main():
            async with cache.lock("l", 60) as mine:
                assert await mine.aowned()
            assert not await mine.alocked()
            with pytest.raises(ZeroDivisionError):
                async with cache.lock("l", 60) as mine:
                    raise ZeroDivisionError
            assert not await mine.alocked()

        asyncio.run(main())

    def test_in_vain(self, cache):
        """The block is not entered without the lock."""

        async def main():
            async with cache.lock("l", 60, blocking=False):
                pytest.fail("entered")

        cache.lock("l", 60).acquire()
        in_vain = pytest.raises(LockNotAcquired, match="somebody else has held the lock 'l'")
        with in_vain, cache.lock("l", 60, blocking_timeout=0.05):
            pytest.fail("entered")
        with pytest.raises(TimeoutError):
            asyncio.run(main())

    def test_lost_in_the_block(self, cache, caplog):
        """Losing the lock is an error of the block, unless that has one of its own."""
        with pytest.raises(LockNotOwned), cache.lock("l", 60):
            cache.flush()
        with pytest.raises(ZeroDivisionError), cache.lock("l", 60):
            cache.flush()
            raise ZeroDivisionError
        assert "'l' was not released" in caplog.text

    def test_cancelled(self, cache):
        """A task that is cancelled while it waits, or in the block, leaves no lock behind."""

        async def hold(mine, entered):
            async with mine:
                entered.set()
                await asyncio.sleep(60)

        async def main():
            first, second = cache.lock("l", 60), cache.lock("l", 60, sleep=0.01)
            entered = asyncio.Event()
            holder = asyncio.create_task(hold(first, entered))
            await entered.wait()
            waiter = asyncio.create_task(second.aacquire())
            await asyncio.sleep(0.03)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            assert await first.aowned()
            holder.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holder
            assert not await first.alocked()

        asyncio.run(main())

    def test_cancelled_at_any_moment(self, cache):
        """Also one that is cancelled while the server is about to give it the lock."""

        async def main():
            for moment in range(30):
                waiter = asyncio.create_task(cache.lock("l", 60).aacquire())
                await asyncio.sleep(moment / 20_000)
                waiter.cancel()
                try:
                    await waiter
                    cache.flush()
                except asyncio.CancelledError:
                    pass
                assert await cache.lock("l", 60).alocked() is False, moment

        asyncio.run(main())


class TestFailures:
    def test_no_server(self, dead_port):
        """Nothing is ignored: without a server nobody has a lock."""
        store = KyotoStore(PoolConfig(port=dead_port))
        mine = Cache(store, Codec()).lock("l", 60)
        with pytest.raises(ConnectError):
            mine.acquire()
        with pytest.raises(ConnectError):
            mine.locked()
        assert mine.owned() is False

    def test_answer_lost(self, any_server, cache):
        """Whether the lock was got is unknown: it is given back, and an error."""
        with FaultProxy(any_server.port, any_server.host) as proxy:
            config = PoolConfig(host=proxy.host, port=proxy.port, call_timeout=3.0)
            mine = Cache(KyotoStore(config), Codec()).lock("l", 60)
            mine.locked()  # there is a connection now
            proxy.cut(times=1)
            with pytest.raises(TransportError):
                mine.acquire()
        assert not cache.lock("l", 60).locked()

    def test_shows_no_token(self, cache, store):
        """What it looks like tells its name, not what would let others release it."""
        with cache.lock("l", 60) as mine:
            (record,) = [store.get(key) for key in store.keys(b"")]
            assert record.decode() not in repr(mine)
            assert "'l'" in repr(mine)
