"""Several calls in one round trip."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.client import administration, cursors, key_pages, procedures
from kt_cache.client.executor import Executor
from kt_cache.client.pipeline import pipelined
from kt_cache.errors import NoSuchDatabase
from kt_cache.protocol import rpc
from kt_cache.protocol.http import encode_response
from kt_cache.transport import PoolConfig, get_pool
from tests.protocol import strategies as some
from tests.protocol.feeding import read_reply


def reply(status: int, rows: Any, *, close: bool = False) -> bytes:
    kind, body = rpc.encode_reply_body(rows)
    headers = [("Content-Type", kind)]
    return encode_response(status, headers, body, server="kt", date="now", close=close)


@given(
    values=st.lists(st.one_of(st.none(), st.binary(max_size=300)), max_size=6),
    close=st.booleans(),
    sizes=some.sizes,
)
def test_replies_in_any_pieces(values, close, sizes) -> None:
    """However the replies arrive, each call gets its own, and the last one may announce the end."""
    commands = [procedures.get(0, b"k")] * (len(values) + 1)
    data = b"".join(
        reply(450 if value is None else 200, {} if value is None else {b"value": value})
        for value in values
    )
    data += reply(200, {b"value": b"last"}, close=close)
    _, _, decode, _, _ = pipelined("many", commands, list)
    outcome = read_reply(decode, data, sizes, whole=True)
    assert outcome.kind == ("closing" if close else "result")
    assert outcome.value == [*values, b"last"]


def test_more_than_was_asked_for() -> None:
    """A reply to nothing is an error, as with any command."""
    data = reply(200, {b"value": b"v"}) * 3
    _, _, decode, _, _ = pipelined("many", [procedures.get(0, b"k")] * 2, list)
    assert read_reply(decode, data, [len(data)]).kind == "RemoteProtocolError"


@pytest.mark.parametrize("data", [b"\xbf", b"x" * 10, b"HTTP/1.1 no\r\n\r\n", b"HTTP/1.1 " * 9000])
def test_what_is_no_reply(data) -> None:
    """Bytes that cannot become a reply are refused as soon as that is seen."""
    _, _, decode, _, _ = pipelined("many", [procedures.get(0, b"k")] * 2, list)
    good = reply(200, {b"value": b"v"})
    assert read_reply(decode, good + data, [len(good)]).kind == "RemoteProtocolError"


def test_repeatable() -> None:
    """It may be sent again only if each of its calls may."""
    reading, writing = procedures.get(0, b"k"), procedures.seize(0, b"k")
    assert pipelined("many", [reading, reading], list)[3] is True
    assert pipelined("many", [reading, writing], list)[3] is False


@pytest.fixture
def executor(kt) -> Executor:
    return Executor(get_pool(PoolConfig(host=kt.host, port=kt.port, max_size=1, read_timeout=4.5)))


def test_in_order(executor) -> None:
    """The server carries the calls out one after the other."""
    commands = [
        procedures.set_one(0, b"k", b"1", 60),
        procedures.get(0, b"k"),
        procedures.append(0, b"k", b"2", 60),
        procedures.seize(0, b"k"),
        procedures.get(0, b"k"),
    ]
    assert executor.run(pipelined("many", commands, list)) == [True, b"1", True, b"12", None]


def test_a_refusal_ends_the_connection(executor) -> None:
    """After an error half-way no later call takes one of the replies that were still to come."""
    executor.run(procedures.set_one(0, b"k", b"v", 60))
    for _ in range(3):
        with pytest.raises(NoSuchDatabase):
            executor.run(
                pipelined("many", [administration.status(9), *[procedures.get(0, b"x")] * 5], list)
            )
        with pytest.raises(NoSuchDatabase):
            executor.run(key_pages.keys_from(9, b"", 100))
        assert executor.run(procedures.get(0, b"k")) == b"v"


def test_no_cursor_is_left(executor) -> None:
    """The cursor of a listing does not outlive it: the connection's next one begins nowhere."""
    executor.run(procedures.set_one(0, b"k", b"v", 60))
    executor.run(key_pages.keys_from(0, b"k", 1))
    assert executor.run(cursors.get_key(0, step=False)) is None
    executor.run(cursors.delete(0))
