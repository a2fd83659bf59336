"""How long sessions live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = ["Lifetime", "seconds_of"]

Lifetime: TypeAlias = "float | Callable[[Mapping[str, Any]], float]"
"""Seconds, or what tells them by a session's data."""


def seconds_of(lifetime: Lifetime, data: Mapping[str, Any]) -> float:
    """Return the seconds that a session with this data has; zero and below are none."""
    return lifetime(data) if callable(lifetime) else lifetime
