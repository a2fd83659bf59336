"""What all options have in common: unknown ones, and those that are dotted paths."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from kt_cache.errors import ConfigError

__all__ = ["check_options", "imported", "nearest"]


def check_options(options: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise :class:`~kt_cache.errors.ConfigError` for an option nobody knows."""
    for name in options:
        if name not in known:
            raise ConfigError(f"unknown option {name!r}; {nearest(name, known)}")


def nearest(name: object, known: Collection[str]) -> str:
    """Return the end of a message about a name that is not known: the nearest one, or all.

    Letters count alike, large or small: other packages write the same names in capitals.
    """
    small = str(name).lower()
    near = [small] if small in known else difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(known))}"


def imported(option: str, path: str) -> Any:
    """Return what a dotted path leads to: something in a module, or a module.

    :param option: its name, for messages.
    :raises ConfigError: if it leads nowhere.
    """
    parent, _, name = path.rpartition(".")
    try:
        module = import_module(parent)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{option}: cannot import {path!r}: {error}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    try:
        return import_module(path)
    except ImportError as error:
        raise ConfigError(f"{option}: {parent!r} has nothing named {name!r}") from error
