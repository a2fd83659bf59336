"""What happens to each command when its connection breaks: tried again once, or told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.client import administration, bulk_procedures, procedures, records
from kt_cache.errors import (
    ConnectError,
    ConnectionClosed,
    KTError,
    OutcomeUnknown,
    ReadTimeout,
    RemoteProtocolError,
    TransportError,
)
from tests.client.cases import CASES, VALUE, each_command, each_final, each_repeatable
from tests.support.clients import ClientFor, assert_nothing_leaked, executor_of
from tests.support.peers import TIMEOUT, Peer, ScriptedServer, nobody_listens, until
from tests.support.replies import MISSING, STORED

endings = pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["close", "reset"])


def assert_tells(error: KTError, name: str, port: int) -> None:
    """The error says where it happened, and nothing of what was stored."""
    case = CASES[name]
    assert (error.host, error.command, error.key) == (f"127.0.0.1:{port}", case.name, case.key)
    told, text = [], ""
    current: BaseException | None = error
    while current is not None and current not in told:
        told.append(current)
        text += f"{current} {current!r} {vars(current)}"
        current = current.__cause__ or current.__context__
    assert VALUE.decode() not in text


def test_every_command_is_covered() -> None:
    """The table has every function that makes a command."""
    modules = [records, procedures, bulk_procedures, administration]
    made = {
        f"{module.__name__.rpartition('.')[2]}.{function}"
        for module in modules
        for function in module.__all__
    }
    assert set(CASES) == made | {"call.call"}


@each_command
def test_the_design_says_what_may_be_sent_twice(name: str) -> None:
    """Reads and plain sets may be; what another client could notice twice may not."""
    _, _, _, repeatable, _ = CASES[name].make()
    assert repeatable is CASES[name].repeatable


@each_command
def test_a_command_gets_its_reply(any_client_for: ClientFor, name: str) -> None:
    """Without a failure it is sent once and its reply decoded."""
    case = CASES[name]

    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(case.reply)
        peer.await_end()

    with ScriptedServer(answer) as server:
        kt = any_client_for(server.port)
        assert executor_of(kt).run(case.make()) == case.result
        assert server.requests == [case.request]
        assert_nothing_leaked(kt)


# ---------------------------------------------------------------- broken before the reply


@endings
@each_repeatable
def test_a_repeatable_command_is_tried_again(
    any_client_for: ClientFor, name: str, end: Callable[[Peer], None]
) -> None:
    """Cut before its reply it is sent once more, on a new connection, and succeeds."""
    case = CASES[name]

    def cut_once(peer: Peer) -> None:
        peer.request()
        if peer.number == 1:
            end(peer)
        else:
            peer.send(case.reply)
            peer.await_end()

    with ScriptedServer(cut_once) as server:
        kt = any_client_for(server.port)
        assert executor_of(kt).run(case.make()) == case.result
        assert server.requests == [case.request] * 2
        assert server.connections == 2
        assert_nothing_leaked(kt)


@endings
@each_final
def test_any_other_command_is_sent_once(
    any_client_for: ClientFor, name: str, end: Callable[[Peer], None]
) -> None:
    """Cut before its reply nobody knows what it did, and the caller is told so."""
    case = CASES[name]

    def cut(peer: Peer) -> None:
        peer.request()
        end(peer)

    with ScriptedServer(cut) as server:
        kt = any_client_for(server.port)
        with pytest.raises(OutcomeUnknown, match="the server may or may not have") as caught:
            executor_of(kt).run(case.make())
        assert server.requests == [case.request]
        assert server.connections == 1
        assert_tells(caught.value, name, server.port)
        assert isinstance(caught.value.__cause__, ConnectionClosed)
        assert kt.pool_stats.open == 0


@each_repeatable
def test_a_reply_cut_at_any_place(any_client_for: ClientFor, name: str) -> None:
    """What came of the first reply plays no part in reading the second one."""
    case = CASES[name]
    cuts = iter(range(1, len(case.other_reply)))

    def cut_every_other(peer: Peer) -> None:
        for _ in peer.requests():
            if len(server.requests) % 2:
                peer.send(case.other_reply[: next(cuts)])
                return
            peer.send(case.reply)

    with ScriptedServer(cut_every_other) as server:
        executor = executor_of(any_client_for(server.port, read_timeout=TIMEOUT))
        for _ in range(1, len(case.other_reply)):
            assert executor.run(case.make()) == case.result


@each_final
def test_a_cut_in_the_middle_of_a_reply(any_client_for: ClientFor, name: str) -> None:
    """Half an answer is none: the outcome is unknown all the same."""
    case = CASES[name]

    def cut(peer: Peer) -> None:
        peer.request()
        peer.send(case.reply[:-1])

    with ScriptedServer(cut) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            executor_of(any_client_for(server.port)).run(case.make())
        assert len(server.requests) == 1
        assert_tells(caught.value, name, server.port)


@each_repeatable
def test_a_second_failure_comes_out(any_client_for: ClientFor, name: str) -> None:
    """Two attempts are all; the second one's error says where it happened."""

    def cut(peer: Peer) -> None:
        peer.request()

    with ScriptedServer(cut) as server:
        kt = any_client_for(server.port)
        with pytest.raises(ConnectionClosed) as caught:
            executor_of(kt).run(CASES[name].make())
        assert len(server.requests) == server.connections == 2
        assert_tells(caught.value, name, server.port)
        assert kt.pool_stats.open == 0


