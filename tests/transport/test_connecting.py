"""Connections that cannot be made: what the caller is told, and how soon."""

from __future__ import annotations

import socket
import time

import pytest

from kt_cache.errors import ConnectError, ConnectTimeout
from kt_cache.protocol.binary import GET_BULK
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import Peer, ScriptedServer, nobody_accepts, nobody_listens
from tests.support.replies import MISSING


def test_nobody_listens(any_client_for: ClientFor) -> None:
    """A refused connection says so at once, with the address and what to look at."""
    with nobody_listens() as port:
        kt = any_client_for(port)
        started = time.monotonic()
        with pytest.raises(ConnectError) as caught:
            kt.get("k")
    assert time.monotonic() - started < 1
    assert not isinstance(caught.value, ConnectTimeout)
    assert "refused; is the server running?" in str(caught.value)
    assert (caught.value.host, caught.value.command) == (f"127.0.0.1:{port}", "get")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    # How the pool looked for a connection is not part of the story that a traceback tells.
    assert not isinstance(caught.value.__cause__.__context__, LookupError)
    assert_nothing_leaked(kt)


@pytest.mark.parametrize(
    ("connect_timeout", "call_timeout"), [(0.2, 9), (9, 0.2)], ids=["connect", "call"]
)
def test_nobody_accepts(
    any_client_for: ClientFor, connect_timeout: float, call_timeout: float
) -> None:
    """Connecting ends with the connect timeout or the call's deadline, whichever is first."""
    with nobody_accepts() as port:
        kt = any_client_for(port, connect_timeout=connect_timeout, call_timeout=call_timeout)
        started = time.monotonic()
        with pytest.raises(ConnectTimeout, match=f"no connection in time .*127.0.0.1:{port}"):
            kt.get("k")
    assert 0.15 < time.monotonic() - started < 2
    assert_nothing_leaked(kt)


@pytest.mark.parametrize("host", ["a" * 64, ".", "no such host", "kt.invalid"])
def test_a_host_that_no_resolver_knows(any_client_for: ClientFor, host: str) -> None:
    """A name that cannot be looked up is a connection that cannot be made."""
    kt = any_client_for(1978, host=host)
    with pytest.raises(ConnectError, match="the host name cannot be resolved: ") as caught:
        kt.get("k")
    assert caught.value.host == f"{host}:1978"
    assert_nothing_leaked(kt)


def test_every_address_of_a_host_is_tried(
    any_client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with an address that does not answer is reached at its other one."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(MISSING)

    with nobody_listens() as closed, ScriptedServer(answer) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (closed, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        kt = any_client_for(1978, host="two.example")
        assert kt.get("k") is None
        assert server.connections == 1


def test_an_address_that_is_silent_leaves_time_for_the_next(
    any_client_for: ClientFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that takes no connection gets its share of the connect timeout, not all of it."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(MISSING)

    with nobody_accepts() as silent, ScriptedServer(answer) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (silent, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        kt = any_client_for(1978, host="half.example", connect_timeout=1.0)
        assert kt.get("k") is None


def test_a_host_without_addresses(
    any_client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that knows the name and no address of it is an ordinary failure."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(ConnectError, match="it has no address"):
        any_client_for(1978, host="none.example").get("k")


def test_a_small_request_leaves_at_once(any_client_for: ClientFor) -> None:
    """Sockets do not hold small packets back (TCP_NODELAY): many calls take little time."""

    def answer(peer: Peer) -> None:
        for request in peer.requests():
            if request[0] == GET_BULK:
                peer.send(MISSING)

    with ScriptedServer(answer) as server:
        kt = any_client_for(server.port)
        started = time.monotonic()
        for _ in range(50):
            kt.set("k", "v", no_reply=True)
            assert kt.get("k") is None
        assert time.monotonic() - started < 1.5  # 40 ms each if the second packet had to wait
