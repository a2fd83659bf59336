"""The atomic operations step by step: what they send, and what they make of each answer."""

from __future__ import annotations

import itertools

import pytest

from kt_cache.cache import operations
from kt_cache.cache.envelope import unwrap, wrap
from kt_cache.client.operation import Pause
from kt_cache.errors import DecodeError
from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN
from tests.support.recording import read_request

NOW = 1_800_000_000.25
OVER = (wrap(b"\x81old", NOW - 0.1), int(NOW))  # past its deadline, still held by the server
ALIVE = (wrap(b"\x81old", NOW + 4.75), int(NOW) + 5)


def play(operation, *replies):
    """Answer an operation's commands in turn; return what it sent and its result."""
    sent, replies = [], iter(replies)
    step = next(operation)
    while True:
        if isinstance(step, Pause):
            reply = None
            sent.append("pause")
        else:
            name, request, *_ = step
            (row,) = read_request(request)
            sent.append((name, row.value, row.xt))
            reply = next(replies)
        try:
            step = operation.send(reply)
        except StopIteration as stop:
            assert not list(replies), "it asked for less than expected"
            return sent, stop.value


def clock():
    return NOW


class TestAdd:
    def test_free(self):
        """Where there is nothing it is one command."""
        sent, result = play(operations.add(0, b"k", b"\x81new", 1.5, clock), True)
        assert (sent, result) == ([("add", wrap(b"\x81new", NOW + 1.5), 2)], True)

    def test_taken(self):
        """Over a live record: the refusal is looked into, and stands."""
        sent, result = play(operations.add(0, b"k", b"\x81new", 9, clock), False, ALIVE)
        assert [step[0] for step in sent] == ["add", "get"]
        assert result is False

    def test_over_a_record_past_its_time(self):
        """Over a record past its deadline: replaced by cas, with the new time."""
        sent, result = play(operations.add(0, b"k", b"\x81new", 9, clock), False, OVER, True)
        assert sent[2] == ("cas", wrap(b"\x81new", NOW + 9), 9)
        assert result is True

    def test_lost_race_for_it(self):
        """Whoever loses that cas starts again and then finds the winner's record."""
        sent, result = play(
            operations.add(0, b"k", b"\x81new", 9, clock), False, OVER, False, False, ALIVE
        )
        assert [step[0] for step in sent if step != "pause"] == ["add", "get", "cas", "add", "get"]
        assert sent.count("pause") == 1
        assert result is False

    def test_removed_in_between(self):
        """A record that vanished after the refusal is added again."""
        sent, result = play(operations.add(0, b"k", b"7", None, clock), False, None, True)
        assert [step for step in sent if step != "pause"] == [
            ("add", b"7", NEVER_GIVEN),
            ("get", b"", None),
            ("add", b"7", NEVER_GIVEN),
        ]
        assert result is True

    def test_deadline_moves_with_each_attempt(self):
        """A second attempt counts its time to live from then, not from the first."""
        ticks = itertools.count()
        sent, _ = play(
            operations.add(0, b"k", b"\x81v", 9, lambda: NOW + next(ticks)), False, None, True
        )
        first, second = (unwrap(step[1])[1] for step in sent if step[0] == "add")
        assert second > first


class TestSwap:
    def test_counter(self):
        """A counter is swapped in one command, whether it is there or not."""
        for reply in (True, False):
            sent, result = play(operations.swap(0, b"k", b"42", b"43", 9, clock), reply)
            assert (sent, result) == ([("cas", b"43", 9)], reply)

    def test_another(self):
        """Any other payload: its record is read, for it has a deadline."""
        sent, result = play(operations.swap(0, b"k", b"\x81old", b"7", None, clock), ALIVE, True)
        assert [step[0] for step in sent] == ["get", "cas"]
        assert sent[1] == ("cas", b"7", NEVER_GIVEN)
        assert result is True

    @pytest.mark.parametrize("found", [None, OVER, (wrap(b"\x81new", NOW + 4), int(NOW) + 4)])
    def test_not_there(self, found):
        """Nothing, something else, and what is past its time are left alone."""
        sent, result = play(operations.swap(0, b"k", b"\x81old", None, None, clock), found)
        assert [step[0] for step in sent] == ["get"]
        assert result is False

    def test_touched_in_between(self):
        """A record that got another time meanwhile is read again, and swapped."""
        later = (wrap(b"\x81old", NOW + 8), int(NOW) + 8)
        operation = operations.swap(0, b"k", b"\x81old", b"\x81new", 9, clock)
        sent, result = play(operation, ALIVE, False, later, True)
        assert [step[0] for step in sent if step != "pause"] == ["get", "cas"] * 2
        assert result is True


class TestIncrement:
    def test_keeps_the_time_read_back(self):
        """The time sent is the negated one just read; never a new one."""
        sent, result = play(operations.increment(0, b"n", 5, clock), (b"37", int(NOW) + 100), True)
        assert sent[1] == ("cas", b"42", -(int(NOW) + 100))
        assert result == 42

    def test_keeps_never(self):
        """A counter for ever stays so."""
        sent, _ = play(operations.increment(0, b"n", 5, clock), (b"37", NEVER), True)
        assert sent[1] == ("cas", b"42", NEVER_GIVEN)

    @pytest.mark.parametrize("found", [None, OVER], ids=["missing", "past its deadline"])
    def test_missing(self, found):
        """A missing counter is not made, and nothing is written."""
        sent, result = play(operations.increment(0, b"n", 1, clock), found)
        assert [step[0] for step in sent] == ["get"]
        assert result is None

    def test_lost_race(self):
        """A cas that fails is followed by a fresh read, and the number is never counted twice."""
        sent, result = play(
            operations.increment(0, b"n", 1, clock),
            (b"1", NEVER),
            False,
            (b"9", int(NOW) + 5),
            True,
        )
        assert sent[-1] == ("cas", b"10", -(int(NOW) + 5))
        assert result == 10

    def test_removed_in_between(self):
        """A counter removed while it is added to stays removed."""
        _, result = play(operations.increment(0, b"n", 1, clock), (b"1", NEVER), False, None)
        assert result is None

    def test_not_a_counter(self):
        """Something else is refused before anything is written."""
        with pytest.raises(DecodeError):
            play(operations.increment(0, b"n", 1, clock), ALIVE)


class TestTouch:
    def test_new_deadline(self):
        """The record gets a new deadline and a new time; its payload stays."""
        sent, result = play(operations.touch(0, b"k", 7.5, clock), ALIVE, True)
        assert sent[1] == ("cas", wrap(b"\x81old", NOW + 7.5), 8)
        assert result is True

    def test_for_ever(self):
        """Touched to never, a record loses its envelope."""
        sent, _ = play(operations.touch(0, b"k", None, clock), ALIVE, True)
        assert sent[1] == ("cas", b"\x81old", NEVER_GIVEN)

    @pytest.mark.parametrize("found", [None, OVER], ids=["missing", "past its deadline"])
    def test_missing(self, found):
        """A missing record is not revived."""
        sent, result = play(operations.touch(0, b"k", 60, clock), found)
        assert [step[0] for step in sent] == ["get"]
        assert result is False


def test_pauses_grow_and_are_bounded():
    """Losers wait a random while, longer after each loss, never longer than 50 ms."""
    assert all(0 <= Pause(lost).seconds <= 0.05 for lost in [*range(1, 40), 10**6])
    longest = [max(Pause(lost).seconds for _ in range(200)) for lost in (1, 4, 8)]
    assert longest == sorted(longest)
    assert longest[0] <= 0.002 < longest[2]
