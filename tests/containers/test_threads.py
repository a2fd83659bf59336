"""Many clients at one container: nothing is lost, nothing comes twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import Hash, List, Queue, Schedule, Set, SignalQueue

THREADS = 4  # that add, and as many that take
ITEMS = 100  # of each


def add_and_take(
    add: Callable[[int], Any], take: Callable[[threading.Event], list[Any]]
) -> list[Any]:
    """Return all that was taken while others were adding, and after."""
    done, start = threading.Event(), threading.Barrier(2 * THREADS)

    def adding(first: int) -> None:
        start.wait(timeout=20)
        for item in range(first, first + ITEMS):
            add(item)

    def taking() -> list[Any]:
        start.wait(timeout=20)
        taken = []
        while True:
            last = done.is_set()  # before the look: then there is nothing after it
            found = take(done)
            taken += found
            if last and not found:
                return taken

    with ThreadPoolExecutor(2 * THREADS) as pool:
        takers = [pool.submit(taking) for _ in range(THREADS)]
        adders = [pool.submit(adding, number * ITEMS) for number in range(THREADS)]
        try:
            for each in adders:
                each.result(timeout=60)
        finally:
            done.set()
        return [item for taker in takers for item in taker.result(timeout=60)]


def as_list(item: Any) -> list[Any]:
    return [] if item is None else [item]


@pytest.fixture
def kt(scripted: KyotoTycoon) -> KyotoTycoon:
    return KyotoTycoon(scripted.host, scripted.port, serializer="json")


def expected() -> list[int]:
    return list(range(THREADS * ITEMS))


@pytest.mark.parametrize("method", ["pop", "rpop", "bpop", "pop many", "transfer", "remove"])
def test_queue(kt: KyotoTycoon, method: str) -> None:
    """However items are taken."""
    queue = Queue(kt, "q")
    takes: dict[str, Callable[[threading.Event], list[Any]]] = {
        "pop": lambda _: as_list(queue.pop()),
        "rpop": lambda _: as_list(queue.rpop()),
        "bpop": lambda done: as_list(queue.bpop(0 if done.is_set() else 0.05)),
        "pop many": lambda _: queue.pop(7),
        "transfer": lambda _: queue.transfer("other", 3),
        "remove": lambda _: [item for item in queue.peek(3) if queue.remove(item)],
    }
    taken = add_and_take(lambda item: queue.add(item, item % 3), takes[method])
    assert sorted(taken) == expected()
    assert queue.count() == 0
    if method == "transfer":
        assert sorted(Queue(kt, "other").pop(-1)) == expected()


def test_queue_whose_scores_change(kt: KyotoTycoon) -> None:
    """An item that is given another score is not taken twice, nor lost."""
    queue = Queue(kt, "q")

    def add(item: int) -> None:
        queue.add(item)
        queue.set_priority(item, item % 5)

    taken = add_and_take(add, lambda _: queue.pop(2))
    assert sorted(taken) == expected()


def test_schedule(kt: KyotoTycoon) -> None:
    """Each item is read once."""
    schedule = Schedule(kt, "s")
    taken = add_and_take(lambda item: schedule.add(item, item), lambda _: schedule.read(10**6, 3))
    assert sorted(taken) == expected()


def test_signal_queue(kt: KyotoTycoon) -> None:
    """Each item is consumed once."""
    queue = SignalQueue(kt, "q")
    taken = add_and_take(
        queue.produce, lambda done: as_list(queue.consume(0 if done.is_set() else 0.05))
    )
    assert sorted(taken) == expected()


def test_list(kt: KyotoTycoon) -> None:
    """Changes of one record do not overwrite each other."""
    list_ = List(kt, "l")
    taken = add_and_take(list_.append, lambda _: as_list(list_.popleft()))
    assert sorted(taken) == expected()


def test_lists_between_which_values_move(kt: KyotoTycoon) -> None:
    """A value is in one of the two at any time."""
    list_, other = List(kt, "l"), List(kt, "other")

    def move(_: threading.Event) -> list[Any]:
        try:
            return [list_.rpoplpush(other)]
        except IndexError:
            return []

    assert sorted(add_and_take(list_.appendleft, move)) == expected()
    assert sorted(other) == expected()


def test_set(kt: KyotoTycoon) -> None:
    """Each member is popped once."""
    set_ = Set(kt, "s")
    assert sorted(add_and_take(set_.add, lambda _: as_list(set_.pop()))) == expected()


def test_hash(kt: KyotoTycoon) -> None:
    """Removing tells one of all who try that it was there."""
    hash_ = Hash(kt, "h")

    def take(_: threading.Event) -> list[Any]:
        return [int(name) for name in list(hash_)[:3] if hash_.remove(name)]

    taken = add_and_take(lambda item: hash_.set(str(item), item), take)
    assert sorted(taken) == expected()
