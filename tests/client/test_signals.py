"""Calls that wait for a signal, and calls that send one, on each kind of server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.errors import ConfigError, OutcomeUnknown, ReadTimeout, ServerError, SignalTimeout
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import TIMEOUT, Peer, ScriptedServer
from tests.support.replies import rpc

SOON = {"signal": "nobody sends this", "wait": 0.01}
WITH_SIGNALS = {
    "add": lambda kt, **signals: kt.add("new", "v", **signals),
    "replace": lambda kt, **signals: kt.replace("k", "w", **signals),
    "append": lambda kt, **signals: kt.append("k", "w", **signals),
    "cas": lambda kt, **signals: kt.cas("k", "v", "w", **signals),
    "increment": lambda kt, **signals: kt.increment("n", **signals),
    "increment_double": lambda kt, **signals: kt.increment_double("d", **signals),
    "exists": lambda kt, **signals: kt.exists("k", **signals),
    "check": lambda kt, **signals: kt.check("k", **signals),
    "length": lambda kt, **signals: kt.length("k", **signals),
    "seize": lambda kt, **signals: kt.seize("k", **signals),
    "pop": lambda kt, **signals: kt.pop("k", **signals),
    "get_http": lambda kt, **signals: kt.get_http("k", **signals),
    "set_http": lambda kt, **signals: kt.set_http("k", "w", **signals),
    "remove_http": lambda kt, **signals: kt.remove_http("k", **signals),
    "get_bulk_http": lambda kt, **signals: kt.get_bulk_http(["k"], **signals),
    "set_bulk_http": lambda kt, **signals: kt.set_bulk_http({"k": "w"}, **signals),
    "remove_bulk_http": lambda kt, **signals: kt.remove_bulk_http(["k"], **signals),
    "match_prefix": lambda kt, **signals: kt.match_prefix("k", **signals),
    "match_regex": lambda kt, **signals: kt.match_regex("k", **signals),
    "match_similar": lambda kt, **signals: kt.match_similar("k", **signals),
    "status": lambda kt, **signals: kt.status(**signals),
    "report": lambda kt, **signals: kt.report(**signals),
    "count": lambda kt, **signals: kt.count(**signals),
    "synchronize": lambda kt, **signals: kt.synchronize(**signals),
    "vacuum": lambda kt, **signals: kt.vacuum(**signals),
    "clear": lambda kt, **signals: kt.clear(**signals),
}
each_call = pytest.mark.parametrize("call", WITH_SIGNALS.values(), ids=WITH_SIGNALS.keys())


def in_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


def send_until_done(kt: KyotoTycoon, name: str, *threads: threading.Thread) -> None:
    """Send a signal again and again: nothing tells when another client has begun to wait."""
    deadline = time.monotonic() + TIMEOUT
    while any(thread.is_alive() for thread in threads):
        assert time.monotonic() < deadline, "nobody was woken"
        kt.exists("k", signal=name, send=True)
        time.sleep(0.005)


@each_call
def test_waiting_in_vain(kt: KyotoTycoon, call: Callable[..., Any]) -> None:
    """Every such call can wait; without the signal it is not carried out, and only that."""
    kt.set("k", "v")
    connects = kt.pool_stats.connects
    with pytest.raises(SignalTimeout, match="timed out") as caught:
        call(kt, **SOON)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status == 503
    assert (kt.get("k"), kt.count()) == ("v", 1)
    assert kt.pool_stats.connects == connects
    assert_nothing_leaked(kt)


@each_call
def test_sending_to_nobody(kt: KyotoTycoon, call: Callable[..., Any]) -> None:
    """Sending changes nothing of what a call does and says."""
    results = []
    for signals in ({}, {"signal": "s", "send": True}):
        kt.clear()
        kt.set("k", "v")
        results.append(call(kt, **signals))
    plain, signalling = results
    if isinstance(plain, dict) and "k" not in plain:  # a status or report says so besides
        assert signalling.keys() == plain.keys() | {"SIGNALED"}
        assert signalling["SIGNALED"] == 0
    else:
        assert signalling == plain


@each_call
def test_woken(kt: KyotoTycoon, call: Callable[..., Any]) -> None:
    """A waiting call is carried out as soon as another client sends the signal."""
    kt.set("k", "v")
    started = time.monotonic()
    thread, results = in_background(lambda: call(kt, signal="go", wait=TIMEOUT))
    send_until_done(kt, "go", thread)
    assert time.monotonic() - started < TIMEOUT / 2
    assert len(results) == 1
    assert_nothing_leaked(kt)


def test_all_who_wait_are_woken(kt: KyotoTycoon) -> None:
    """One signal is for everybody; who waits for another one waits on."""
    kt.set("k", "v")
    waiting = [in_background(lambda: kt.get_http("k", signal="go", wait=TIMEOUT)) for _ in range(4)]
    other, nothing = in_background(lambda: kt.exists("k", signal="other", wait=TIMEOUT))
    send_until_done(kt, "go", *(thread for thread, _ in waiting))
    assert [results for _, results in waiting] == [["v"]] * 4
    assert (other.is_alive(), nothing) == (True, [])
    send_until_done(kt, "other", other)


def test_a_refused_call_sends_its_signal(kt: KyotoTycoon) -> None:
    """The signal goes out whatever became of the call."""
    kt.set("k", "v")
    thread, _ = in_background(lambda: kt.exists("k", signal="go", wait=TIMEOUT))
    deadline = time.monotonic() + TIMEOUT
    while thread.is_alive() and time.monotonic() < deadline:
        assert kt.add("k", "again", signal=b"go", send=True) is False
        time.sleep(0.005)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "signals",
    [
        {"wait": 1},
        {"send": True},
        {"signal": "s"},
        {"signal": "s", "send": False},
        {"signal": "s", "wait": 1, "send": True},
        {"signal": "s", "wait": 0},
        {"signal": "s", "wait": -1},
        {"signal": "s", "wait": float("nan")},
        {"signal": "s", "wait": float("inf")},
        {"signal": "s", "wait": "soon"},
        {"signal": "s", "wait": True},
    ],
    ids=repr,
)
def test_what_does_not_go_together(client_for: ClientFor, signals: dict[str, Any]) -> None:
    """Is refused before anything is sent."""
    kt = client_for(1)
    for call in (*WITH_SIGNALS.values(), lambda kt, **given: kt.cursor().jump(**given)):
        with pytest.raises(ConfigError, match=r"signal|wait"):
            call(kt, **signals)


def test_other_words(client_for: ClientFor) -> None:
    """An option nobody knows is a mistake, as with any function."""
    with pytest.raises(TypeError, match="'signl'"):
        client_for(1).exists("k", signl="s")


def test_nothing_given(kt: KyotoTycoon) -> None:
    """What is left at its default asks for nothing."""
    assert kt.count(signal=None) == kt.count(wait=None) == kt.count(send=False) == 0
    assert kt.count(signal=None, wait=None, send=False) == 0


def test_the_shortest_wait(kt: KyotoTycoon) -> None:
    """However short, it is never the server's own half a minute."""
    started = time.monotonic()
    with pytest.raises(SignalTimeout):
        kt.exists("k", signal="s", wait=1e-9)
    assert time.monotonic() - started < 2


