"""Calls of scripts' functions, over both protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer
from kt_cache.protocol.binary import encode_script
from tests.server.lua.conftest import DATA, SERVERS, scripted
from tests.support.process import Connection, IncludedServer

SCRIPT = DATA / "calls.lua"
STATUS = {0: 200, 1: 501, 2: 400, 3: 450, 4: 503, 5: 500, 6: 500, -1: 500, 1e18: 500}


@pytest.fixture(scope="module", params=SERVERS)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with (
        scripted(request.param, SCRIPT) as server,
        Connection(server.host, server.port) as connection,
    ):
        yield connection


@pytest.mark.parametrize("code", STATUS)
def test_codes(connection: Connection, code: float) -> None:
    """What a function returns becomes the status; its output is lost unless that is success."""
    status, rows = connection.call("play_script", name="returns", _code=code)
    assert status == STATUS[code]
    assert ("_lost" in rows) == (code == 0)


@pytest.mark.parametrize(
    ("value", "status"),
    [("nil", 200), ("'3'", 450), ("2.9", 400), ("{}", 200), ("true", 200), ("'x'", 200)],
)
def test_values_as_codes(connection: Connection, value: str, status: int) -> None:
    """What is no number counts as success, fractions are cut off."""
    assert connection.call("play_script", name="returns", _code=value)[0] == status


@pytest.mark.parametrize("name", ["", "with_underscore", "a.b", "\u00e4"])
def test_names_over_http(connection: Connection, name: str) -> None:
    """Over HTTP a name consists of letters and digits."""
    status, rows = connection.call("play_script", name=name.encode("latin-1"))
    assert (status, rows) == (400, {"ERROR": b"invalid parameters"})


def test_a_missing_function(connection: Connection) -> None:
    """A name that no function has is not implemented."""
    status, rows = connection.call("play_script", name="nosuch")
    assert (status, rows) == (501, {"ERROR": b"no such scripting procedure"})


def test_no_reply(connection: Connection) -> None:
    """A call without reply is carried out, and the next request's reply is the next thing sent."""
    before = int(connection.call("play_script", name="bump")[1]["_count"])
    connection.send(encode_script(b"bump", no_reply=True) + encode_script(b"nosuch", no_reply=True))
    assert connection.call("play_script", name="bump")[1] == {"_count": b"%d" % (before + 2)}


def test_library_functions_are_not_for_clients() -> None:
    """Functions that Lua itself has cannot be called, unless a script has put its own there."""
    with (
        IncludedServer("--log-level", "none", "-scr", str(SCRIPT)) as server,
        server.connect() as connection,
    ):
        for name in (b"print", b"collectgarbage", b"error", b"loadstring", b"pcall"):
            connection.send(encode_script(name))
            assert connection.read(1) == b"\xbf"
        assert connection.call("play_script", name="rawset")[0] == 501
        assert connection.call("play_script", name="unpack") == (200, {"_own": b"yes"})


def test_without_a_script() -> None:
    """A server without scripts says so, and keeps the connection."""
    with IncludedServer("--no-cache-script") as server, server.connect() as connection:
        status, rows = connection.call("play_script", name="any")
        assert (status, rows) == (501, {"ERROR": b"the scripting extention is disabled"})
        connection.send(encode_script(b"any"))
        assert connection.read(1) == b"\xbf"
        assert connection.call("void")[0] == 200


def test_the_log() -> None:
    """Scripts write to the server's log; so do their errors, which clients do not see."""
    with IncludedServer("--log-level", "debug", "-scr", str(SCRIPT)) as server:
        server.call("play_script", name="logs")
        status, rows = server.call("play_script", name="fails")
        logged = server.stop()[1]
    assert (status, rows) == (500, {"ERROR": b"the scripting procedure failed"})
    lines = [" ".join(line.split()[2:]) for line in logged.splitlines()]
    for line in ("DEBUG debug text", "INFO info text", "WARNING system text", "ERROR error text"):
        assert line in lines
    assert "INFO printed 1 nil" in lines
    assert "nonsense" not in logged
    assert "told to the log alone" in logged


def test_report(included_evaluator: EmbeddedServer) -> None:
    """Calls are counted, and the report says that there is Lua."""
    before = included_evaluator.client.report()
    included_evaluator.client.raw_script("evaluate")
    after = included_evaluator.client.report()
    assert int(after["cnt_script"]) == int(before["cnt_script"]) + 1
    assert "lua" in after["conf_kt_features"]
