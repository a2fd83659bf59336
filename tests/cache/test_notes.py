"""Notes beside a value, as bytes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.cache.codec import is_counter
from kt_cache.cache.notes import GENERATION_SIZE, NOTED, Notes, attach, detach
from kt_cache.errors import DecodeError

times = st.floats(allow_nan=False)
generations = st.binary(min_size=GENERATION_SIZE, max_size=GENERATION_SIZE)
tags = st.lists(st.tuples(st.binary(max_size=30), generations), max_size=5).map(tuple)
notes = st.builds(Notes, times, times, tags)


@given(st.binary(max_size=50), notes)
def test_round_trip(payload, notes):
    """Any payload and any notes come back as they were."""
    noted = attach(payload, notes)
    assert detach(noted) == (payload, notes)
    assert noted[:1] == NOTED
    assert not is_counter(noted)


@given(st.binary(max_size=60))
def test_anything_can_be_read_or_is_refused(rest):
    """Bytes that begin like notes are notes or a DecodeError, nothing else."""
    try:
        payload, notes = detach(NOTED + rest)
    except DecodeError:
        return
    assert (NOTED + rest).endswith(payload)
    assert len(notes.tags) * GENERATION_SIZE <= len(rest)


@given(notes)
def test_cut_off(notes):
    """Notes that are cut off at any place are refused."""
    noted = attach(b"", notes)
    for length in range(1, len(noted)):
        with pytest.raises(DecodeError):
            detach(noted[:length])


def test_layout():
    """The stored form stays what it is."""
    notes = Notes(1.0, 0.5, ((b"key", b"12345678"),))
    stored = "b1 3ff0000000000000 3fe0000000000000 0001 00000003 3132333435363738 6b6579 76"
    assert attach(b"v", notes) == bytes.fromhex(stored)
    assert detach(bytes.fromhex(stored)) == (b"v", notes)
    assert math.isinf(Notes().fresh_until)
