"""The asyncio client has what the blocking one has: method by method, argument by argument."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.client import AsyncCursor, AsyncKyotoTycoon, Cursor
from kt_cache.client.aio_scripts import AsyncLuaFunctions
from kt_cache.client.sync_scripts import LuaFunctions

PAIRS = [(KyotoTycoon, AsyncKyotoTycoon), (Cursor, AsyncCursor), (LuaFunctions, AsyncLuaFunctions)]

NO_AWAITING = "Python has no way to await it"
MISSING = {
    "__getitem__": "would be half of a mapping without the others",
    "__setitem__": NO_AWAITING,
    "__delitem__": NO_AWAITING,
    "__contains__": NO_AWAITING,
    "__len__": NO_AWAITING,
    "__bool__": "there is no __len__ that it would have to overrule",
    "__iter__": "__aiter__ instead",
    "__next__": "__anext__ instead",
    "__enter__": "__aenter__ instead",
    "__exit__": "__aexit__ instead",
}
ADDED = {"__aiter__", "__anext__", "__aenter__", "__aexit__", "aclose"}
METHODS_HERE = {"databases", "path"}  # properties of the blocking client that ask the server
NOT_ASKING = {  # nothing to wait for
    "set_database",
    "cursor",
    "is_valid",
    *("Hash", "List", "Queue", "Schedule", "Set", "SignalQueue"),
    *("serialize_dict", "deserialize_dict", "serialize_list", "deserialize_list"),
}
ITERATORS = {"keys", "values", "items"}
INHERITED = set(dir(object))


def members(cls: type) -> dict[str, Any]:
    """Return what a class offers: its public names and what the language calls."""
    found = {name: inspect.getattr_static(cls, name) for name in dir(cls)}
    return {
        name: member
        for name, member in found.items()
        if (not name.startswith("_") or name.startswith("__"))
        and (callable(member) or isinstance(member, property))
        and name not in INHERITED
    }


def arguments(function: Any) -> list[tuple[Any, ...]]:
    return [
        (each.name, each.kind, each.default, each.annotation)
        for each in inspect.signature(function).parameters.values()
    ][1:]


SHARED = [
    pytest.param(blocking, waiting, name, id=f"{waiting.__name__}-{name}")
    for blocking, waiting in PAIRS
    for name in sorted(members(blocking).keys() - MISSING.keys())
]


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS)
def test_nothing_is_missing(blocking: type, waiting: type) -> None:
    """Each member of the one is one of the other, but for those named above with a reason."""
    ours, theirs = members(blocking).keys(), members(waiting).keys()
    assert ours - theirs <= MISSING.keys()
    assert theirs - ours <= ADDED
    assert not MISSING.keys() & theirs


@pytest.mark.parametrize(("blocking", "waiting", "name"), SHARED)
def test_a_member_is_the_same(blocking: type, waiting: type, name: str) -> None:
    """Its arguments, their defaults and types, what it returns, and what is said about it."""
    ours, theirs = members(blocking)[name], members(waiting)[name]
    assert inspect.getdoc(ours) == (inspect.getdoc(theirs) or "").replace("`Async", "`")
    if isinstance(ours, property):
        if name in METHODS_HERE:
            assert inspect.iscoroutinefunction(theirs)
        else:
            assert isinstance(theirs, property)
        return
    assert arguments(ours) == arguments(theirs)
    if name in ITERATORS:
        assert inspect.isasyncgenfunction(theirs)
    elif name in NOT_ASKING or name.startswith("__"):
        assert not inspect.iscoroutinefunction(theirs)
    else:
        assert inspect.iscoroutinefunction(theirs)
        returns = [inspect.signature(each).return_annotation for each in (ours, theirs)]
        assert returns[0] == returns[1]


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS[:2])
def test_they_are_made_alike(blocking: type, waiting: type) -> None:
    """The constructors take the same arguments."""
    ours, theirs = arguments(blocking.__init__), arguments(waiting.__init__)
    assert [each[:3] for each in ours] == [each[:3] for each in theirs]
