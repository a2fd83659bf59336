"""Functions that are kept by the same name though they may return different things."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

from kt_cache.cache.call_keys import text_of
from kt_cache.cache.log_limit import warn

__all__ = ["Namesakes"]

_FIXED = (bool, bytes, complex, float, int, str, type(None), tuple, frozenset)


class Namesakes:
    """Notices functions that take the name of another one's results.

    A function that is defined anew each time that an app is made is the same one, whatever objects
    of that app it uses. It is another one if its code is, or if it was defined around other values
    that cannot change: numbers, texts, functions, classes.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[CodeType, dict[str, object]]] = {}

    def add(self, name: str, function: Callable[..., Any]) -> None:
        """Take note of a function, and log a warning if its name belongs to another one.

        :param name: by which its results are kept.
        """
        code = getattr(function, "__code__", None)
        if code is None:
            return
        found = code, _around(function)
        first_code, first = self._known.setdefault(name, found)
        difference = ""
        if first_code != code:
            difference = "there are two functions with this name"
        for variable, value in found[1].items():
            if first.get(variable, value) != value:
                difference = f"it is defined around different values of {variable!r}"
        if difference:
            warn(
                f"namesakes {name}",
                "%s: %s, and they share results wherever they use the same cache; give each a name "
                "of its own with make_name, or make the difference an argument",
                name,
                difference,
            )


def _around(function: Any) -> dict[str, object]:
    """Return the variables of the functions around a function that tell it from its namesakes."""
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    return {
        name: mark
        for name, cell in zip(names, cells, strict=True)
        if (mark := _mark_of(cell)) is not None
    }


def _mark_of(cell: Any) -> object:
    """Return what tells a variable's value from others; ``None`` if nothing can."""
    try:
        value = cell.cell_contents
    except ValueError:  # it has none yet
        return None
    if isinstance(value, FunctionType):
        return getattr(unwrap(value), "__code__", None)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return _text_if_fixed(value)


def _text_if_fixed(value: Any) -> str | None:
    if type(value) not in _FIXED:
        return None
    if isinstance(value, tuple | frozenset) and None in map(_text_if_fixed, value):
        return None
    return text_of(value)