@each_repeatable
def test_no_second_connection(any_client_for: ClientFor, name: str) -> None:
    """If the server is gone at the second attempt, that is what the caller learns."""

    def cut_and_leave(peer: Peer) -> None:
        peer.request()
        server.close_listener()

    with ScriptedServer(cut_and_leave) as server:
        with pytest.raises(ConnectError) as caught:
            executor_of(any_client_for(server.port)).run(CASES[name].make())
        assert_tells(caught.value, name, server.port)
        assert len(server.requests) == 1


# ---------------------------------------------------------------- broken before anything was sent


def warm(peer: Peer) -> None:
    """Answer one get, as other calls before would have been."""
    peer.request()
    peer.send(MISSING)


def serve(peer: Peer, reply: bytes) -> None:
    for _ in peer.requests():
        peer.send(reply)


@each_command
def test_a_connection_reset_before_the_call(any_client_for: ClientFor, name: str) -> None:
    """Every command is tried again if nothing of it was sent; it is sent exactly once."""
    case = CASES[name]
    gone = threading.Event()

    def reset_after_one(peer: Peer) -> None:
        if peer.number == 1:
            warm(peer)
            peer.reset()
            gone.set()
        else:
            serve(peer, case.reply)

    with ScriptedServer(reset_after_one) as server:
        kt = any_client_for(server.port)
        assert kt.get("warm") is None
        gone.wait(TIMEOUT)
        assert executor_of(kt).run(case.make()) == case.result
        assert server.requests[1:] == [case.request]
        assert_nothing_leaked(kt)