def test_a_wait_beyond_the_limits(any_server: EmbeddedServer, client_for: ClientFor) -> None:
    """Waiting comes on top of the limits for a server's silence and for a call."""
    kt = client_for(any_server.port, read_timeout=0.5, call_timeout=0.55)
    started = time.monotonic()
    with pytest.raises(SignalTimeout):
        kt.exists("k", signal="nobody sends this", wait=0.7)
    with kt.cursor() as cursor, pytest.raises(SignalTimeout):
        cursor.jump(signal="nobody sends this", wait=0.7)
    assert time.monotonic() - started >= 1.4
    assert kt.get("k") is None
    assert_nothing_leaked(kt)


def test_a_server_that_waits_for_too_long(client_for: ClientFor) -> None:
    """Patience has an end as well, and the next call on the connection has none."""

    def stall_at_signals(peer: Peer) -> None:
        for request in peer.requests():
            if b"WAIT" not in request:
                peer.send(rpc(vsiz="1"))
            elif peer.number == 1:
                peer.send(rpc(503, ERROR="the condition timed out"))

    with ScriptedServer(stall_at_signals) as server:
        kt = client_for(server.port, read_timeout=0.6, call_timeout=5)
        with pytest.raises(SignalTimeout):
            kt.exists("k", signal="s", wait=0.1)
        assert kt.exists("k") is True
        assert server.connections == 1
        started = time.monotonic()
        with pytest.raises(ReadTimeout):
            client_for(server.port, read_timeout=0.1, max_idle=9).exists("k", signal="s", wait=0.1)
        assert 0.2 <= time.monotonic() - started < 2


def test_patience_does_not_outlast_the_deadline(client_for: ClientFor) -> None:
    """A server that drips its answer costs a waiting call its wait and its time, and no more."""

    def drip(peer: Peer) -> None:
        peer.request()
        peer.drip(rpc(vsiz="1"), every=0.05)

    with ScriptedServer(drip) as server:
        kt = client_for(server.port, read_timeout=1, call_timeout=0.2)
        started = time.monotonic()
        with pytest.raises(ReadTimeout):
            kt.exists("k", signal="s", wait=0.2)
        assert 0.4 <= time.monotonic() - started < 2


def test_a_signal_is_sent_once(client_for: ClientFor) -> None:
    """A read may be tried again, but not one that sends a signal; one that waits may."""

    def cut_once(peer: Peer) -> None:
        peer.request()
        if peer.number > 1:
            peer.send(rpc(vsiz="1"))
            peer.await_end()

    with ScriptedServer(cut_once) as server:
        assert client_for(server.port).exists("k", signal="s", wait=1) is True
        assert len(server.requests) == 2
    with ScriptedServer(cut_once) as server:
        with pytest.raises(OutcomeUnknown):
            client_for(server.port).exists("k", signal="s", send=True)
        assert len(server.requests) == 1


def test_an_error_with_a_signal_is_none_of_time(kt: KyotoTycoon) -> None:
    """Only the wait's end is a timeout; other refusals stay what they are."""
    with pytest.raises(ServerError) as caught:
        kt.match_regex("(", signal="s", send=True)
    assert not isinstance(caught.value, TimeoutError)
