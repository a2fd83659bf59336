"""Every call of the client, on a connection that fails in every way."""

from __future__ import annotations

import time

import pytest

from kt_cache import KyotoTycoon
from kt_cache.errors import ConnectionClosed, KTError, OutcomeUnknown, TimeoutExceeded
from kt_cache.testing import FaultProxy
from tests.support.clients import patiently

CALL_TIMEOUT = 0.1  # seconds
LATE = 1.0  # seconds by which a busy machine may be late
DRIP = 0.05  # seconds between the bytes of a reply that drips

# Sent again by themselves on a new connection; calling them twice changes nothing.
REPEATABLE = {
    "get": lambda client: client.get("key"),
    "get_bytes": lambda client: client.get_bytes("key"),
    "get_bulk": lambda client: client.get_bulk(["key", "other"]),
    "get_bulk_details": lambda client: client.get_bulk_details([(0, "key")]),
    "expire_time": lambda client: client.expire_time("key"),
    "exists": lambda client: client.exists("key"),
    "length": lambda client: client.length("key"),
    "match_prefix": lambda client: client.match_prefix("k"),
    "count": lambda client: client.count(),
    "status": lambda client: client.status(),
    "report": lambda client: client.report(),
    "set": lambda client: client.set("key", "value"),
    "set_bytes": lambda client: client.set_bytes("key", b"value"),
    "set_bulk": lambda client: client.set_bulk({"key": "value"}),
    "set_bulk_details": lambda client: client.set_bulk_details([(0, "key", "value", None)]),
}
# Sent once and no more.
ONCE = {
    "remove": lambda client: client.remove("old"),
    "remove_bulk": lambda client: client.remove_bulk(["old"]),
    "remove_bulk_details": lambda client: client.remove_bulk_details([(0, "old")]),
    "add": lambda client: client.add("new", "value"),
    "replace": lambda client: client.replace("old", "value"),
    "cas": lambda client: client.cas("old", "old", "new"),
    "increment": lambda client: client.increment("number"),
    "seize": lambda client: client.seize("old"),
    "clear": lambda client: client.clear(),
    "script": lambda client: client.script("missing"),
}
CALLS = REPEATABLE | ONCE
# Those whose reply has more than one byte, so that it can break off in the middle.
LONGER = {name: call for name, call in CALLS.items() if name != "script"}


def calls(table):
    return pytest.mark.parametrize("call", table.values(), ids=table.keys())


@pytest.fixture
def proxy(included_server):
    included_server.client.clear()
    with FaultProxy(included_server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    yield from clients(proxy, None)


@pytest.fixture
def hasty(proxy):
    yield from clients(proxy, CALL_TIMEOUT)


def clients(proxy, timeout):
    patient = KyotoTycoon(port=proxy.port)
    patient.set_bulk({"key": "value", "old": "old", "marker": "mine"})
    patient.close_all()
    client = KyotoTycoon(port=proxy.port, timeout=timeout)
    yield client
    proxy.restore()
    # There is a connection that works, and no answer on it but its own.
    assert patiently(lambda: client.get_bytes("late")) is None
    assert client.pool_stats.open == client.pool_stats.idle == 1
    client.close_all()


@calls(CALLS)
def test_stall(proxy, hasty, call):
    """A server that does not answer costs a call its deadline and no more."""
    proxy.stall()
    started = time.monotonic()
    with pytest.raises(TimeoutExceeded):
        call(hasty)
    assert time.monotonic() - started < CALL_TIMEOUT + LATE
    assert hasty.pool_stats.open == 0


@calls(LONGER)
def test_drip(proxy, hasty, call):
    """Neither does one that sends a byte now and then."""
    proxy.drip(interval=DRIP)
    started = time.monotonic()
    with pytest.raises(TimeoutExceeded):
        call(hasty)
    assert time.monotonic() - started < CALL_TIMEOUT + LATE
    assert hasty.pool_stats.open == 0


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("after", [0, 3])
@calls(REPEATABLE)
def test_break_in_reply(proxy, client, call, fault, after):
    """A reply that breaks off is asked for once more, and the caller does not notice."""
    right = call(client)
    connections = proxy.connections
    getattr(proxy, fault)(after=after, times=1)
    again = call(client)
    if not isinstance(right, dict) or "serv_current_time" not in right:
        assert again == right
    assert proxy.connections == connections + 1


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize(
    ("call", "after"),
    [(call, 0) for call in ONCE.values()]
    + [(call, 3) for name, call in ONCE.items() if name in LONGER],
)
def test_break_in_reply_to_change(proxy, client, call, fault, after):
    """A change whose reply breaks off is not sent again: nobody knows what became of it."""
    getattr(proxy, fault)(after=after, times=1)
    with pytest.raises(OutcomeUnknown) as caught:
        call(client)
    assert isinstance(caught.value.__cause__, ConnectionClosed)
    assert str(client.port) in str(caught.value)


@calls(REPEATABLE)
def test_second_break(proxy, client, call):
    """There is one repetition, not two."""
    client.get("key")
    connections = proxy.connections
    proxy.cut(times=2)
    with pytest.raises(ConnectionClosed):
        call(client)
    assert proxy.connections == connections + 1


@calls(REPEATABLE)
def test_reset_while_idle(proxy, client, call):
    """Connections that were reset while idle cost a read one new connection and no error."""
    right = call(client)
    connections = proxy.connections
    proxy.reset_idle()
    again = call(client)
    if not isinstance(right, dict) or "serv_current_time" not in right:
        assert again == right
    assert proxy.connections == connections + 1


@calls(CALLS)
def test_late_answer(proxy, hasty, call):
    """The answer to a call that timed out is never taken for the answer to the next one."""
    proxy.stall()
    with pytest.raises(KTError):
        call(hasty)
    proxy.restore()
    if call is not ONCE["clear"]:
        assert patiently(lambda: hasty.get("marker")) == "mine"
    assert patiently(lambda: hasty.get("nothing")) is None
