"""Numbers as the server's Lua packs them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.protocol.lua_pack import pack_numbers, to_unsigned, unpack_numbers

RANGES = {
    b"c": (-(2**7), 2**7 - 1),
    b"C": (0, 2**8 - 1),
    b"s": (-(2**15), 2**15 - 1),
    b"S": (0, 2**16 - 1),
    b"i": (-(2**31), 2**31 - 1),
    b"I": (0, 2**32 - 1),
    b"l": (-(2**53), 2**53),
    b"L": (0, 2**53),
    b"n": (0, 2**16 - 1),
    b"N": (0, 2**32 - 1),
    b"M": (0, 2**53),
    b"w": (0, 2**53),
    b"d": (-(2**53), 2**53),
}
items = st.sampled_from(sorted(RANGES)).flatmap(
    lambda letter: st.tuples(st.just(letter), st.integers(*RANGES[letter]))
)


@pytest.mark.parametrize(
    ("form", "numbers", "packed"),
    [
        (b"cC", (-1, 255), "ffff"),
        (b"snN", (258, 258, 258), "0201010200000102"),
        (b"M", (258,), "0000000000000102"),
        (b"fd", (1.5, 0.1), "0000c03f9a9999999999b93f"),
        (b"w*", (0, 127, 128, 16384), "007f8100818000"),
        (b"c2n", (1, 2, 3), "01020003"),
        (b"zc", (1, 2), "02"),
        (b"f", (1e300,), "0000807f"),
        (b"w", (2.0**63,), "818080808080808000"),
    ],
)
def test_known_bytes(form: bytes, numbers: tuple[float, ...], packed: str) -> None:
    """Each letter has its bytes; unknown ones write nothing."""
    assert pack_numbers(form, numbers).hex() == packed


@given(st.lists(items, max_size=10))
def test_round_trip(given: list[tuple[bytes, int]]) -> None:
    """Numbers within their letters' ranges come back."""
    form, numbers = b"".join(letter for letter, _ in given), [number for _, number in given]
    assert unpack_numbers(form, pack_numbers(form, numbers)) == numbers


@given(st.binary(max_size=8), st.binary(max_size=40), st.lists(st.floats(), max_size=5))
def test_anything_is_taken(form: bytes, data: bytes, numbers: list[float]) -> None:
    """No format, data or number is an error."""
    form += b"c" + b"9" * 5000
    assert isinstance(pack_numbers(form, numbers), bytes)
    assert len(unpack_numbers(form, data)) <= len(data)


@given(st.lists(items, min_size=1, max_size=5), st.data())
def test_what_is_cut_short(given: list[tuple[bytes, int]], data: st.DataObject) -> None:
    """Unpacking gives the numbers in front of a cut."""
    fixed = [(letter, number) for letter, number in given if letter != b"w"]
    form, numbers = b"".join(letter for letter, _ in fixed), [number for _, number in fixed]
    packed = pack_numbers(form, numbers)
    cut = data.draw(st.integers(0, len(packed)))
    found = unpack_numbers(form, packed[:cut])
    assert found == numbers[: len(found)]
    assert len(pack_numbers(form, found)) <= cut


@pytest.mark.parametrize(
    ("number", "bits", "cut"),
    [
        (-1.9, 64, 2**64 - 1),
        (2.0**63, 64, 2**63),
        (math.inf, 64, 0),
        (-math.inf, 64, 2**63),
        (math.nan, 64, 2**63),
        (2.0**40 + 5, 32, 5),
        (math.inf, 32, 0),
        (300, 8, 44),
        (2.0**40 + 5, 16, 0),
    ],
)
def test_cut_numbers(number: float, bits: int, cut: int) -> None:
    """Fractions and high bits are cut off, and what is far too large as a processor does it."""
    assert to_unsigned(number, bits) == cut
