"""The reference lists every call of the client with its arguments."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from kt_cache import KyotoTycoon
from kt_cache.client import Cursor

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
TEXT = (REFERENCE / "client.md").read_text() + (REFERENCE / "containers.md").read_text()
PUBLIC = [
    pytest.param(name, inspect.getattr_static(cls, name), id=f"{cls.__name__}-{name}")
    for cls in (KyotoTycoon, Cursor)
    for name in dir(cls)
    if not name.startswith("_")
]


def shown(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}".replace("'", '"')


@pytest.mark.parametrize(("name", "member"), PUBLIC)
def test_listed(name: str, member: object) -> None:
    """With names and defaults as they are."""
    if isinstance(member, property):
        assert f"`{name}`" in TEXT or f"`{name}." in TEXT
        return
    assert callable(member)
    arguments = list(inspect.signature(member).parameters.values())[1:]
    call = f"{name}({', '.join(map(shown, arguments))})`"
    assert f"`{call}" in TEXT or f"`kt.{call}" in TEXT
