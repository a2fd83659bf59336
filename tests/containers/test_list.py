"""Lists: every method, on every server, with either client."""

from __future__ import annotations

from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import List
from kt_cache.errors import ConfigError, ServerError
from tests.containers.conftest import Make


def filled(make: Make, count: int = 10, **options: Any) -> Any:
    """Return a list of the numbers up to ``count``."""
    list_ = make("List", "l", **options)
    list_.extend(range(count))
    return list_


def test_values_are_added_at_both_ends(make: Make) -> None:
    """Each call tells the new length."""
    list_ = make("List", "l")
    assert list_.append(2) == 1
    assert list_.appendleft(1) == 2
    assert list_.appendright({"three": None}) == 3
    assert list_.extend([4, 5]) == 5
    assert list_.extend([]) == 5
    assert list_.get_range() == [1, 2, {"three": None}, 4, 5]
    assert list_.length() == 5


def test_values_are_taken_from_both_ends(make: Make) -> None:
    """``None`` when the list is empty."""
    list_ = filled(make, 5)
    assert list_.popleft() == 0
    assert list_.popright() == 4
    assert list_.pop() == 3
    assert list_.pop(0) == 1
    assert list_.pop(5) is None
    assert list_.pop(-1) == 2
    assert list_.popleft() is list_.popright() is list_.pop() is list_.pop(0) is None
    assert list_.length() == 0


@pytest.mark.parametrize("start", [None, 0, 1, 4, 5, 6, -1, -5])
@pytest.mark.parametrize("stop", [None, 0, 1, 4, 5, 60, -1, -5, -6])
def test_ranges_are_those_of_python(
    scripted: KyotoTycoon, start: int | None, stop: int | None
) -> None:
    """Where the start is not before the list's beginning."""
    list_ = List(scripted, "l")
    list_.set_raw("abcde")
    assert list_.get_range(start, stop) == list("abcde")[start:stop]
    assert list_[start:stop] == list("abcde")[start:stop]


def test_a_range_from_before_the_beginning_is_empty(make: Make) -> None:
    """Unlike in Python, as the earlier client has it."""
    assert filled(make, 5).get_range(-6) == []


def test_values_by_index(make: Make) -> None:
    """Read, replaced, removed and inserted; from either end."""
    list_ = filled(make, 4)
    assert list_.index(0) == 0
    assert list_.index(-1) == 3
    assert list_.set(1, "one") is None
    assert list_.set(-1, "last") is None
    assert list_.get_range() == [0, "one", 2, "last"]
    assert list_.insert(1, "new") == 5
    assert list_.insert(-1, "before last") == 6
    assert list_.remove(0) == 0
    assert list_.remove(-1) == "last"
    assert list_.get_range() == ["new", "one", 2, "before last"]


@pytest.mark.parametrize("index", [3, -4, 100])
def test_an_index_that_is_not_there(make: Make, index: int) -> None:
    """It is an IndexError, as in Python, and nothing changes."""
    list_ = filled(make, 3)
    for call in (
        lambda: list_.index(index),
        lambda: list_.set(index, "x"),
        lambda: list_.insert(index, "x"),
        lambda: list_.remove(index),
    ):
        with pytest.raises(IndexError, match="no such index"):
            call()
    assert list_.get_range() == [0, 1, 2]


def test_an_empty_list_has_places_to_insert(make: Make) -> None:
    """At 0 and -1 only."""
    list_ = make("List", "l")
    for index in (1, -2):
        with pytest.raises(IndexError):
            list_.insert(index, "x")
    assert list_.insert(-1, "a") == 1
    list_.pop()
    assert list_.insert(0, "b") == 1
    assert list_.get_range() == ["b"]


@pytest.mark.parametrize("wrong", ["0", 1.5, None])
def test_an_index_is_a_whole_number(make: Make, wrong: Any) -> None:
    """Others are a TypeError, as in Python."""
    list_ = filled(make, 3)
    with pytest.raises(TypeError):
        list_.index(wrong)
    with pytest.raises(TypeError):
        list_.set(wrong, 1)


@pytest.mark.parametrize(
    ("start", "stop"), [(None, None), (8, None), (3, 6), (-3, -1), (0, 10), (3, 3), (5, 2), (0, 0)]
)
def test_ranges_are_removed(make: Make, start: int | None, stop: int | None) -> None:
    """What is left is what Python would leave."""
    list_, expected = filled(make), list(range(10))
    del expected[start:stop]
    assert list_.remove_range(start, stop) == len(expected)
    assert list_.get_range() == expected


