"""The asyncio containers have what the blocking ones have, said in the same words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from kt_cache import containers

NAMES = ["Hash", "List", "Queue", "Schedule", "Set", "SignalQueue"]
PAIRS = [(getattr(containers, name), getattr(containers, f"Async{name}")) for name in NAMES]


def methods(cls: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(cls, callable) if name[0] != "_"}


SHARED = [
    pytest.param(*pair, name, id=f"{pair[0].__name__}-{name}")
    for pair in PAIRS
    for name in methods(pair[0])
]


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS)
def test_nothing_is_missing(blocking: type, waiting: type) -> None:
    """Both have the same methods, and constructors but for the client's type."""
    assert methods(blocking).keys() == methods(waiting).keys()
    ours, theirs = (
        [(each.name, each.default) for each in inspect.signature(cls).parameters.values()]
        for cls in (blocking, waiting)
    )
    assert ours == theirs


@pytest.mark.parametrize(("blocking", "waiting", "name"), SHARED)
def test_a_method_is_the_same(blocking: type, waiting: type, name: str) -> None:
    """Its arguments, what it returns, and what is said about it; the one is to be awaited."""
    ours, theirs = methods(blocking)[name], methods(waiting)[name]
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert inspect.getdoc(ours)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert not inspect.iscoroutinefunction(ours)
    assert inspect.iscoroutinefunction(theirs)


@pytest.mark.parametrize(("blocking", "waiting"), PAIRS)
def test_every_parameter_of_the_class_is_described(blocking: type, waiting: type) -> None:
    """In the words of both."""
    assert inspect.getdoc(blocking) == inspect.getdoc(waiting)
    for name in inspect.signature(blocking).parameters:
        assert f":param {name}:" in (inspect.getdoc(blocking) or "")
