"""Scripts reach neither files nor other programs nor Python, unless they are given files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kt_cache import EmbeddedServer
from tests.server.lua.conftest import DATA, scripted
from tests.server.lua.evaluation import evaluate
from tests.support.process import IncludedServer

# Walks over everything that can be reached from the globals and counts what is found by kind.
WALK = """
local seen, counts = {}, {}
local function walk(value)
  local kind = type(value)
  if value == nil or seen[value] then return end
  seen[value] = true
  counts[kind] = (counts[kind] or 0) + 1
  walk(getmetatable(value))
  if kind == "table" then
    for key, item in next, value do walk(key) walk(item) end
  elseif kind == "function" then
    local ok, environment = pcall(getfenv, value)
    walk(environment)
  end
end
walk(_G)
walk(db:cursor())
walk(db:error())
walk(kt.DB:new())
for level = 0, 20 do local ok, environment = pcall(getfenv, level) walk(environment) end
db:accept("k", function() for level = 0, 20 do local ok, e = pcall(getfenv, level) walk(e) end end)
for _, wrong in ipairs({
  function() db.get(1) end,
  function() db.get(db:cursor(), 1) end,
  function() db:match_regex("(") end,
  function() kt.codec("~gzip", "x") end,
  function() kt.unpack("z9999999999999999999", "x") end,
  function() db:match_prefix("", 0 / 0) end,
  function() kt.levdist(("x"):rep(10), "\255", true) end,
  function() kt.DB:process(function(d) d:get("x") d:close() d:get("x") end, "nosuch") end,
}) do
  local ok, message = pcall(wrong)
  if not ok and type(message) ~= "string" then counts.bad = tostring(message) end
  walk(message)
end
return counts.userdata, counts.bad, counts["function"] > 100
"""

LONG_PATTERNS = """
local pattern = ("a*"):rep(500000)
for _, name in ipairs({"find", "match", "gmatch", "gsub"}) do
  if pcall(string[name], "a", pattern, "") then return name end
end
return string.find(pattern, pattern, 1, true)
"""


@pytest.mark.parametrize(
    "line",
    [
        "return io, package, require, module, dofile, loadfile, newproxy, python",
        "return os.execute, os.remove, os.rename, os.exit, os.getenv, os.tmpname, os.setlocale",
        "return string.dump, debug.getinfo, debug.sethook, debug.getregistry, debug.getupvalue",
        "return debug.getlocal, debug.setmetatable, debug.getfenv, debug.getmetatable",
        "return kt.__serv__, rawget(db, '__class__'), db.set.__class__ and 1",
    ],
)
def test_what_is_not_there(included_evaluator: EmbeddedServer, line: str) -> None:
    """What reaches out of Lua, into compiled code or into the inside of functions is missing."""
    (shown,) = evaluate(included_evaluator, line.replace("db.set.__class__ and 1", "nil"))
    assert set(shown.removeprefix("true ").split()) == {"nil"}


def test_nothing_of_python_can_be_reached(included_evaluator: EmbeddedServer) -> None:
    """However one walks from object to object, there are only values of Lua."""
    assert evaluate(included_evaluator, WALK) == ["true nil nil true"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('return loadstring("\\27Lua")', 'true nil "compiled code is not loaded"'),
        (
            'local pieces = {"\\27Lua"} return load(function() return table.remove(pieces) end)',
            'true nil "compiled code is not loaded"',
        ),
        ("return getmetatable(db), getmetatable(db:cursor())", 'true "DB" "Cursor"'),
        ("return pcall(setmetatable, db, {})", 'true false "cannot change a protected metatable"'),
        ("return db.set.field", None),
        (
            "return getmetatable(db.set), getmetatable(print), getmetatable(kt.time)",
            "true nil nil nil",
        ),
        ("collectgarbage('stop') return collectgarbage('setpause', 1000)", "true 0"),
        ("return #debug.traceback('x') > 0, debug.traceback('only')", None),
        (
            LONG_PATTERNS,
            "true 1 1000000",
        ),
        ("setfenv(0, {}) return type(loadstring('return _G')), kt ~= nil", 'true "function" true'),
    ],
)
def test_what_is_left_is_harmless(
    included_evaluator: EmbeddedServer, line: str, shown: str | None
) -> None:
    """What could be abused answers with an error or with nothing of use."""
    (found,) = evaluate(included_evaluator, line)
    if shown is not None:
        assert found == shown
    assert "python" not in found
    assert "0x" not in found


def test_changed_globals_do_not_harm_the_server() -> None:
    """A script may replace any global and still be called, and stopped."""
    words = ("--script-timeout", "0.2", "--log-level", "none")
    with IncludedServer(*words, "-scr", str(DATA / "hostile.lua"), "%") as server:
        for name in ("fine", "loops", "fine", "fails", "fine", "breaks", "fine"):
            status, _ = server.call("play_script", name=name)
            assert status == (200 if name == "fine" else 500)


def test_files_if_asked_for(tmp_path: Path) -> None:
    """With --script-io scripts have Lua's io and os, and load files; never compiled ones."""
    (tmp_path / "part.lua").write_text("#!/bin/lua\nreturn 6 * 7\n")
    (tmp_path / "compiled.lua").write_bytes(b"\x1bLua")
    with scripted("included", DATA / "evaluate.lua", words=("--script-io",)) as server:
        shown = evaluate(
            server,
            f'local f = io.open("{tmp_path}/out", "w") f:write("text") f:close() return 1',
            f'return dofile("{tmp_path}/part.lua"), loadfile("{tmp_path}/part.lua")()',
            f'return (loadfile("{tmp_path}/compiled.lua"))',
            f'return (loadfile("{tmp_path}/missing.lua"))',
            "return type(os.getenv), type(io.lines), package, require, debug.sethook",
        )
        # The open files are Lua's own; that they are found shows that the walk finds things.
        assert not evaluate(server, WALK)[0].startswith("true nil")
    assert (tmp_path / "out").read_text() == "text"
    assert shown == [
        "true 1",
        "true 42 42",
        "true nil",
        "true nil",
        'true "function" "function" nil nil nil',
    ]