@pytest.mark.parametrize(("start", "stop"), [(10, None), (-11, None), (0, 11), (None, -11)])
def test_a_range_that_is_not_there(make: Make, start: int | None, stop: int | None) -> None:
    """The server refuses to remove it."""
    list_ = filled(make)
    with pytest.raises(ServerError):
        list_.remove_range(start, stop)
    assert list_.length() == 10


def test_moving_between_lists(make: Make) -> None:
    """From either end to the other end of another list, or of the same one."""
    list_, other = filled(make, 4), make("List", "other")
    assert list_.lpoprpush("other") == 0
    assert list_.rpoplpush("other") == 3
    assert list_.get_range() == [1, 2]
    assert other.get_range() == [3, 0]
    assert list_.lpoprpush() == 1
    assert list_.get_range() == [2, 1]
    assert list_.rpoplpush("l") == 1
    assert list_.get_range() == [1, 2]
    list_.remove_range()
    for move in (list_.lpoprpush, list_.rpoplpush):
        for dest in ("other", None):
            with pytest.raises(IndexError, match="empty"):
                move(dest)
    assert other.get_range() == [3, 0]


def test_lists_of_two_databases(scripted: KyotoTycoon) -> None:
    """A value does not move from one to the other: the server would take the wrong list."""
    with pytest.raises(ConfigError, match="not in the same database"):
        List(scripted, "l").lpoprpush(List(scripted, "m", db=1))
    assert List(scripted, "l").find("a") is None


def test_values_are_found(make: Make) -> None:
    """The first and the last place of a value."""
    list_ = make("List", "l")
    list_.extend(["a", "b", "a", "c"])
    assert list_.find("a") == 0
    assert list_.rfind("a") == 2
    assert list_.find("c") == list_.rfind("c") == 3
    assert list_.find("d") is list_.rfind("d") is None


def test_unpack(make: Make, scripted: KyotoTycoon) -> None:
    """Values of a range become records."""
    list_ = filled(make, 5, serializer="binary", db=1)
    assert list_.unpack() == 5
    assert list_.unpack(3, 50, "p-", "%02d!") == 2
    assert list_.unpack(-9) == list_.unpack(3, 3) == 0
    assert scripted.get_bulk(["l:0000", "l:0004", "p-00!", "p-01!"], db=1) == {
        "l:0000": "0",
        "l:0004": "4",
        "p-00!": "3",
        "p-01!": "4",
    }
    assert scripted.count(1) == 8
    assert scripted.count(0) == 0


def test_pack(make: Make, scripted: KyotoTycoon) -> None:
    """Records become values: from start up to stop, at most count."""
    scripted.set_bulk({f"k{n}": str(n) for n in range(6)})
    list_ = make("List", "z", serializer="binary")
    assert list_.pack("k1", "k3") == 2
    assert list_.pack("k4", count=1) == 1
    assert list_.pack(stop="k1") == 1
    assert list_.get_range() == ["1", "2", "4", "0"]
    assert list_.pack("x", "y") == list_.pack(count=0) == 0


def test_raw_access_is_the_same_record(make: Make) -> None:
    """What goes past the script is what the script reads and writes."""
    list_ = make("List", "l")
    assert list_.get_raw() is None
    assert list_.set_raw([1, "b", None]) == 1
    assert list_.get_raw() == list_.get_range() == [1, "b", None]
    assert list_.popleft() == 1
    assert list_.get_raw() == ["b", None]
    list_.clear()
    assert list_.get_raw() is None


def test_nothing_is_stored_for_nothing(make: Make, scripted: KyotoTycoon) -> None:
    """What changes nothing makes no record."""
    list_ = make("List", "l")
    list_.popleft()
    list_.pop()
    list_.extend([])
    assert list_.remove_range() == 0
    with pytest.raises(IndexError):
        list_.lpoprpush("m")
    assert scripted.count() == 0


def test_as_a_list(scripted: KyotoTycoon) -> None:
    """The blocking list has a list's syntax."""
    list_ = List(scripted, "l")
    list_.extend("abcdef")
    assert len(list_) == 6
    assert list_[0] == "a"
    assert list_[-2:] == ["e", "f"]
    list_[0] = "A"
    del list_[-1]
    del list_[1:3]
    assert list(list_) == ["A", "d", "e"]
    assert "d" in list_
    assert "b" not in list_
    with pytest.raises(IndexError):
        list_[3]
    with pytest.raises(ConfigError, match="no step"):
        list_[::2]


def test_values_without_serializer(make: Make) -> None:
    """Encoding and decoding can be switched off."""
    make("List", "l", False).append('"a"')
    assert make("List", "l").get_range() == ["a"]
    plain = make("List", "l", True, False)
    assert plain.get_range() == plain.get_raw() == [b'"a"']
    assert plain.index(0) == plain.pop() == b'"a"'
