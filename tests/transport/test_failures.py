"""After whatever failure nothing is in use, nobody waits, and no place of the pool is lost."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from kt_cache.errors import ConnectError, KTError
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import Peer, ScriptedServer, nobody_listens
from tests.support.replies import found, rpc


def stall(peer: Peer) -> None:
    peer.request()
    peer.await_end()


def cut(peer: Peer) -> None:
    peer.request()


def cut_in_the_middle(peer: Peer) -> None:
    peer.request()
    peer.send(found(("k", "value"))[:-2])


def reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def garbage(peer: Peer) -> None:
    peer.request()
    peer.send(b"what?")
    peer.await_end()


def too_much(peer: Peer) -> None:
    peer.request()
    peer.send(found(("k", "value")) + b"!")
    peer.await_end()


def close_at_once(_: Peer) -> None:
    pass


def refuse(peer: Peer) -> None:
    for _ in peer.requests():
        peer.send(b"\xbf")


@pytest.mark.parametrize(
    "script",
    [stall, cut, cut_in_the_middle, reset, garbage, too_much, close_at_once, refuse],
    ids=lambda script: script.__name__,
)
@pytest.mark.parametrize("seconds", [(0.05, 5), (5, 0.05)], ids=["kernel", "settimeout"])
def test_no_failure_costs_a_place(
    any_client_for: ClientFor, script: Any, seconds: tuple[float, float]
) -> None:
    """However calls fail, afterwards nothing is in use and nobody waits."""
    with ScriptedServer(script) as server:
        read_timeout, call_timeout = seconds
        kt = any_client_for(
            server.port, max_size=2, read_timeout=read_timeout, call_timeout=call_timeout
        )
        for _ in range(4):
            with pytest.raises(KTError):
                kt.get("k")
            with pytest.raises(KTError):
                kt.script("f", {"k": "v"})
            assert kt.pool_stats.open == kt.pool_stats.idle <= 2
        assert_nothing_leaked(kt)


def test_no_connection_is_kept_after_a_failure(any_client_for: ClientFor) -> None:
    """After an error in the middle of an exchange the connection is closed, not reused."""
    for script in (stall, cut, cut_in_the_middle, reset, garbage, too_much):
        with ScriptedServer(script) as server:
            kt = any_client_for(server.port, read_timeout=0.05)
            with pytest.raises(KTError):
                kt.get("k")
            assert kt.pool_stats.open == 0, script


def test_a_refusal_keeps_the_connection(any_client_for: ClientFor) -> None:
    """A complete reply that says no leaves the connection usable."""

    def refuse_calls(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(rpc(450, ERROR="DB: 7: no record: no record"))

    with ScriptedServer(refuse_calls) as server:
        kt = any_client_for(server.port)
        for _ in range(3):
            with suppress(KTError):
                kt.increment("k", orig="try")
            assert kt.add("k", "v") is False
        assert (kt.pool_stats.open, kt.pool_stats.idle, server.connections) == (1, 1, 1)


def test_a_server_that_closes_behind_its_reply(any_client_for: ClientFor) -> None:
    """A connection whose end is announced in a reply is not used again; the reply counts."""

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(rpc(close=True, count="7"))
        peer.await_end()

    with ScriptedServer(once) as server:
        kt = any_client_for(server.port)
        assert [kt.count(), kt.count()] == [7, 7]
        assert (kt.pool_stats.open, server.connections) == (0, 2)


def test_connecting_in_vain_costs_no_place(any_client_for: ClientFor) -> None:
    """A pool whose server is away is as large as before when it is back."""
    with nobody_listens() as port:
        kt = any_client_for(port, max_size=2)
        for _ in range(5):
            with pytest.raises(ConnectError):
                kt.get("k")
    assert_nothing_leaked(kt)
    assert kt.pool_stats.open == 0
