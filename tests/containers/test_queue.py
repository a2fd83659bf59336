"""Queues: every method, on every server, with either client."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import Queue
from kt_cache.errors import ConfigError, ServerError
from tests.containers.conftest import Make


def ranked(make: Make) -> Any:
    """Return a queue of items that are their own scores, added in no order."""
    queue = make("Queue", "q")
    for score in (3, -1, 2, 0, 1):
        queue.add(score, score)
    return queue


def test_first_in_first_out(make: Make) -> None:
    """One item, several, or none."""
    queue = make("Queue", "q.1%-[")  # nothing in a key is a pattern
    assert queue.add("a") == 1
    assert queue.add({"b": None}) == 2
    assert queue.extend(["c", "d", "e"]) == 3
    assert queue.extend([]) == 0
    assert queue.count() == 5
    assert queue.pop() == "a"
    assert queue.pop(2) == [{"b": None}, "c"]
    assert queue.rpop() == "e"
    assert queue.pop(5) == ["d"]
    assert queue.pop() is queue.rpop() is None
    assert queue.pop(3) == queue.pop(0) == []
    assert queue.add("f") == 6
    assert queue.clear() == 1
    assert queue.clear() == 0
    assert queue.add("g") == 1


def test_higher_scores_come_first(make: Make) -> None:
    """Items of one score come in the order they were added."""
    queue = ranked(make)
    queue.extend(["a", "b"], 1)
    assert queue.peek(-1) == [3, 2, 1, "a", "b", 0, -1]
    assert queue.rpeek(3) == [-1, 0, "b"]
    assert queue.peek() == 3
    assert queue.rpeek() == -1
    assert queue.pop(-1) == [3, 2, 1, "a", "b", 0, -1]


def test_a_lowest_score(make: Make) -> None:
    """Items below it do not count, from whichever end one looks."""
    queue = ranked(make)
    assert queue.peek(9, min_score=1) == [3, 2, 1]
    assert queue.rpeek(2, min_score=0) == [0, 1]
    assert queue.rpeek(9, 0.5) == [1, 2, 3]
    assert queue.peek(min_score=4) is queue.rpeek(min_score=4) is None
    assert queue.peek(9, -1e300) == [3, 2, 1, 0, -1]
    assert queue.rpeek(9, -1e300) == [-1, 0, 1, 2, 3]
    assert queue.peek(9, 1e300) == queue.rpeek(9, 1e300) == []
    assert queue.pop(2, min_score=3) == [3]
    assert queue.rpop(1, min_score=0) == 0
    assert queue.rpop(5, min_score=2) == [2]
    assert queue.bpop(0, min_score=2) is None
    assert queue.bpop(0, min_score=1) == 1
    assert queue.pop() == -1


def test_scores_at_the_limits(make: Make) -> None:
    """The order holds for every score that is allowed."""
    queue = make("Queue", "q")
    scores = [500_000_000_000, 1, 0, -1, -499_999_999_999]
    for score in reversed(scores):
        queue.add(score, score)
    assert queue.peek(9) == scores
    for score in (500_000_000_001, -500_000_000_000, math.inf, math.nan, "1", True):
        with pytest.raises(ConfigError, match="score must be"):
            queue.add("x", score)
        with pytest.raises(ConfigError):
            queue.extend(["x"], score)
        with pytest.raises(ConfigError):
            queue.set_priority(1, score)
    assert queue.count() == 5


def test_items_are_removed_by_value(make: Make) -> None:
    """From either end, at most n, not below a score."""
    queue = make("Queue", "q")
    queue.extend(["a", "b", "a", "c", "a"])
    queue.add("a", 5)
    assert queue.remove("no") == queue.rremove("no") == 0
    assert queue.remove("a", 1) == 1
    assert queue.peek(9) == ["a", "b", "a", "c", "a"]
    assert queue.rremove("a", n=1) == 1
    assert queue.peek(9) == ["a", "b", "a", "c"]
    queue.add("a", 2)
    assert queue.remove("a", min_score=1) == 1
    assert queue.rremove("a", min_score=1) == 0
    assert queue.remove("a", 0) == 0
    assert queue.remove("a") == 2
    assert queue.pop(9) == ["b", "c"]


def test_set_priority(make: Make) -> None:
    """Items keep their turn among those of their new score."""
    queue = make("Queue", "q")
    queue.extend(["a", "b", "c", "b"])
    assert queue.set_priority("b", 0) == queue.set_priority("no", 1) == 0
    assert queue.set_priority("b", 1) == 2
    assert queue.peek(9) == ["b", "b", "a", "c"]
    assert queue.set_priority("a", 1) == 1
    assert queue.peek(9) == ["a", "b", "b", "c"]
    assert queue.set_priority("b", -1, n=1) == 1
    assert queue.peek(9) == ["a", "b", "c", "b"]


def test_transfer(make: Make, scripted: KyotoTycoon) -> None:
    """Items come last among those of their score in the other queue, and keep their time."""
    queue, other = ranked(make), make("Queue", "other")
    other.add("two", 2)
    scripted.touch_bulk(scripted.match_prefix("q\t"), 500)
    assert queue.transfer("other") == 3
    assert queue.transfer("other", 2) == [2, 1]
    assert other.peek(9) == [3, "two", 2, 1]
    times = [scripted.expire_time(key) for key in scripted.match_prefix("other\t")]
    assert [expires < 2**40 - 1 for expires in times] == [True, False, True, True]
    assert queue.transfer("other", -1) == [0, -1]
    assert queue.transfer("other") is None
    assert queue.transfer("other", 2) == []
    with pytest.raises(ConfigError, match="itself"):
        queue.transfer("q")


def test_a_transfer_that_fails_keeps_the_item(make: Make, scripted: KyotoTycoon) -> None:
    """The other queue's counter may be something else."""
    queue = make("Queue", "q")
    queue.add("a", 7)
    scripted.set("other", "text")
    with pytest.raises(ServerError):
        queue.transfer("other")
    assert queue.pop(min_score=7) == "a"


