"""Schedules: every method, on every server, with either client."""

from __future__ import annotations

import math

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import Schedule
from kt_cache.errors import ConfigError
from tests.containers.conftest import Make


def test_items_are_read_when_they_are_due(make: Make) -> None:
    """Lowest score first, each once, up to and with a score, at most n."""
    schedule = make("Schedule", "sched.1-2")
    for score in (100, 10, 1000, 1, 10):
        schedule.add(f"i{score}", score)
    assert schedule.count() == 5
    assert schedule.items() == ["i1", "i10", "i10", "i100", "i1000"]
    assert schedule.items(2) == ["i1", "i10"]
    assert schedule.read(0) == []
    assert schedule.read(10, n=2) == ["i1", "i10"]
    assert schedule.read(100) == ["i10", "i100"]
    assert schedule.read(n=0) == []
    assert schedule.read(n=3) == ["i1000"]
    assert schedule.read() == schedule.items() == []
    assert schedule.clear() == 1
    assert schedule.clear() == 0


def test_items_of_one_score_keep_their_order(make: Make) -> None:
    """Whatever they are."""
    schedule = make("Schedule", "s")
    for item in ({"c": 1}, None, [2]):
        schedule.add(item)
    assert schedule.read() == [{"c": 1}, None, [2]]


def test_a_key_is_answered(make: Make, scripted: KyotoTycoon) -> None:
    """It is the item's record's, which can so be removed."""
    schedule = make("Schedule", "s", 1)
    key = schedule.add("a", 7)
    assert key == b"s\t000000000007000000000001"
    assert scripted.remove(key, db=1) == 1
    assert schedule.count() == 0


def test_clear_leaves_others_alone(make: Make) -> None:
    """Also one whose key begins with this one's."""
    schedule, other = make("Schedule", "s"), make("Schedule", "s1")
    schedule.add("a")
    other.add("b")
    assert schedule.clear() == 2
    assert schedule.count() == 0
    assert other.read() == ["b"]


def test_scores_at_the_limits(make: Make) -> None:
    """The order holds for every score that is not negative."""
    schedule = make("Schedule", "s")
    scores = [-99_999_999_999, 0, 1, 2**32, 999_999_999_999]
    for score in reversed(scores):
        schedule.add(score, score)
    for score in (1_000_000_000_000, -100_000_000_000, math.inf, math.nan, "1", True):
        with pytest.raises(ConfigError, match="score must be"):
            schedule.add("x", score)
    assert schedule.read(2**32) == scores[:4]
    assert schedule.read() == scores[4:]


def test_as_a_collection(scripted: KyotoTycoon) -> None:
    """The blocking schedule has a length."""
    schedule = Schedule(scripted, "s")
    assert len(schedule) == 0
    schedule.add("a")
    assert len(schedule) == 1
