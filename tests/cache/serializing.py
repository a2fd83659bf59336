"""A module that is a serializer."""

from __future__ import annotations

from marshal import dumps, loads

__all__ = ["dumps", "loads"]
