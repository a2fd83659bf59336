"""Queues with signals, on every server, with either client."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import SignalQueue
from kt_cache.errors import ConfigError
from tests.containers.conftest import Make


def test_first_in_first_out(make: Make) -> None:
    """Without waiting where there is something."""
    queue = make("SignalQueue", "q")
    assert queue.produce({"a": 1}) == (True, 0)
    assert [queue.produce(number) for number in range(20)] == [(True, 0)] * 20
    assert queue.consume() == {"a": 1}
    assert [queue.consume(0) for _ in range(20)] == list(range(20))
    assert queue.consume(0) is None


def test_waiting_for_nothing_ends_in_time(make: Make) -> None:
    """The time is the queue's, or the call's own."""
    for queue, arguments in (
        (make("SignalQueue", "q"), [0.1]),
        (make("SignalQueue", "q", wait=0.1), []),
        (make("SignalQueue", "q"), [1.1]),
    ):
        begun = time.monotonic()
        assert queue.consume(*arguments) is None
        assert time.monotonic() - begun >= (arguments or [0.1])[0]


def test_a_wait_that_is_none(make: Make) -> None:
    """It is refused also if there is no need to wait, and the item stays."""
    queue = make("SignalQueue", "q")
    queue.produce("item")
    for wrong in (-1, "1", True):
        with pytest.raises(ConfigError, match="wait must be a number of seconds"):
            queue.consume(wrong)
    assert queue.consume(0) == "item"


@pytest.mark.parametrize("signal", ["q", b"other"])
def test_an_item_wakes_those_who_wait(scripted: KyotoTycoon, signal: str | bytes) -> None:
    """Each of them in turn gets one item, without waiting for its time to end."""
    queue = SignalQueue(scripted, "q", signal)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(queue.consume, 20) for _ in range(3)]
        begun, woken = time.monotonic(), 0
        for item in "abc":
            time.sleep(0.2)
            woken = max(woken, queue.produce(item)[1])
        assert sorted(future.result(timeout=10) for future in waiting) == ["a", "b", "c"]
        assert time.monotonic() - begun < 10
        assert woken > 0


def test_neighbours_are_left_alone(make: Make, scripted: KyotoTycoon) -> None:
    """Records around the queue's in the database's order stay."""
    others = {"q": "1", "q;": "2", "q9": "3"}
    scripted.set_bulk(others)
    queue = make("SignalQueue", "q")
    assert queue.consume(0) is None
    queue.produce("a")
    assert queue.consume(0) == "a"
    queue.produce("b")
    queue.produce("c")
    assert queue.flush() == 2
    assert queue.flush() == 0
    assert scripted.get_bulk(others) == others


def test_expired_items_are_passed_over(make: Make) -> None:
    """However many the server has not removed yet."""
    queue = make("SignalQueue", "q")
    for number in range(7):
        queue.produce(number, expire_time=-1)
    queue.produce("last", expire_time=100)
    assert queue.consume(0) == "last"


def test_a_value_may_be_bytes_already(make: Make) -> None:
    """It is deserialized when it is consumed."""
    queue = make("SignalQueue", "q", db=1)
    queue.produce(b'["json"]', encode_value=False)
    assert queue.consume(0) == ["json"]


def test_wait_is_a_number_of_seconds(make: Make) -> None:
    """From 0 on."""
    with pytest.raises(ConfigError, match="wait must be"):
        make("SignalQueue", "q").consume(-1)
