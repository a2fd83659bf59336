"""What comes of a script's call."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["FAILED", "Outcome", "ReturnCode"]


class ReturnCode(IntEnum):
    """What a script's function returns to say how it went; all other numbers are failures."""

    SUCCESS = 0
    NOT_IMPLEMENTED = 1
    INVALID = 2
    LOGIC = 3
    TIMEOUT = 4
    INTERNAL = 5


class Outcome(NamedTuple):
    """How a call ended.

    :param code: a :class:`ReturnCode`, or any other number.
    :param pairs: names and values of its output.
    """

    code: int
    pairs: list[tuple[bytes, bytes]]


FAILED = Outcome(ReturnCode.INTERNAL, [])
"""The call was stopped, or ended with an error."""
