"""A cursor whose connection fails: never a wrong place, never an end that is none."""

from __future__ import annotations

import time

import pytest

from kt_cache import KyotoTycoon
from kt_cache.errors import (
    ConnectionClosed,
    OutcomeUnknown,
    ReadTimeout,
    TimeoutExceeded,
    TransportError,
)
from kt_cache.testing import FaultProxy
from tests.support.clients import assert_nothing_leaked, client_for, patiently
from tests.support.peers import TIMEOUT, Peer, ScriptedServer
from tests.support.replies import rpc

__all__ = ["client_for"]

CALL_TIMEOUT = 0.1  # seconds
LATE = 1.0  # seconds by which a busy machine may be late
RECORDS = {"a": "1", "b": "2", "c": "3"}

READS = {
    "step": lambda cursor: cursor.step(),
    "key": lambda cursor: cursor.key(),
    "value": lambda cursor: cursor.value(),
    "get": lambda cursor: cursor.get(step=True),
    "iteration": lambda cursor: next(iter(cursor)),
}
CHANGES = {
    "set_value": lambda cursor: cursor.set_value("new"),
    "remove": lambda cursor: cursor.remove(),
    "seize": lambda cursor: cursor.seize(),
    "signal": lambda cursor: cursor.key(signal="s", send=True),
}
JUMPS = {
    "jump": lambda cursor: cursor.jump(),
    "jump to a key": lambda cursor: cursor.jump("b"),
}
faults = pytest.mark.parametrize("fault", ["cut", "reset"])
places = pytest.mark.parametrize("after", [0, 20])


def calls(*tables):
    table = {name: call for each in tables for name, call in each.items()}
    return pytest.mark.parametrize("call", table.values(), ids=table.keys())


@pytest.fixture
def proxy(included_server):
    included_server.client.clear()
    included_server.client.set_bulk(RECORDS)
    with FaultProxy(included_server.port) as proxy:
        yield proxy


@pytest.fixture
def kt(proxy, client_for):
    kt = client_for(proxy.port)
    yield kt
    proxy.restore()
    assert kt.get("a") in ("1", "new", None)
    assert_nothing_leaked(kt)


@pytest.fixture
def cursor(kt):
    cursor = kt.cursor()
    assert cursor.jump() is True
    yield cursor
    cursor.close()


def assert_lost(cursor, kt):
    """A cursor without its connection says so until it is placed anew."""
    assert cursor.is_valid() is False
    for call in (*READS.values(), *CHANGES.values()):
        with pytest.raises(ConnectionClosed, match="begin anew") as caught:
            call(cursor)
        assert str(kt.port) in str(caught.value)
    assert patiently(lambda: (cursor.jump("c"), cursor.get())) == (True, ("c", "3"))


@faults
@places
@calls(READS)
def test_break_in_reading(proxy, kt, cursor, call, fault, after):
    """The place is lost, and nothing is read from another one."""
    getattr(proxy, fault)(after=after, times=1)
    with pytest.raises(ConnectionClosed):
        call(cursor)
    assert_lost(cursor, kt)


@faults
@places
@calls(CHANGES)
def test_break_in_change(proxy, kt, cursor, call, fault, after):
    """Nobody knows whether the record was changed; it is not tried again on another one."""
    getattr(proxy, fault)(after=after, times=1)
    with pytest.raises(OutcomeUnknown):
        call(cursor)
    assert len(kt.match_prefix("")) >= 2
    assert_lost(cursor, kt)


@faults
@places
@calls(JUMPS)
def test_break_in_jump(proxy, kt, cursor, call, fault, after):
    """A jump is tried once more: where the cursor was plays no part."""
    getattr(proxy, fault)(after=after, times=1)
    assert call(cursor) is True
    assert cursor.key() in RECORDS
    getattr(proxy, fault)(after=after, times=2)
    with pytest.raises(ConnectionClosed):
        call(cursor)
    assert cursor.is_valid() is False


@calls(JUMPS)
def test_connections_that_went_stale(proxy, kt, call):
    """The first jump of a cursor notices nothing of connections that were reset while unused."""
    kt.get("a")
    proxy.reset_idle()
    connections = proxy.connections
    with kt.cursor() as cursor:
        assert call(cursor) is True
        assert cursor.key() in RECORDS
    assert proxy.connections == connections + 1


