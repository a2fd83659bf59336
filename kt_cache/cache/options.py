"""What is said about options that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from kt_cache.errors import ConfigError

__all__ = ["check_options", "nearest"]


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
