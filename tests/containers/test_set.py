"""Sets: every method, on every server, with either client."""

from __future__ import annotations

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import Set
from tests.containers.conftest import Make


def test_values_come_and_go(make: Make) -> None:
    """Each call tells how many it changed."""
    set_ = make("Set", "s")
    assert set_.add("a") == 1
    assert set_.add("a", "b", 3) == 2
    assert set_.add_bulk(["b", "c"]) == 1
    assert set_.add_bulk([]) == set_.add() == 0
    assert set_.count() == 4
    assert set_.members() == {"a", "b", 3, "c"}
    assert set_.contains(3) is True
    assert set_.contains("3") is False
    assert set_.remove("a", "no") == 1
    assert set_.remove_bulk(["b", "b", "c"]) == 2
    assert set_.remove_bulk([]) == set_.remove("a") == 0
    assert set_.members() == {3}
    set_.clear()
    assert set_.members() == set()


def test_pop_takes_each_value_once(make: Make) -> None:
    """In no order; ``None`` when the set is empty."""
    set_ = make("Set", "s")
    assert set_.pop() is None
    set_.add(*range(5))
    assert sorted(set_.pop() for _ in range(5)) == list(range(5))
    assert set_.pop() is None
    assert set_.count() == 0


@pytest.mark.parametrize("server_does_it", [False, True])
def test_combinations(make: Make, server_does_it: bool) -> None:
    """Of two sets, with the result stored or not."""
    first, second, dest = make("Set", "1"), make("Set", "2"), make("Set", "d")
    first.add("a", "b", "c")
    second.add("c", "d")
    options = {"dest": "d"} if server_does_it else {}
    for method, expected in (
        ("intersection", {"c"}),
        ("union", {"a", "b", "c", "d"}),
        ("difference", {"a", "b"}),
    ):
        dest.add("old")
        assert getattr(first, method)("2", **options) == expected
        assert dest.members() == (expected if server_does_it else {"old"})
    assert first.difference("1") == first.intersection("none") == set()
    assert first.union("none") == first.difference("none") == {"a", "b", "c"}
    assert first.count() == 3


def test_a_result_may_replace_an_operand(make: Make) -> None:
    """The operands are read before the result is stored."""
    first, second = make("Set", "1"), make("Set", "2")
    first.add("a", "b")
    second.add("b", "c")
    assert first.union("2", "1") == {"a", "b", "c"}
    assert first.intersection("2", "2") == {"b", "c"}
    assert first.members() == {"a", "b", "c"}
    assert second.members() == {"b", "c"}


def test_no_record_is_made_for_nothing(make: Make, scripted: KyotoTycoon) -> None:
    """Reading and removing leave no empty set behind."""
    set_ = make("Set", "s")
    set_.remove("a")
    set_.pop()
    set_.union("t")
    assert scripted.count() == 0


def test_as_a_set(scripted: KyotoTycoon) -> None:
    """The blocking set has a set's syntax, with other sets or their keys."""
    first, second = Set(scripted, "1"), Set(scripted, "2")
    first.add("a", "b")
    second.add("b")
    assert first & second == {"b"}
    assert first | "2" == {"a", "b"}
    assert first - second == {"a"}
    assert "a" in first
    assert "c" not in first
    assert len(first) == 2
    assert sorted(first) == ["a", "b"]
    del first["a"]
    assert set(first) == {"b"}


def test_values_without_serializer(make: Make) -> None:
    """Encoding and decoding can be switched off."""
    make("Set", "s", False).add('"a"')
    assert make("Set", "s").members() == {"a"}
    plain = make("Set", "s", True, False)
    assert plain.members() == plain.union("s") == {b'"a"'}
    assert plain.pop() == b'"a"'
