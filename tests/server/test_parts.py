"""Parts of the server that need no running one."""

from __future__ import annotations

import asyncio
import math
import sys

import pytest

from kt_cache.errors import ConfigError
from kt_cache.server import Server, ServerOptions
from kt_cache.server.parameters import parse_integer, parse_real
from tests.support.process import Connection


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"", 0),
        (b"12", 12),
        (b" \t\n+12abc", 12),
        (b"-5-6", -5),
        (b"abc", 0),
        (b"- 5", 0),
        (b"1.9", 1),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", -(2**63)),
        (b"18446744073709551617", 1),
        (b"-9223372036854775809", 2**63 - 1),
        (b"\x001", 0),
    ],
)
def test_integers(text: bytes, number: int) -> None:
    """A prefix counts, numbers wrap around, and nothing usable is zero."""
    assert parse_integer(text) == number


def test_an_endless_integer_is_not_an_error() -> None:
    """Python limits the digits it converts."""
    assert parse_integer(b"0" * 10_000 + b"7") in (0, 7)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"", 0.0),
        (b" 1.5", 1.5),
        (b"-.5x", -0.5),
        (b"1e3", 1000.0),
        (b"1e", 1.0),
        (b"2.", 2.0),
        (b"inf", math.inf),
        (b"-INFINITY", -math.inf),
        (b"1e999", math.inf),
        (b".", 0.0),
    ],
)
def test_reals(text: bytes, number: float) -> None:
    """The same for real numbers."""
    assert parse_real(text) == number


def test_not_a_number() -> None:
    """It is one of the reals."""
    assert math.isnan(parse_real(b"nano"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1},
        {"port": 65536},
        {"databases": ()},
        {"max_connections": 0},
        {"idle_timeout": -1.0},
        {"grace": math.nan},
    ],
)
def test_options_are_checked(wrong: dict[str, object]) -> None:
    """What makes no sense is a configuration error that names the option."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ServerOptions(**wrong)


def test_a_server_can_be_run_on_any_loop() -> None:
    """Started and stopped by whoever owns the loop, with a clock of its own."""
    now = [1_000_000.5]

    async def run() -> list[bytes]:
        server = Server(ServerOptions(port=0), clock=lambda: now[0])
        await server.start()
        host, _, port = server.address.rpartition(":")
        replies = []
        with await asyncio.to_thread(Connection, host, int(port)) as connection:
            for seconds in (0, 2, 0.5):
                now[0] += seconds
                call = b"/rpc/set?key=k&value=v&xt=2" if not seconds else b"/rpc/get?key=k"
                connection.send(b"GET " + call + b" HTTP/1.1\r\n\r\n")
                replies.append(await asyncio.to_thread(connection.read_http))
        await server.stop()
        return [reply[2] for reply in replies]

    expected = [b"", b"value\tv\nxt\t1000002\n", b"ERROR\tDB: 7: no record: no record\n"]
    assert asyncio.run(run()) == expected


def test_stopping_a_server_that_never_started() -> None:
    """It does nothing."""
    asyncio.run(Server(ServerOptions()).stop())


def test_missing_uvloop_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asking for it where it is not installed says what to install."""
    from kt_cache.cli import main

    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert main(["serve", "--loop", "uvloop", "--log-level", "none"]) == 1
    assert "the extra [server]" in capsys.readouterr().err
