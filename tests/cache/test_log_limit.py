"""One line of each kind per interval, and a count of the others."""

from __future__ import annotations

from kt_cache.cache.log_limit import LogLimit
from tests.support.clocks import Clock
from tests.support.threads import run_threads


def test_one_line_per_interval():
    """The first is logged, the next ones are counted until the interval is over."""
    clock = Clock()
    limit = LogLimit(30, clock=clock)
    assert limit.take("ReadTimeout") == 0
    assert [limit.take("ReadTimeout") for _ in range(5)] == [None] * 5
    clock.now += 29.9
    assert limit.take("ReadTimeout") is None
    clock.now += 0.1
    assert limit.take("ReadTimeout") == 6
    clock.now += 30
    assert limit.take("ReadTimeout") == 0


def test_kinds_do_not_hide_each_other():
    """A line of one kind does not hold one of another kind back."""
    limit = LogLimit(30, clock=Clock())
    assert limit.take("ReadTimeout") == 0
    assert limit.take("ConnectError") == 0
    assert limit.take("ReadTimeout") is None


def test_no_line_is_lost_between_threads():
    """What many threads hold back at once is counted to the last one."""
    clock = Clock()
    limit = LogLimit(30, clock=clock)

    def take(_: int) -> list[int | None]:
        return [limit.take("kind") for _ in range(500)]

    taken = [each for several in run_threads(8, take) for each in several]
    assert taken.count(0) == 1
    assert taken.count(None) == 8 * 500 - 1
    clock.now += 30
    assert limit.take("kind") == 8 * 500 - 1


def test_after_a_fork():
    """A child process logs its own first line, even if a thread held the lock at the fork."""
    limit = LogLimit(30, clock=Clock())
    limit.take("kind")
    run_threads(1, lambda _: limit._lock.acquire())
    limit.reset_after_fork()
    assert run_threads(1, lambda _: limit.take("kind"), timeout=10) == [0]
