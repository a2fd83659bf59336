"""Which scripts a server starts with, and which it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kt_cache.cli import main
from tests.server.lua.conftest import DATA
from tests.support.process import IncludedServer


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (b"function (", "script.lua:1: '<name>' expected near '('"),
        (b'\nerror("not today")', "script.lua:2: not today"),
        (b"error({})", "the error is a table"),
        (b"while true do end", "the script ran for longer than 0.2 seconds"),
        (b"__kyototycoon__.sleep(1)", "sleep: not possible"),
        (b"coroutine.yield()", "attempt to yield from outside a coroutine"),
        (b"t = {} while true do t[#t + 1] = ('x'):rep(9999) .. #t end", "not enough memory"),
        (b"\x1bLuaQ", "is compiled Lua; give its source"),
        (None, "cannot read the script"),
    ],
)
def test_scripts_that_are_refused(
    source: bytes | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that cannot be read or fails keeps the server from starting, and it says why."""
    path = tmp_path / "script.lua"
    if source is not None:
        path.write_bytes(source)
    limits = ["--script-timeout", "0.2", "--script-memory", "20000000"]
    assert main(["serve", "--port", "0", "-scr", str(path), *limits]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert str(path) in error


def test_without_lupa(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without lupa a script is refused with a word on what to install."""
    monkeypatch.setitem(sys.modules, "lupa.lua51", None)
    assert main(["serve", "--port", "0", "--script", str(DATA / "limits.lua")]) == 1
    assert 'pip install "kt-cache[server]"' in capsys.readouterr().err


def test_several_scripts_share_their_globals(tmp_path: Path) -> None:
    """Scripts are loaded in the order given, and a later one sees what an earlier one made."""
    first, second = tmp_path / "1.lua", tmp_path / "2.lua"
    first.write_text("#!/usr/bin/lua\nsteps = 1\nfunction early(i, o) o.steps = steps end\n")
    second.write_text("steps = steps + 1\nfunction late(i, o) early(i, o) end\n")
    with IncludedServer("-scr", str(first), "--script", str(second)) as server:
        assert server.call("play_script", name="early") == (200, {"_steps": b"2"})
        assert server.call("play_script", name="late") == (200, {"_steps": b"2"})


def test_variables_live_as_long_as_the_server() -> None:
    """All calls share one state."""
    with IncludedServer("-scr", str(DATA / "calls.lua")) as server:
        counts = [server.call("play_script", name="count")[1]["_count"] for _ in range(3)]
    assert counts == [b"1", b"2", b"3"]


# ---------------------------------------------------------------- the package's own script


def version_of(server: IncludedServer) -> tuple[int, dict[str, bytes]]:
    """Ask for the version of the package's script."""
    return server.call("play_script", name="ktcacheversion")


def test_the_own_script_is_offered() -> None:
    """A server has it without being told to, and loads Lua when a function is called."""
    with IncludedServer() as server:
        maps = Path(f"/proc/{server.process.pid}/maps")
        assert "lupa/lua51" not in maps.read_text()
        status, output = version_of(server)
        assert (status, output.keys()) == (200, {"_version", "_oldest"})
        assert "lupa/lua51" in maps.read_text()


def test_without_the_own_script() -> None:
    """It can be left out."""
    with IncludedServer("--no-cache-script") as server:
        assert version_of(server)[0] == 501
    with IncludedServer("--no-cache-script", "-scr", str(DATA / "calls.lua")) as server:
        assert version_of(server) == (501, {"ERROR": b"no such scripting procedure"})
        assert server.call("play_script", name="count")[0] == 200


def test_beside_the_own_script(tmp_path: Path) -> None:
    """A script given is loaded behind it: its functions count, the others stay."""
    path = tmp_path / "script.lua"
    path.write_text("function ktcacheincr(i, o) o.num = 'mine' end")
    with IncludedServer("-scr", str(path)) as server:
        assert version_of(server)[0] == 200
        assert server.call("play_script", name="ktcacheincr") == (200, {"_num": b"mine"})


@pytest.fixture
def broken_lupa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose package lupa comes before the real one."""
    package = tmp_path / "lupa"
    package.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return package


def test_the_own_script_without_lupa(broken_lupa: Path) -> None:
    """The server goes on without scripts, and says so once."""
    (broken_lupa / "__init__.py").write_text("raise ImportError('not installed')")
    with IncludedServer() as server:
        for _ in range(2):
            assert version_of(server) == (501, {"ERROR": b"the scripting extention is disabled"})
        assert server.call("set", key="k", value="v")[0] == 200
        status, log = server.stop()
    assert status == 0
    assert log.count("scripts") == log.count('pip install "kt-cache[server]"') == 1


def test_lupa_that_does_not_load(broken_lupa: Path) -> None:
    """If that comes out only at the first call, that is the same."""
    (broken_lupa / "__init__.py").write_text("")
    (broken_lupa / "lua51.py").write_text("raise ImportError('of another Python')")
    with IncludedServer() as server:
        for _ in range(2):
            assert version_of(server) == (501, {"ERROR": b"no such scripting procedure"})
        _, log = server.stop()
    assert log.count("scripts") == 2  # "no scripts: scripts need ..."
