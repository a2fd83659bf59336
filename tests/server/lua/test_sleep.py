"""Scripts sleep wherever they are, without keeping others waiting, and only where they may."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer
from kt_cache.errors import ServerError
from kt_cache.protocol.binary import encode_script
from tests.server.lua.conftest import DATA, SERVERS, scripted
from tests.server.lua.evaluation import evaluate
from tests.support.process import Connection, IncludedServer

SLEEPER = DATA / "sleeper.lua"
PLACES = [
    "sleep_in_pcall",
    "sleep_in_xpcall",
    "sleep_in_pcall_in_pcall",
    "sleep_in_coroutine",
    "sleep_in_wrap",
    "sleep_in_coroutine_in_pcall",
    "sleep_twice",
    "sleep_in_cursor_process",
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    with scripted(request.param, SLEEPER) as server:
        yield server


@pytest.fixture(scope="module")
def included() -> Iterator[IncludedServer]:
    with IncludedServer("--log-level", "none", "-scr", str(SLEEPER), "%") as server:
        yield server


def play(connection: Connection, name: str, **given: object) -> None:
    pairs = [(key.encode(), str(value).encode()) for key, value in given.items()]
    connection.send(encode_script(name.encode(), pairs))


@pytest.mark.parametrize("place", PLACES)
def test_sleep_anywhere(server: EmbeddedServer, place: str) -> None:
    """A script can sleep in protected calls and coroutines, and goes on with what it had."""
    started = time.monotonic()
    assert server.client.raw_script(place, {"seconds": "0.05"}) == {b"before": b"1", b"after": b"2"}
    assert time.monotonic() - started >= 0.03  # the servers' timers are not exact


def test_others_go_on(included: IncludedServer) -> None:
    """While a script sleeps, calls on other connections are carried out."""
    with included.connect() as sleeper, included.connect() as other:
        play(sleeper, "sleep_twice", seconds=0.5)
        started = time.monotonic()
        assert other.call("set", key="k", value="v")[0] == 200
        play(other, "nothing")
        assert other.read(5) == bytes.fromhex("b400000000")
        assert time.monotonic() - started < 1
        assert sleeper.read(1) == b"\xb4"


def test_many_sleep_at_a_time(included: IncludedServer) -> None:
    """Sleeping scripts do not wait for each other, and keep their variables apart."""
    connections = [included.connect() for _ in range(20)]
    started = time.monotonic()
    for number, connection in enumerate(connections):
        play(connection, "sleep_and_return", seconds=0.2, value=f"{number:03}")
    for number, connection in enumerate(connections):
        assert connection.read(5 + 8 + 5 + 3)[-3:] == b"%03d" % number
        connection.close()
    assert time.monotonic() - started < 2


def test_requests_behind_a_sleeping_script_wait(included: IncludedServer) -> None:
    """Replies on one connection come in order, whether or not a script sleeps."""
    with included.connect() as connection:
        connection.call("clear")
        play(connection, "sleep_and_set", seconds=0.05, key="k", value="late")
        connection.send(b"GET /k HTTP/1.1\r\n\r\n")
        assert connection.read(5) == bytes.fromhex("b400000000")
        assert connection.read_http()[2] == b"late"


def test_sleep_over_http(included: IncludedServer) -> None:
    """A script that sleeps can be called over HTTP, too."""
    with included.connect() as connection:
        status, rows = connection.call("play_script", name="nap", _seconds=0.02)
    assert (status, rows) == (200, {"_rested": b"yes"})


def test_a_client_that_leaves_ends_its_call(included: IncludedServer) -> None:
    """What a sleeping script would still have done is not done when its client is gone."""
    with included.connect() as other:
        other.call("clear")
        with included.connect() as sleeper:
            play(sleeper, "sleep_and_set", seconds=0.6, key="ghost", value="1")
            play(other, "nothing")
            other.read(5)
        time.sleep(0.7)
        assert other.call("get", key="ghost")[0] == 450


def test_a_stopping_server_does_not_wait_for_sleepers() -> None:
    """The server ends sleeping calls when it stops."""
    with (
        IncludedServer("--log-level", "error", "-scr", str(SLEEPER)) as server,
        server.connect() as connection,
    ):
        play(connection, "sleep_twice", seconds=20)
        started = time.monotonic()
        assert server.stop() == (0, "")
        assert time.monotonic() - started < 5
        assert connection.read_rest() in (b"", b"\xbf")


@pytest.mark.parametrize("name", ["sleep_for_ever", "sleep_once_for_long"])
def test_sleep_is_bounded(name: str) -> None:
    """A script that sleeps for too long, at once or altogether, is ended; its connection is not."""
    words = ("--log-level", "error", "--script-sleep", "0.1", "-scr", str(SLEEPER))
    with IncludedServer(*words) as server:
        with server.connect() as connection:
            play(connection, name)
            assert connection.read(1) == b"\xbf"
            play(connection, "nothing")
            assert connection.read(5) == bytes.fromhex("b400000000")
        assert "slept for more than 0.1 seconds" in server.stop()[1]


@pytest.mark.parametrize(
    "line",
    [
        'db:accept("k", function() ok, why = pcall(kt.sleep, 0.01) end) return ok, why',
        "db:transaction(function() ok, why = pcall(kt.sleep, 0.01) end) return ok, why",
        "db:begin_transaction() ok = pcall(kt.sleep, 1) db:end_transaction() return ok, why",
    ],
)
def test_no_sleep_in_what_must_not_be_interrupted(
    included_evaluator: EmbeddedServer, line: str
) -> None:
    """In a visitor and in a transaction sleep is an error that says so."""
    (shown,) = evaluate(included_evaluator, line)
    assert shown.startswith('true false "sleep: not possible in a visitor, in a transaction or')


def test_a_transaction_left_open_is_undone(included: IncludedServer) -> None:
    """What was written since begin_transaction is gone, and the next call can begin one."""
    with included.connect() as connection:
        connection.call("set", key="k", value="before")
        play(connection, "leave_transaction_open")
        assert connection.read(5) == bytes.fromhex("b400000000")
        assert connection.call("get", key="k")[1]["value"] == b"before"
        play(connection, "leave_transaction_open")
        assert connection.read(5) == bytes.fromhex("b400000000")


def test_yield_outside_a_coroutine(server: EmbeddedServer) -> None:
    """A script cannot yield to whoever called it."""
    with pytest.raises(ServerError):
        server.client.raw_script("yield_outside")
