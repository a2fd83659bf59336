"""Calls of Lua functions, and the calls that the script kt.lua is for, on each kind of server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kt_cache import KT_JSON, NEVER, EmbeddedServer, KyotoTycoon
from kt_cache.errors import ConfigError, EncodeError, ServerError
from kt_cache.lua import SCRIPT
from tests.support.ktserver import need_ktserver
from tests.support.servers import SCRIPTLESS, running

OURS = Path(__file__).parents[1] / "data" / "lua" / "client.lua"
A_DAY = 86_400  # seconds
FOREVER = datetime.max  # noqa: DTZ901 - as documented
LATE = 3  # seconds by which a time that was given relative may differ


@pytest.fixture(scope="module", params=["included", "ktserver"])
def scripted(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with both scripts and two databases."""
    if request.param == "ktserver":
        need_ktserver()
    both = request.getfixturevalue("tmp_path_factory").mktemp("lua") / "both.lua"
    both.write_text(SCRIPT.read_text() + OURS.read_text())
    arguments = ["-scr", str(both), "%"]
    with EmbeddedServer(request.param, database="*", server_args=arguments, quiet=True) as server:
        yield server


@pytest.fixture
def kt(scripted: EmbeddedServer) -> KyotoTycoon:
    """A client of empty databases."""
    scripted.client.clear(0)
    scripted.client.clear(1)
    return scripted.client


def another(kt: KyotoTycoon, **options: Any) -> KyotoTycoon:
    return KyotoTycoon(kt.host, kt.port, **options)


# ---------------------------------------------------------------- calls


def test_script(kt: KyotoTycoon) -> None:
    """Inputs come as a mapping, by name, or both; names and values are those of records."""
    assert kt.script("echo", {"a": "x"}, b="\u00e4") == {"a": "x", "b": "\u00e4"}
    assert kt.script("echo") == kt.script(b"echo", {}) == {}
    assert kt.script("echo", {b"\xff": b"\xfe"}, decode_values=False) == {b"\xff": b"\xfe"}
    assert kt.script("echo", {"a": 1}, encode_values=False) == {"a": "1"}
    assert kt.script("how_many", dict.fromkeys(map(str, range(500)), "")) == {"num": "500"}
    json = another(kt, serializer=KT_JSON, decode_keys=False)
    assert json.script("echo", {"a": [1, None]}) == {b"a": [1, None]}
    assert json.script("echo", {"a": "1"}, encode_values=False) == {b"a": 1}
    assert json.script("echo", {"a": "1"}, decode_values=False) == {b"a": b'"1"'}


def test_raw_script(kt: KyotoTycoon) -> None:
    """Nothing is serialized, whatever the client's serializer."""
    json = another(kt, serializer=KT_JSON)
    given = {"text": "\u00e4", b"bytes": b"\xff", "number": 12}
    wanted = {b"text": "\u00e4".encode(), b"bytes": b"\xff", b"number": b"12"}
    assert json.raw_script("echo", given) == wanted
    assert json.raw_script("echo") == {}
    assert json.play_script("echo", given) == {
        name.decode(): value for name, value in wanted.items()
    }
    with pytest.raises(EncodeError):
        kt.raw_script("echo", {"a": None})


def test_lua(kt: KyotoTycoon) -> None:
    """The server's functions look like methods."""
    assert kt.lua.echo({"a": "x"}, b="y") == {"a": "x", "b": "y"}
    assert kt.lua.echo(a=1, encode_values=False, decode_values=False) == {"a": b"1"}
    assert kt.lua.store({"stored": "yes"}, no_reply=True) is None
    assert kt.get("stored") == "yes"
    assert kt.lua.echo.__name__ == "echo"
    with pytest.raises(AttributeError):
        kt.lua.__echo__  # noqa: B018
    with pytest.raises(ServerError):
        kt.lua.missing()


def test_no_reply(kt: KyotoTycoon) -> None:
    """Nothing comes back; it was done when a later call on the connection is answered."""
    assert kt.script("store", {"a": "1"}, no_reply=True) is None
    assert kt.raw_script("store", {"b": "2"}, no_reply=True) is None
    assert kt.raw_script("fail", no_reply=True) is None
    assert kt.get_bulk(["a", "b"]) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("name", ["refuse", "fail", "missing", ""])
def test_a_function_that_fails(kt: KyotoTycoon, name: str) -> None:
    """Is the server's error, without the inputs in it; the connection goes on."""
    kt.script("echo")
    connects = kt.pool_stats.connects
    for call in (kt.script, kt.raw_script, kt.play_script):
        with pytest.raises(ServerError) as caught:
            call(name, {"a": "secret"})
        assert caught.value.command == "script"
        assert "secret" not in str(caught.value)
    assert kt.script("echo", {"a": "x"}) == {"a": "x"}
    assert kt.pool_stats.connects == connects


