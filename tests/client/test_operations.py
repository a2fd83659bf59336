"""Operations of several commands: one deadline for all of them, and nothing left behind."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.client import procedures, records
from kt_cache.client.executor import Executor
from kt_cache.client.operation import Operation, Pause
from kt_cache.errors import ReadTimeout, ServerError, TimeoutExceeded
from kt_cache.transport import get_pool
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.peers import Peer, ScriptedServer
from tests.support.replies import MISSING
from tests.support.threads import run_threads


def executor_of(kt: KyotoTycoon) -> Executor:
    return Executor(get_pool(kt.config))


def answer(peer: Peer) -> None:
    for _ in peer.requests():
        peer.send(MISSING)


def test_an_operation_gets_its_replies(kt: KyotoTycoon) -> None:
    """Each command it yields comes back as that command's reply; its return value comes out."""

    def swap(first: bytes, second: bytes) -> Operation[int]:
        found = yield records.get_bulk([(0, first), (0, second)])
        values = {key: value for _, key, value, _ in found}
        yield Pause(0)
        stored = yield records.set_bulk(
            [(0, first, values[second], 100), (0, second, values[first], 100)]
        )
        return stored

    kt.set_bulk({"a": "1", "b": "2"})
    assert executor_of(kt).drive(swap(b"a", b"b")) == 2
    assert kt.get_bulk(["a", "b"]) == {"a": "2", "b": "1"}


def test_an_operation_of_nothing(client_for: ClientFor) -> None:
    """One that yields nothing needs no server."""

    def nothing() -> Operation[str]:
        return "done"
        yield

    assert executor_of(client_for(1)).drive(nothing()) == "done"


def test_a_command_that_fails(kt: KyotoTycoon) -> None:
    """Its error ends the operation, which may tidy up."""
    ended = []

    def increment() -> Operation[Any]:
        try:
            yield procedures.increment(0, b"missing", 1, b"try", 0)
        finally:
            ended.append(True)

    with pytest.raises(ServerError, match="command=increment"):
        executor_of(kt).drive(increment())
    assert ended == [True]


def test_an_operation_that_loses_every_race(client_for: ClientFor) -> None:
    """It ends with the call's deadline, and says why."""

    def lose() -> Operation[Any]:
        lost = 0
        while True:
            yield records.get(0, b"k")
            lost += 1
            yield Pause(lost)

    with ScriptedServer(answer) as server:
        kt = client_for(server.port, call_timeout=1)
        started = time.monotonic()
        with pytest.raises(TimeoutExceeded, match="kept changing until the deadline") as caught:
            executor_of(kt).drive(lose())
        assert 1 <= time.monotonic() - started < 3
        assert caught.value.host == kt.config.address
        assert 2 < len(server.requests) < 500
        assert_nothing_leaked(kt)


def test_a_server_that_falls_silent_on_the_way(client_for: ClientFor) -> None:
    """A later command has only the time that the earlier ones left."""

    def slowly(peer: Peer) -> None:
        peer.request()
        time.sleep(0.7)
        peer.send(MISSING)
        peer.await_end()

    def two() -> Operation[Any]:
        yield records.get(0, b"k")
        yield records.get(0, b"k")

    with ScriptedServer(slowly) as server:
        kt = client_for(server.port, call_timeout=1.25, read_timeout=1.2)
        started = time.monotonic()
        with pytest.raises(ReadTimeout):
            executor_of(kt).drive(two())
        # With the read timeout alone it would end after 1.9 seconds.
        assert 1.2 < time.monotonic() - started < 1.85


def test_pauses_grow_and_stay_short() -> None:
    """The longer the losing streak the longer the wait, at random, up to a twentieth second."""
    first = [Pause(0).seconds for _ in range(200)]
    late = [Pause(10**6).seconds for _ in range(200)]
    assert 0 <= min(first) <= max(first) <= 0.001
    assert 0.001 < max(late) <= 0.05
    assert len(set(late)) > 100


def test_races_for_one_record(kt: KyotoTycoon) -> None:
    """Operations that lose a race try again: no addition is lost."""

    def add_one() -> Operation[int]:
        lost = 0
        while True:
            found = yield records.get(0, b"n")
            value, xt = found
            number = int(value) + 1
            if (yield procedures.cas(0, b"n", value, b"%d" % number, -xt)):
                return number
            lost += 1
            yield Pause(lost)

    kt.set("n", "0", expire_time=-2_000_000_000)
    executor = executor_of(kt)
    seen = run_threads(8, lambda _: [executor.drive(add_one()) for _ in range(25)])
    assert sorted(number for numbers in seen for number in numbers) == list(range(1, 201))
    assert (kt.get("n"), kt.expire_time("n")) == ("200", 2_000_000_000)
