"""What the calls of the cache's functions on the server make of each reply."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.client import cache_functions
from kt_cache.client.cache_functions import NoAnswer
from kt_cache.protocol import binary
from tests.protocol.feeding import Outcome, read_reply
from tests.protocol.strategies import sizes

INCREMENT = cache_functions.increment(0, b"k", 1)
TOUCH = cache_functions.touch(0, b"k", 60, b"", 0.0)
ADD = cache_functions.add(0, b"k", b"v", 60, 0.0)

NUMBER = binary.encode_script_reply([(b"num", b"1")])
ZERO = binary.encode_script_reply([(b"num", b"0")])
BELOW = binary.encode_script_reply([(b"num", b"-12345678901234")])
NOTHING = binary.encode_script_reply([])
ABSENT = binary.encode_script_reply([(b"absent", b"1")])
REFUSED = binary.encode_script_reply([(b"num", b"0"), (b"refused", b"use cas")])


@pytest.mark.parametrize(
    ("command", "reply", "result"),
    [
        (INCREMENT, NUMBER, 1),
        (INCREMENT, BELOW, -12345678901234),
        (INCREMENT, NOTHING, None),
        (INCREMENT, REFUSED, NoAnswer.USE_CAS),
        (INCREMENT, b"\xbf", NoAnswer.FAILED),
        (TOUCH, NOTHING, True),
        (TOUCH, ABSENT, False),
        (TOUCH, REFUSED, NoAnswer.USE_CAS),
        (TOUCH, b"\xbf", NoAnswer.FAILED),
        (ADD, NUMBER, True),
        (ADD, ZERO, False),
        (ADD, b"\xbf", NoAnswer.FAILED),
    ],
)
@given(pieces=sizes)
def test_replies(command: Any, reply: bytes, result: Any, pieces: list[int]) -> None:
    """However a reply arrives, it means the same."""
    outcome = read_reply(command[2], reply, pieces, whole=True)
    assert outcome == Outcome("result", result, len(reply))
    assert type(outcome.value) is type(result)


@pytest.mark.parametrize("command", [INCREMENT, TOUCH, ADD])
def test_an_answer_of_another_function(command: Any) -> None:
    """It is refused, and not taken for one or the other."""
    reply = binary.encode_script_reply([(b"other", b"1")])
    assert read_reply(command[2], reply, [], whole=True).kind == "ServerError"


@given(st.binary(max_size=40), sizes)
def test_never_another_error(reply: bytes, pieces: list[int]) -> None:
    """Whatever the server sends, it is understood or refused in the client's own words."""
    for command in (INCREMENT, TOUCH):
        read_reply(command[2], reply, pieces)


def test_what_may_be_sent_twice() -> None:
    """Only a touch leaves the same if it is carried out twice."""
    assert [command[3] for command in (INCREMENT, TOUCH, ADD)] == [False, True, False]
    assert cache_functions.serves_us()[3] is True
