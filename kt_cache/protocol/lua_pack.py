"""Numbers as bytes, as the server's Lua functions pack and unpack write and read them.

A format is a row of letters: ``c C s S i I l L`` (8, 16, 32 and 64 bits) and ``f d``, all
little-endian; ``n N M`` (16, 32 and 64 bits, big-endian); ``w``, a number of variable length. A
count or ``*`` may follow each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from struct import Struct

from kt_cache.protocol.varint import decode_varint, encode_varint

__all__ = ["pack_numbers", "to_unsigned", "unpack_numbers"]

_ITEM = re.compile(rb"(.)([0-9]+|\*)?", re.DOTALL)
_FORMS = {
    **{
        letter.encode(): Struct(f"<{form}")
        for letter, form in zip("cCsSiIlLfd", "bBhHiIqQfd", strict=True)
    },
    **{letter.encode(): Struct(f">{form}") for letter, form in zip("nNM", "HIQ", strict=True)},
}
_MOST_DIGITS = 18  # of a count
_REAL = frozenset((b"f", b"d"))
_VARINT = frozenset((b"w", b"W"))


def to_unsigned(number: float, bits: int = 64) -> int:
    """Return a number cut to so many bits, as the reference server's machine does it."""
    if bits == 64 and 2.0**63 <= number < 2.0**64:
        return int(number)
    # Numbers of 8 and 16 bits are cut from one of 32 bits, all others from one of 64.
    most = 2.0 ** (31 if bits < 32 else 63)
    if math.isnan(number) or not -most <= number < most:
        return 1 << 63 if bits == 64 and not number >= most else 0
    return int(number) % (1 << bits)


def pack_numbers(form: bytes, numbers: Sequence[float]) -> bytes:
    """Return numbers as bytes. Letters behind the last number and unknown letters write nothing."""
    parts: list[bytes] = []
    position = 0
    for letter, most in _items(form):
        if position >= len(numbers):
            break
        taken = numbers[position : None if most is None else position + most]
        parts += (_pack(letter, number) for number in taken)
        position += len(taken)
    return b"".join(parts)


def unpack_numbers(form: bytes, data: bytes) -> list[float]:
    """Return the numbers in bytes, up to the first that is cut short."""
    numbers: list[float] = []
    position = 0
    for letter, most in _items(form):
        if letter not in _FORMS and letter not in _VARINT:
            continue
        for _ in range(len(data) if most is None else min(most, len(data))):
            found = _unpack(letter, data, position)
            if found is None:
                return numbers
            numbers.append(found[0])
            position = found[1]
    return numbers


def _items(form: bytes) -> Iterator[tuple[bytes, int | None]]:
    """Yield the letters with their counts, ``None`` for as many as there are."""
    for letter, count in _ITEM.findall(form):
        yield letter, None if count == b"*" else int(count[:_MOST_DIGITS] or 1)


def _pack(letter: bytes, number: float) -> bytes:
    if letter in _VARINT:
        return _pack_varint(to_unsigned(number))
    form = _FORMS.get(letter)
    if form is None:
        return b""
    if letter in _REAL:
        return _pack_real(form, number)
    cut = to_unsigned(number, 8 * form.size)
    return cut.to_bytes(form.size, "big" if letter in b"nNM" else "little")


def _pack_varint(number: int) -> bytes:
    groups = encode_varint(number)
    # The reference server leaves out the second group of what needs ten.
    return groups if number < 2**63 else groups[:1] + groups[2:]


def _pack_real(form: Struct, number: float) -> bytes:
    try:
        return form.pack(number)
    except OverflowError:
        return form.pack(math.copysign(math.inf, number))


def _unpack(letter: bytes, data: bytes, position: int) -> tuple[float, int] | None:
    """Return a number and where it ends, or ``None`` if the data ends before it does."""
    if letter in _VARINT:
        if position >= len(data):
            return None
        # What is cut short is taken as it is, unlike in dumps.
        found = decode_varint(data, position)
        return found or (_cut_varint(data[position:]), len(data))
    form = _FORMS[letter]
    end = position + form.size
    return (form.unpack_from(data, position)[0], end) if end <= len(data) else None


def _cut_varint(groups: bytes) -> int:
    number = 0
    for group in groups:
        number = (number << 7 | group & 0x7F) % 2**64
    return number