def test_a_counter_that_is_none(make: Make, scripted: KyotoTycoon) -> None:
    """An item cannot be added."""
    scripted.set("q", "text")
    queue = make("Queue", "q")
    for call in (lambda: queue.add("a"), lambda: queue.extend(["a"])):
        with pytest.raises(ServerError):
            call()
    assert queue.count() == 0


def test_waiting_for_nothing_ends_in_time(make: Make) -> None:
    """Whether the time is short or none at all."""
    queue = make("Queue", "q")
    for timeout in (0, 0.3):
        begun = time.monotonic()
        assert queue.bpop(timeout) is None
        assert timeout <= time.monotonic() - begun < timeout + 2
    queue.add("a")
    assert queue.bpop() == "a"


@pytest.mark.parametrize("timeout", [-1, math.nan, "1", True])
def test_a_timeout_is_a_number_of_seconds(make: Make, timeout: Any) -> None:
    """From 0 on."""
    with pytest.raises(ConfigError, match="timeout must be"):
        make("Queue", "q").bpop(timeout)


def test_waiting_longer_than_a_call_may_last(scripted: KyotoTycoon) -> None:
    """The client's own time limit does not cut the waiting short."""
    kt = KyotoTycoon(scripted.host, scripted.port, timeout=0.6)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Queue(kt, "q").bpop, 20)
        time.sleep(0.9)
        assert not waiting.done()
        Queue(scripted, "q").add("late")
        assert waiting.result(timeout=10) == "late"


def test_what_begins_like_an_item_is_left_alone(make: Make, scripted: KyotoTycoon) -> None:
    """Neighbours in the database's order, and keys under the queue's that are no items."""
    others = {"q": "", "q\t": "", "q\tfoo": "", "q1\t": "", "p": "", "q\x08": ""}
    del others["q"]
    scripted.set_bulk(others)
    queue = make("Queue", "q")
    queue.add("a")
    assert queue.rpop(5) == ["a"]
    queue.add("b")
    assert queue.pop(5) == ["b"]
    assert scripted.get_bulk(others) == others


def test_expired_items_are_not_there(make: Make, scripted: KyotoTycoon) -> None:
    """A time to live may be set on an item's record."""
    queue = make("Queue", "q")
    queue.extend(["a", "b", "c"])
    keys = scripted.match_prefix("q\t")
    scripted.touch_bulk([keys[0], keys[2]], 10**9)
    assert queue.peek(9) == queue.rpeek(9) == queue.pop(9) == ["b"]


def test_as_a_collection(scripted: KyotoTycoon) -> None:
    """The blocking queue has a length."""
    queue = Queue(scripted, "q", 1)
    assert not queue
    queue.extend("abc")
    assert len(queue) == 3
    assert repr(queue) == "<Queue 'q' db=1>"
    assert scripted.count(0) == 0


def test_an_unordered_database(scripted_unordered: KyotoTycoon) -> None:
    """A queue cannot be there: the server says so instead of finding nothing."""
    queue = Queue(scripted_unordered, "q")
    queue.add("a")
    with pytest.raises(ServerError):
        queue.pop()