def test_connections_closed_while_they_were_quiet(
    any_client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command is lost on a connection that the server closed long enough ago."""
    monkeypatch.setattr("kt_cache.transport.pool.PROBE_AFTER", 0.05)
    closed = []

    def close_after_one(peer: Peer) -> None:
        if peer.number <= len(CASES):
            warm(peer)
            peer.sock.close()
            closed.append(peer)
        else:
            request = peer.request()
            peer.send(next(c.reply for c in CASES.values() if c.request == request))
            peer.await_end()

    with ScriptedServer(close_after_one) as server:
        clients = [any_client_for(server.port, max_waiting=number) for number in range(len(CASES))]
        for kt in clients:
            assert kt.get("warm") is None
        until(lambda: len(closed) == len(CASES), "all are closed")
        time.sleep(0.06)
        for kt, case in zip(clients, CASES.values(), strict=True):
            assert executor_of(kt).run(case.make()) == case.result
            assert kt.pool_stats.discards == 1
        assert len(server.requests) == 2 * len(CASES)


@each_command
def test_nobody_listens(any_client_for: ClientFor, name: str) -> None:
    """A refused connection is never an unknown outcome."""
    with nobody_listens() as port:
        kt = any_client_for(port)
        with pytest.raises(ConnectError) as caught:
            executor_of(kt).run(CASES[name].make())
        assert_tells(caught.value, name, port)
        assert kt.pool_stats.open == 0


@each_command
def test_reset_twice_before_the_call(any_client_for: ClientFor, name: str) -> None:
    """A server that resets new connections at once may fail any call, but hides nothing."""
    with ScriptedServer(Peer.reset) as server:
        kt = any_client_for(server.port)
        for _ in range(5):
            with pytest.raises(TransportError) as caught:
                executor_of(kt).run(CASES[name].make())
            assert_tells(caught.value, name, server.port)
            if CASES[name].repeatable:
                assert not isinstance(caught.value, OutcomeUnknown)
        assert server.requests == []


# ---------------------------------------------------------------- other failures


@each_command
def test_a_timeout_is_final(any_client_for: ClientFor, name: str) -> None:
    """A server that does not answer gets no second request."""

    def stall(peer: Peer) -> None:
        peer.request()
        peer.await_end()

    with ScriptedServer(stall) as server:
        with pytest.raises(ReadTimeout) as caught:
            executor_of(any_client_for(server.port, read_timeout=0.05)).run(CASES[name].make())
        until(lambda: server.requests, "the request arrives")
        assert (server.connections, len(server.requests)) == (1, 1)
        assert_tells(caught.value, name, server.port)


@each_command
def test_nonsense_is_final(any_client_for: ClientFor, name: str) -> None:
    """A server that does not speak the protocol gets no second request, nor is it used on."""

    def babble(peer: Peer) -> None:
        peer.request()
        peer.send(b"\x07" + VALUE)
        peer.await_end()

    with ScriptedServer(babble) as server:
        kt = any_client_for(server.port)
        with pytest.raises(RemoteProtocolError) as caught:
            executor_of(kt).run(CASES[name].make())
        assert len(server.requests) == 1
        assert_tells(caught.value, name, server.port)
        assert kt.pool_stats.open == 0


@pytest.mark.parametrize(
    ("call", "repeatable"),
    [(lambda kt, v: kt.set("k", v), True), (lambda kt, v: kt.add("k", v), False)],
    ids=["set", "add"],
)
def test_broken_in_the_middle_of_a_request(
    any_client_for: ClientFor, call: Callable[[KyotoTycoon, bytes], Any], repeatable: bool
) -> None:
    """A request of which a part was sent counts as sent."""
    value = b"v" * 30_000_000

    def take_a_part(peer: Peer) -> None:
        if peer.number == 1:
            peer.sock.recv(1000)
            peer.reset()
        else:
            left = len(records.set_one(0, b"k", value, 0)[1])
            while left:
                left -= len(peer.sock.recv(1_000_000))
            peer.send(STORED)
            peer.await_end()

    with ScriptedServer(take_a_part) as server:
        kt = any_client_for(server.port)
        if repeatable:
            assert call(kt, value) == 1
            assert server.connections == 2
        else:
            with pytest.raises(OutcomeUnknown):
                call(kt, value)
            assert server.connections == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: records.set_one(0, b"k", VALUE, 9, no_reply=True),
        lambda: records.set_bulk([(0, b"k", VALUE, 9)], no_reply=True),
        lambda: records.remove(0, b"k", no_reply=True),
        lambda: records.remove_bulk([(0, b"k")], no_reply=True),
        lambda: records.play_script(b"f", [], no_reply=True),
    ],
    ids=["set", "set_bulk", "remove", "remove_bulk", "script"],
)
def test_without_a_reply(any_client_for: ClientFor, make: Callable[[], Any]) -> None:
    """A call that wants no reply ends when its request is sent, and is sent once."""

    def say_nothing(peer: Peer) -> None:
        for _ in peer.requests():
            pass

    with ScriptedServer(say_nothing) as server:
        kt = any_client_for(server.port, read_timeout=TIMEOUT)
        for _ in range(3):
            assert executor_of(kt).run(make()) is None
        until(lambda: len(server.requests) == 3, "all three arrive")
        _, request, *_ = make()
        assert server.requests == [request] * 3
        assert (server.connections, kt.pool_stats.idle) == (1, 1)
