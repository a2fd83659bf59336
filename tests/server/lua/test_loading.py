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
