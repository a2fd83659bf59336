"""How an engine keeps numbers: the value formats of ``increment`` and ``increment_double``.

An integer is eight bytes, signed and big-endian, and wraps around. A real number is sixteen bytes:
an integer part and a fraction in units of 10**-15, each a signed big-endian integer of its own,
with a sign of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from struct import Struct
from typing import Generic, TypeVar

__all__ = ["INTEGER", "REAL", "NumberFormat"]

N = TypeVar("N", int, float)

_LARGEST = 2**63 - 1
_SMALLEST = -(2**63)
_UNITS = 10**15  # of the fraction, in one

_INFINITY = (_LARGEST, 0)
_MINUS_INFINITY = (_SMALLEST, 0)
_NOT_A_NUMBER = (_SMALLEST, _SMALLEST)

_one = Struct(">q")
_two = Struct(">qq")


def _wrap(number: int) -> int:
    """Return the number as a signed 64-bit integer, wrapped around."""
    return (number - _SMALLEST) % 2**64 + _SMALLEST


class NumberFormat(ABC, Generic[N]):
    """A number's form as a value.

    :cvar size: length of such a value, in bytes; any value of that length is a number.
    :cvar only_existing: as the origin of an increment: a missing record makes it fail.
    :cvar overwrite: as the origin of an increment: store the amount itself.
    """

    size: int
    only_existing: N
    overwrite: N

    @abstractmethod
    def encode(self, number: N) -> bytes:
        """Return the value for a number."""

    @abstractmethod
    def decode(self, value: bytes) -> N | None:
        """Return the number in a value of :attr:`size` bytes, ``None`` if it cannot be told."""

    @abstractmethod
    def add(self, value: bytes, amount: N) -> bytes:
        """Return the value for the sum."""


class _Integer(NumberFormat[int]):
    size = _one.size
    only_existing = _SMALLEST
    overwrite = _LARGEST

    def encode(self, number: int) -> bytes:
        return _one.pack(_wrap(number))

    def decode(self, value: bytes) -> int | None:
        number: int = _one.unpack(value)[0]
        return None if number == _SMALLEST else number  # it stands for failure

    def add(self, value: bytes, amount: int) -> bytes:
        return self.encode(_one.unpack(value)[0] + amount)


class _Real(NumberFormat[float]):
    size = _two.size
    only_existing = -math.inf
    overwrite = math.inf

    def encode(self, number: float) -> bytes:
        return _two.pack(*_split(number))

    def decode(self, value: bytes) -> float | None:
        parts: tuple[int, int] = _two.unpack(value)
        if parts == _NOT_A_NUMBER:
            return None
        whole, fraction = parts
        if whole == _LARGEST:
            return math.inf
        if whole == _SMALLEST:
            return -math.inf
        return whole + fraction / _UNITS

    def add(self, value: bytes, amount: float) -> bytes:
        whole, fraction = _two.unpack(value)
        if whole in (_LARGEST, _SMALLEST):
            return value  # an infinity stays
        more = _split(amount)
        if more in (_INFINITY, _MINUS_INFINITY, _NOT_A_NUMBER):
            return _two.pack(*more)
        whole += more[0]
        fraction += more[1]
        if fraction >= _UNITS:
            # One carry and never a borrow, as in the reference server.
            whole += 1
            fraction -= _UNITS
        return _two.pack(_wrap(whole), _wrap(fraction))


def _split(number: float) -> tuple[int, int]:
    """Return integer part and fraction, both cut off toward zero."""
    if math.isnan(number):
        return _NOT_A_NUMBER
    if math.isinf(number):
        return _INFINITY if number > 0 else _MINUS_INFINITY
    whole = int(number)
    if abs(whole) > _LARGEST:
        return _MINUS_INFINITY  # what the reference server's conversion gives for either sign
    # In integers, because the product would be rounded as a float.
    numerator, denominator = abs(number - whole).as_integer_ratio()
    fraction = numerator * _UNITS // denominator
    return whole, -fraction if number < 0 else fraction


INTEGER = _Integer()
REAL = _Real()
