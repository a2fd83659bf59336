"""Deadline and payload in one record, and when the deadline counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kt_cache.cache.codec import is_counter
from kt_cache.cache.envelope import is_past, relative_xt, unwrap, wrap
from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN

deadlines = st.floats(0, 2**40, allow_nan=False)


class TestWrapping:
    @given(st.binary(), st.none() | deadlines)
    @example(b"\x01", None)
    @example(b"\x01" + bytes(8), None)
    @example(b"\x01" + bytes(20), 1.5)
    @example(b"", 1.5)
    def test_round_trip(self, payload, deadline):
        """Any payload comes back as it was; its deadline exactly, unless it is a counter."""
        found, when = unwrap(wrap(payload, deadline))
        assert found == payload
        if deadline is None:
            assert when in (None, math.inf)  # either way it never passes
        elif is_counter(payload):
            assert when is None
        else:
            assert when == deadline

    @given(st.sampled_from(b"-0123456789"), st.binary(), deadlines)
    def test_counters_carry_none(self, first, rest, deadline):
        """A payload that starts with a digit or a minus sign is stored as it is."""
        payload = bytes((first,)) + rest
        assert wrap(payload, deadline) == payload
        assert unwrap(payload) == (payload, None)

    @given(st.binary(min_size=1))
    def test_no_deadline_no_envelope(self, payload):
        """A value for ever is stored without an envelope, so other programs can read it."""
        assume(payload[0] != 1)
        assert wrap(payload, None) == payload

    @given(st.binary())
    def test_any_record(self, record):
        """Bytes nobody wrapped are a payload, or taken for an envelope; never an error."""
        payload, deadline = unwrap(record)
        assert record.endswith(payload)
        is_past(deadline, 1000, 1000.0)


NOW = 1_800_000_000
TRUTH = {
    # name: (deadline, the record's xt, the reader's clock, past?)
    "no deadline": (None, NOW, NOW + 1.0, False),
    "before it": (NOW + 0.5, NOW + 1, NOW + 0.4999, False),
    "at it": (NOW + 0.5, NOW + 1, NOW + 0.5, True),
    "after it": (NOW + 0.5, NOW + 1, NOW + 1.9, True),
    "reader's clock at xt + 2": (NOW + 0.5, NOW + 1, NOW + 3.0, True),
    "reader's clock beyond xt + 2": (NOW + 0.5, NOW + 1, NOW + 3.001, False),
    "reader's clock 10 s ahead, short time": (NOW + 3.0, NOW + 3, NOW + 10.0, False),
    "reader's clock 10 s behind": (NOW + 0.5, NOW + 1, NOW - 9.0, False),
    "xt 2 s above the deadline": (NOW + 0.0, NOW + 2, NOW + 1.0, True),
    "xt more than 2 s above": (NOW - 0.5, NOW + 2, NOW + 1.0, False),
    "xt 2 s below the deadline": (NOW + 2.0, NOW, NOW + 2.0, True),
    "xt more than 2 s below": (NOW + 2.5, NOW, NOW + 2.5, False),
    "touched to much longer": (NOW + 0.5, NOW + 500, NOW + 1.0, False),
    "touched to never": (NOW + 0.5, NEVER, NOW + 1.0, False),
    "touched to shorter": (NOW + 500.0, NOW + 1, NOW + 1.5, False),
    "writer's clock 10 s behind": (NOW - 9.5, NOW + 1, NOW + 0.5, False),
    "writer's clock 10 s ahead": (NOW + 10.5, NOW + 1, NOW + 10.6, False),
    "a deadline that never comes": (math.inf, NOW + 1, NOW + 2.0, False),
    "not a number": (math.nan, NOW + 1, NOW + 2.0, False),
    # What no rule without the server's clock can tell apart from an honest deadline: a reader
    # ahead by less than the time to live takes the record for past, in the moments in which its
    # own clock is between the deadline and xt + 2.
    "reader's clock ahead, in its last moments": (NOW + 30.0, NOW + 30, NOW + 30.5, True),
}


class TestIsPast:
    @pytest.mark.parametrize(("deadline", "stored", "now", "past"), TRUTH.values(), ids=list(TRUTH))
    def test_truth_table(self, deadline, stored, now, past):
        """The deadline counts only near the record's own time and by a plausible clock."""
        assert is_past(deadline, stored, now) is past

    @given(st.floats(0.001, 10**6), st.floats(0, 1, exclude_max=True), st.floats(0, 0.9))
    def test_equal_clocks(self, ttl, phase, wait):
        """With equal clocks a record is never past before its time and always from then on."""
        written = NOW + phase
        stored, deadline = NOW + math.ceil(ttl), written + ttl
        assert not is_past(deadline, stored, math.nextafter(deadline, 0))
        assert is_past(deadline, stored, deadline)
        # The server ends it when the second after xt begins; until then it stays past.
        assert is_past(deadline, stored, max(deadline, stored + 1 - wait))


class TestRelativeXt:
    @pytest.mark.parametrize(
        ("ttl", "xt"),
        [
            (None, NEVER_GIVEN),
            (0.001, 1),
            (1, 1),
            (1.0, 1),
            (1.001, 2),
            (300, 300),
            (10**20, NEVER_GIVEN),
            (math.inf, NEVER_GIVEN),
            (1e300, NEVER_GIVEN),
        ],
    )
    def test_rounded_up(self, ttl, xt):
        """The server is told whole seconds, never fewer than asked for, never too many to send."""
        assert relative_xt(ttl) == xt

    @given(st.floats(min_value=0, exclude_min=True, allow_nan=False) | st.integers(1))
    def test_never_negative(self, ttl):
        """A time to live is sent as a relative time that fits 64 bits."""
        assert 0 < relative_xt(ttl) <= NEVER_GIVEN
