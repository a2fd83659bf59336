"""Numbers in parameters, read the way the reference server reads them: never an error."""

from __future__ import annotations

import re

__all__ = ["parse_integer", "parse_real"]

_integer = re.compile(rb"[\x01-\x20]*([+-]?[0-9]{1,4000})").match  # int() refuses longer ones
_real = re.compile(
    rb"[\x01-\x20]*([+-]?(?:inf|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?))", re.IGNORECASE
).match


def parse_integer(text: bytes) -> int:
    """Return the signed 64-bit integer that a text begins with, wrapped around, or 0."""
    match = _integer(text)
    return (int(match[1]) + 2**63) % 2**64 - 2**63 if match else 0


def parse_real(text: bytes) -> float:
    """Return the real number that a text begins with, or 0.0."""
    match = _real(text)
    return float(match[1]) if match else 0.0