@pytest.mark.parametrize("kind", SCRIPTLESS)
def test_without_a_script(kind: str) -> None:
    """The error says what is missing."""
    with contextmanager(running)(kind) as server:
        kt = server.client
        for call in (lambda: kt.touch("k", 5), kt.error, lambda: kt.lua.echo()):
            with pytest.raises(ServerError, match="-scr"):
                call()


# ---------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, NEVER),
        (2_000_000_000, 2_000_000_000),
        (-2_000_000_000, 2_000_000_000),
        (datetime.fromtimestamp(2_000_000_000, timezone.utc), 2_000_000_000),
    ],
)
def test_touch(kt: KyotoTycoon, given: Any, expected: int) -> None:
    """Gives a record another time and says which it had; the value stays."""
    kt.set("k", "v", expire_time=1_900_000_000)
    assert kt.touch("k", given) == 1_900_000_000
    assert (kt.get("k"), kt.expire_time("k")) == ("v", expected)
    assert kt.touch("k", given) == expected
    assert kt.touch("missing", given) is None


@pytest.mark.parametrize("given", [A_DAY, float(A_DAY), timedelta(days=1)])
def test_touch_for_some_time(kt: KyotoTycoon, given: Any) -> None:
    """Times to live count from now."""
    kt.set("k", "v")
    assert kt.touch("k", given) == NEVER
    assert abs(kt.expire_time("k") - time.time() - A_DAY) < LATE


def test_touch_bulk(kt: KyotoTycoon) -> None:
    """Those that are there, with the times they had."""
    kt.set_bulk({"a": "1", b"\xff": "2"}, expire_time=1_900_000_000)
    kt.set("c", "3")
    had = {"a": 1_900_000_000, b"\xff": 1_900_000_000, "c": NEVER}
    assert kt.touch_bulk(["a", b"\xff", "c", "missing"], 2_000_000_000) == had
    assert {kt.expire_time(key) for key in had} == {2_000_000_000}
    assert kt.touch_bulk([]) == {}
    assert kt.touch_bulk(["a"]) == {"a": 2_000_000_000}
    assert another(kt, decode_keys=False).touch_bulk(["a"]) == {b"a": NEVER}


def test_touch_relative(kt: KyotoTycoon) -> None:
    """Moves a time and says where to."""
    kt.set_bulk({"a": "1", "b": "2"}, expire_time=1_900_000_000)
    assert kt.touch_relative("a", 100) == kt.expire_time("a") == 1_900_000_100
    assert kt.touch_relative(b"a", -100) == kt.expire_time("a") == 1_900_000_000
    moved = kt.touch_bulk_relative(["a", "b", "missing"], 5)
    assert moved == {"a": 1_900_000_005, "b": 1_900_000_005}
    assert (kt.touch_relative("missing", 5), kt.touch_bulk_relative([], 5)) == (None, {})
    assert kt.get_bulk(["a", "b"]) == {"a": "1", "b": "2"}


def test_touching_another_database(kt: KyotoTycoon) -> None:
    """``db`` is where the records are."""
    kt.set("k", "v", db=1)
    assert (kt.touch("k", 2_000_000_000), kt.touch_relative("k", 5)) == (None, None)
    assert kt.touch("k", 2_000_000_000, db=1) == NEVER
    assert kt.touch_relative("k", 5, 1) == kt.expire_time("k", 1) == 2_000_000_005
    assert another(kt, default_db=1).touch("k") == 2_000_000_005
    assert kt.expire_time("k", 1) == NEVER


@pytest.mark.parametrize("n", [1.5, "1", None, True])
def test_moving_by_no_number(kt: KyotoTycoon, n: Any) -> None:
    """Whole seconds, or nothing is sent."""
    with pytest.raises(ConfigError, match="whole number"):
        kt.touch_relative("k", n)


def test_a_record_that_the_script_cannot_name(kt: KyotoTycoon) -> None:
    """The script's own input would be taken for it."""
    for call in (lambda: kt.touch("db", 5), lambda: kt.touch_relative("db", 5)):
        with pytest.raises(ConfigError, match='"db"'):
            call()


def test_expires(kt: KyotoTycoon) -> None:
    """As local time; a record that never expires does so at the end of the calendar."""
    kt.set("k", "v", expire_time=2_000_000_000)
    found = kt.expires("k")
    assert found is not None
    assert (found.timestamp(), found.tzinfo) == (2_000_000_000, None)
    kt.set("k", "v", expire_time=NEVER - 1)
    kt.set("eternal", "v")
    assert kt.expires("eternal") == kt.expires("k") == FOREVER
    assert kt.expires("missing") is None
    kt.set("other", "v", db=1)
    assert (kt.expires("other"), kt.expires("other", 1)) == (None, FOREVER)


def test_error(kt: KyotoTycoon) -> None:
    """A code and its name."""
    code, message = kt.error()
    assert isinstance(code, int)
    assert isinstance(message, str)
    assert kt.error(1) == kt.error(db=1)
