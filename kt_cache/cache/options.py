"""What all options have in common: unknown ones, and those that are dotted paths."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from kt_cache.cache.foreign_options import foreign_option
from kt_cache.errors import ConfigError

__all__ = ["check_options", "closest", "hint", "imported", "nearest"]


def check_options(options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise :class:`~kt_cache.errors.ConfigError` for an option nobody knows."""
    for name in options:
        if name not in known:
            raise ConfigError(f"unknown option {name!r}; {hint(name, known)}")


def hint(name: object, known: Collection[str]) -> str:
    """Return the end of a message about an option that is not known: what to write instead.

    That is a known one that differs in large and small letters alone, what an option of another
    cache package is called here, the nearest one, or all.
    """
    text = str(name)
    if text.lower() in {each.lower() for each in known}:
        return nearest(text, known)
    return foreign_option(text, known) or nearest(text, known)


def nearest(name: object, known: Collection[str]) -> str:
    """Return the end of a message about a name that is not known: the nearest one, or all."""
    near = closest(name, known)
    return f"did you mean {near!r}?" if near else f"known are: {', '.join(sorted(known))}"


def closest(name: object, known: Collection[str]) -> str | None:
    """Return the known name that a misspelt one was most likely meant to be, if there is one.

    Letters count alike, large or small: other packages write the same names in capitals.
    """
    by_small = {each.lower(): each for each in known}
    near = difflib.get_close_matches(str(name).lower(), by_small, n=1)
    return by_small[near[0]] if near else None


def imported(option: str, path: str) -> Any:
    """Return what a dotted path leads to: something in a module, or a module.

    :param option: its name, for messages.
    :raises ConfigError: if it leads nowhere.
    """
    parent, _, name = path.rpartition(".")
    if not parent or not name:
        raise ConfigError(f"{option}: cannot import {path!r}: a dotted path names a module first")
    try:
        module = import_module(parent)
    except (ImportError, TypeError) as error:  # TypeError: a relative one, without a package
        raise ConfigError(f"{option}: cannot import {path!r}: {error}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    try:
        return import_module(path)
    except ImportError as error:
        raise ConfigError(f"{option}: {parent!r} has nothing named {name!r}") from error
