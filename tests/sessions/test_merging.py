"""What two requests have made of the same session together."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.sessions.merging import merge, take_over

NAN = float("nan")
KEYS = st.sampled_from("abcd")
VALUES = st.sampled_from([1, 2, True, 1.0, None, "1", [1], [True], {"x": 1}, {"x": [2]}])
SESSIONS = st.dictionaries(KEYS, VALUES)


@pytest.mark.parametrize(
    ("loaded", "ours", "stored", "data", "conflicts"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, []),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, []),
        ({"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}, []),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1}, {"a": 2}, []),
        ({"a": 1}, {}, {}, {}, ["a"]),
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}, ["a"]),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, ["a"]),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}, ["a"]),
        ({"a": 1}, {}, {"a": 2}, {}, ["a"]),
        ({}, {"a": 1}, {"a": 2}, {"a": 1}, ["a"]),
        ({"a": 1}, {"a": True}, {"a": 1, "b": 1}, {"a": True, "b": 1}, []),
        ({"a": [1]}, {"a": [1.0]}, {"a": [1], "b": 1}, {"a": [1.0], "b": 1}, []),
        ({"a": {"x": 0}}, {"a": {"x": False}}, {"a": {"x": 0}}, {"a": {"x": False}}, []),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 1}}, {"a": {}}, {"a": {"x": 1, "y": 1}}, ["a"]),
        ({"a": NAN}, {"a": NAN, "b": 1}, {"a": 5}, {"a": 5, "b": 1}, []),
    ],
)
def test_merge(loaded, ours, stored, data, conflicts):
    """Each side's changes count, deletions too; what both changed is ours, and told."""
    merged = merge(loaded, ours, stored)
    assert repr(merged.data) == repr({key: data[key] for key in merged.data})
    assert merged.data.keys() == data.keys()
    assert merged.conflicts == conflicts


@given(loaded=SESSIONS, ours=SESSIONS, stored=SESSIONS)
def test_nothing_is_lost(loaded, ours, stored):
    """A key that one side alone changed is as that side has it; no other key turns up."""
    before = copy.deepcopy((loaded, ours, stored))
    data, conflicts = merge(loaded, ours, stored)
    assert (loaded, ours, stored) == before
    missing = object()
    for key in "abcd":
        was, mine, theirs, now = (
            repr(part.get(key, missing)) for part in (loaded, ours, stored, data)
        )
        assert now == (theirs if mine == was else mine)
        assert (key in conflicts) == (mine != was and theirs != was)
    assert data.keys() <= set("abcd")


@given(ours=SESSIONS, merged=SESSIONS)
def test_take_over(ours, merged):
    """Taking over makes the data what was stored, and leaves alone what is the same already."""
    data = dict(ours)
    take_over(data, ours, merged)
    assert {key: repr(data[key]) for key in data} == {key: repr(merged[key]) for key in merged}
    assert all(
        data[key] is ours[key] for key in data if key in ours and repr(ours[key]) == repr(data[key])
    )