def test_reset_between_two_calls(proxy, kt, cursor):
    """A jump places the cursor again by itself; anything else says that its place is lost."""
    proxy.reset_idle()
    assert cursor.jump("b") is True
    proxy.reset_idle()
    with pytest.raises(ConnectionClosed):
        cursor.key()
    assert_lost(cursor, kt)


@faults
def test_break_in_an_iteration(proxy, kt, fault):
    """Is an error and not the end of the records; whoever begins again gets them all."""
    for walk in (kt.keys(), kt.values(), kt.items(), iter(kt), iter(kt.cursor())):
        next(walk)
        getattr(proxy, fault)(times=1)
        with pytest.raises(ConnectionClosed):
            list(walk)
    assert dict(kt.items()) == RECORDS


@calls(READS, CHANGES, JUMPS)
def test_stall(proxy, kt, client_for, call):
    """A server that does not answer costs a call its deadline and no more."""
    hasty = client_for(proxy.port, call_timeout=CALL_TIMEOUT)
    cursor = hasty.cursor()
    patiently(cursor.jump)
    proxy.stall()
    started = time.monotonic()
    with pytest.raises(TimeoutExceeded):
        call(cursor)
    assert time.monotonic() - started < CALL_TIMEOUT + LATE
    assert hasty.pool_stats.open == 0
    proxy.restore()
    assert_lost(cursor, hasty)
    cursor.close()


def test_stall_from_the_start(proxy, client_for):
    """The same holds for all that the first jump does: connecting and asking."""
    hasty = client_for(proxy.port, call_timeout=CALL_TIMEOUT)
    proxy.stall()
    cursor = hasty.cursor()
    started = time.monotonic()
    with pytest.raises(ReadTimeout):
        cursor.jump()
    assert time.monotonic() - started < CALL_TIMEOUT + LATE
    assert (cursor.is_valid(), hasty.pool_stats.open) == (False, 0)


@faults
def test_break_in_close(proxy, kt, cursor, fault):
    """Closing cannot fail: with its connection the cursor is gone as well."""
    getattr(proxy, fault)(times=1)
    assert cursor.close() is True
    assert (cursor.close(), kt.pool_stats.open) == (False, 0)


def test_stall_in_close(proxy, client_for):
    """Nor can it take longer than any call."""
    hasty = client_for(proxy.port, call_timeout=CALL_TIMEOUT)
    cursor = hasty.cursor()
    patiently(cursor.jump)
    proxy.stall()
    started = time.monotonic()
    assert cursor.close() is True
    assert time.monotonic() - started < CALL_TIMEOUT + LATE
    assert hasty.pool_stats.open == 0


@pytest.mark.parametrize("end", [ConnectionClosed, None], ids=["more to come", "no more"])
def test_a_server_that_closes_behind_a_reply(client_for, end):
    """What it said counts; that it said no more is not the end of the records."""

    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(rpc())
        peer.request()
        if end:
            peer.send(rpc(key="k", value="v", close=True))
        else:
            peer.send(rpc(450, ERROR="DB: 7: no record: no record", close=True))
        peer.await_end()

    with ScriptedServer(answer) as server:
        kt = client_for(server.port, read_timeout=TIMEOUT)
        cursor = kt.cursor()
        cursor.jump()
        if end:
            assert cursor.get(step=True) == ("k", "v")
            with pytest.raises(end, match="begin anew"):
                cursor.get()
        else:
            assert cursor.get(step=True) is cursor.get() is None
        assert kt.pool_stats.open == 0


def test_a_cursor_that_the_server_will_not_give_up(client_for):
    """Its connection is closed: the next cursor must not find it there."""

    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(rpc())
        peer.request()
        peer.send(rpc(501, ERROR="not implemented"))
        peer.await_end()

    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        cursor = kt.cursor()
        cursor.jump()
        assert cursor.close() is True
        assert (kt.pool_stats.open, kt.pool_stats.discards) == (0, 1)


def test_a_server_that_stops(client_for):
    """The clear error of any call, also from a cursor that is placed for the first time."""
    with ScriptedServer(lambda peer: peer.reset()) as server:
        kt: KyotoTycoon = client_for(server.port)
        with pytest.raises(TransportError) as caught:
            kt.cursor().jump("k")
        assert caught.value.host == f"127.0.0.1:{server.port}"
        assert kt.pool_stats.open == 0
