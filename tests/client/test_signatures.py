"""The public face: code written for the earlier clients finds the same methods and arguments.

``tests/data/api.json`` lists what these clients document: for each method its arguments as they
stand in a ``def``; for a property nothing.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon, containers
from kt_cache.client import Cursor

API = json.loads((Path(__file__).parents[1] / "data" / "api.json").read_text())
OURS: dict[str, type] = {
    "KyotoTycoon": KyotoTycoon,
    "Cursor": Cursor,
    "EmbeddedServer": EmbeddedServer,
    **{name: getattr(containers, name) for name in ("Hash", "List", "Queue", "Schedule")},
}
# Where the earlier clients contradict each other the first one's way was taken.
CONTRADICTIONS = {
    ("kt", "KyotoTycoon", "size"): "a property in kt, a method in ukt",
    ("kt", "KyotoTycoon", "__init__"): "the arguments come in another order than in ukt",
    ("kt", "EmbeddedServer", "__init__"): "the arguments come in another order than in ukt",
}
MISSPELT = {"__detitem__": "__delitem__"}
Arguments = list[tuple[str, Any]]
REQUIRED = inspect.Parameter.empty
CASES = [
    pytest.param(system, name, method, arguments, id=f"{system}-{name}-{method}")
    for system, classes in API.items()
    for name, methods in classes.items()
    for method, arguments in methods.items()
    if (system, name, method) not in CONTRADICTIONS
]


def documented(text: str) -> tuple[Arguments, bool]:
    """Return the arguments in a ``def`` with their defaults, and whether any name may follow."""
    function = ast.parse(f"def f({text}): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    names = [each.arg.lstrip("_") for each in function.args.args]
    given = [ast.literal_eval(each) for each in function.args.defaults]
    defaults = [REQUIRED] * (len(names) - len(given)) + given
    return list(zip(names, defaults, strict=True)), function.args.kwarg is not None


def offered(method: Any) -> tuple[Arguments, bool]:
    """Return the same of one of our methods."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = [(each.name, each.default) for each in parameters if each.kind in by_position]
    return arguments, any(each.kind is each.VAR_KEYWORD for each in parameters)


@pytest.mark.parametrize(("system", "name", "method", "arguments"), CASES)
def test_signature(system: str, name: str, method: str, arguments: str | None) -> None:
    """Names and defaults are the same; of the client to be replaced first, the order is as well."""
    method = MISSPELT.get(method, method)
    ours = inspect.getattr_static(OURS[name], method)
    if arguments is None:
        assert isinstance(ours, property)
        return
    if method.startswith("__") and not arguments:
        assert callable(ours)  # Python says what its arguments are
        return
    wanted, any_name = documented(arguments)
    has, takes_any_name = offered(ours)
    if system == "kt":
        wanted, has = sorted(wanted, key=repr), [each for each in has if each[0] in dict(wanted)]
        has.sort(key=repr)
    for (theirs, default), (mine, my_default) in zip(wanted, has, strict=False):
        assert mine == theirs
        assert my_default == default or default is REQUIRED
    assert len(has) >= len(wanted)
    assert all(default is not REQUIRED for _, default in has[len(wanted) :])
    assert takes_any_name or not any_name


def test_properties() -> None:
    """The embedded server's client is a property."""
    assert isinstance(inspect.getattr_static(EmbeddedServer, "client"), property)


@pytest.mark.parametrize("cls", OURS.values())
def test_everything_public_is_described(cls: type) -> None:
    """Every public method and property has a docstring."""
    for name, value in inspect.getmembers(cls):
        if not name.startswith("_"):
            assert inspect.getdoc(value), name
