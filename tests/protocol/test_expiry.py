"""Expiration times: how they are given, stored, kept and when a record is dead."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.errors import ConfigError
from kt_cache.protocol.expiry import (
    ABSOLUTE_FROM,
    NEVER,
    NEVER_GIVEN,
    is_dead,
    keep_expiry,
    latest_dead,
    resolve_expiry,
    to_wire,
)

nows = st.integers(ABSOLUTE_FROM, 2**33)
lives = st.integers(0, ABSOLUTE_FROM - 1)
stored_times = st.integers(1, NEVER)
wire_times = st.integers(-(2**63), 2**63 - 1)
aware = st.datetimes(timezones=st.just(timezone.utc))


def stored(expire_time: Any, now: int) -> int:
    """Return what a server stores for a time as callers give it."""
    return resolve_expiry(to_wire(expire_time), now)


# ---------------------------------------------------------------- what is sent


@given(
    st.none()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.fractions()
    | st.timedeltas()
    | st.datetimes()
    | aware
)
def test_every_time_fits_the_wire(expire_time: Any) -> None:
    """Whatever time a caller gives, a signed 64-bit number is sent for it."""
    assert -(2**63) <= to_wire(expire_time) < 2**63


@given(nows)
def test_none_is_never(now: int) -> None:
    """``None`` means that the record does not expire."""
    assert to_wire(None) == NEVER_GIVEN
    assert stored(None, now) == NEVER


@given(st.floats(0, ABSOLUTE_FROM - 1), nows)
def test_seconds_to_live_are_rounded_up(seconds: float, now: int) -> None:
    """A time to live is sent relative and rounded up: a record never dies early."""
    assert to_wire(seconds) == math.ceil(seconds)
    assert stored(seconds, now) == now + math.ceil(seconds)


@given(lives, nows)
def test_a_timedelta_is_a_time_to_live(seconds: int, now: int) -> None:
    """A timedelta is sent like the seconds it has; a fraction counts as a whole one."""
    assert to_wire(timedelta(seconds=seconds)) == to_wire(seconds)
    assert to_wire(timedelta(seconds=seconds, microseconds=1)) == seconds + 1
    assert to_wire(Fraction(2 * seconds - 1, 2)) == seconds


@given(st.timedeltas(max_value=timedelta(0)), nows)
def test_a_past_timedelta_lives_no_longer_than_this_second(past: timedelta, now: int) -> None:
    """A timedelta that is over is a time to live of zero: gone in the next second."""
    assert stored(past, now) == now


@given(st.integers(ABSOLUTE_FROM, NEVER - 1), nows)
def test_large_numbers_are_unix_times(moment: int, now: int) -> None:
    """From 10**9 on a number is a Unix time and is stored as it is."""
    assert stored(moment, now) == moment
    assert stored(Decimal(moment), now) == moment


@given(st.integers(1, NEVER - 1), nows)
def test_negative_numbers_are_negated_unix_times(moment: int, now: int) -> None:
    """A negative number is sent as it is: the negated Unix time."""
    assert to_wire(-moment) == -moment
    assert stored(-moment, now) == moment


@given(st.integers(min_value=NEVER), nows)
def test_times_beyond_storage_are_never(moment: int, now: int) -> None:
    """A time that 40 bits cannot hold means never, given in either way."""
    assert stored(moment, now) == stored(-moment, now) == NEVER


@given(aware, nows)
def test_a_datetime_is_a_moment(moment: datetime, now: int) -> None:
    """A datetime is stored as its Unix time, rounded up; one before 1970 is long dead."""
    assert stored(moment, now) == max(1, math.ceil(moment.timestamp()))


def test_the_first_and_the_last_datetime(monkeypatch: pytest.MonkeyPatch) -> None:
    """A naive datetime at either end of the calendar is accepted in every time zone."""
    try:
        for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Etc/GMT+12"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert to_wire(datetime.min) == -1  # noqa: DTZ901
            assert to_wire(datetime.max) < -250_000_000_000  # noqa: DTZ901
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "wrong", ["60", b"60", math.nan, math.inf, -math.inf, object(), [1], 1j, Decimal("NaN")]
)
def test_what_is_no_time_is_refused(wrong: Any) -> None:
    """Anything else, and a number that is not finite, is an error that says what is accepted."""
    with pytest.raises(ConfigError, match="seconds, a datetime or a timedelta"):
        to_wire(wrong)


# ---------------------------------------------------------------- what is stored


@given(wire_times, nows)
def test_stored_times_fit_forty_bits(given_time: int, now: int) -> None:
    """Every 64-bit number given resolves to a time that storage can hold."""
    assert 0 < resolve_expiry(given_time, now) <= NEVER


@pytest.mark.parametrize("huge", [2**63 - 1, 2**62, 2**40, -(2**63), -(2**62), -(2**40), NEVER])
def test_huge_numbers_of_either_sign_are_never(huge: int) -> None:
    """Official clients send 2**63-1 for never; the smallest number is never as well."""
    assert resolve_expiry(huge, 1_800_000_000) == NEVER


@given(st.integers(0, 2**39), st.integers(0, 2**39), nows)
def test_a_longer_life_never_ends_earlier(shorter: int, longer: int, now: int) -> None:
    """Of two times to live the longer one ends later."""
    shorter, longer = sorted((shorter, longer))
    assert resolve_expiry(shorter, now) <= resolve_expiry(longer, now)


# ---------------------------------------------------------------- kept and dead


@given(stored_times, nows)
def test_a_time_read_back_is_kept(moment: int, now: int) -> None:
    """Sending the time just read back leaves the record with exactly that time."""
    assert resolve_expiry(keep_expiry(moment), now) == moment


@pytest.mark.parametrize("shown", [NEVER, NEVER + 1, 2**63 - 1])
def test_never_is_kept_as_never(shown: int) -> None:
    """Never is shown as 2**40-1, by a persistent database as 2**63-1, and sent as never."""
    assert keep_expiry(shown) == NEVER_GIVEN


@given(lives, nows)
def test_a_record_outlives_its_second_and_no_more(life: int, now: int) -> None:
    """A record is alive through its own second and dead from the next one on."""
    moment = resolve_expiry(life, now)
    assert not is_dead(moment, now)
    assert not is_dead(moment, moment)
    assert is_dead(moment, moment + 1)


@given(nows)
def test_the_latest_dead_time(now: int) -> None:
    """The highest time that is dead in a second is the one just before the first living."""
    assert is_dead(latest_dead(now), now)
    assert not is_dead(latest_dead(now) + 1, now)


@given(st.integers(0, 2**39))
def test_never_never_dies(now: int) -> None:
    """A record without expiration is alive at any time."""
    assert not is_dead(NEVER, now)
