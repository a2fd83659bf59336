"""kt.lua's own functions: those that no container stands on, and all beside ukt's script."""

from __future__ import annotations

import math
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kt_cache import NEVER, EmbeddedServer, KyotoTycoon
from kt_cache.errors import ServerError
from kt_cache.lua import SCRIPT
from tests.containers.conftest import SERVERS, THEIR_SCRIPT, running
from tests.support.ukt import need_ukt

HELPERS = {"hkv", "skv", "svv", "lkv", "nsplit"}  # of ukt's script, not meant to be called
OURS_ALONE = {"ktcacheversion", "ktcacheincr", "ktcachetouch", "ktcacheadd"}

# Loads the script under a stand-in for the msgpack library that some servers are built with.
WRAPPER = """
local before = {{}}
cmsgpack = {{ pack = function(v) return "<" .. v .. ">" end }}
function cmsgpack.unpack(text)
  local inner = string.match(text, "^<(.*)>$")
  if inner then return inner end
  return __kyototycoon__.mapload(text)
end
local pack = cmsgpack.pack
cmsgpack.pack = function(v)
  return type(v) == "table" and __kyototycoon__.mapdump(v) or pack(v)
end
for name in pairs(_G) do before[name] = true end
{source}
local found = {{}}
for name, value in pairs(_G) do
  if not before[name] then found[name] = type(value) end
end
function globals(_, outmap)
  for name, kind in pairs(found) do outmap[name] = kind end
end
"""


def functions_of(path: Path) -> set[str]:
    """Return the names of functions that ukt's script defines for callers."""
    names = re.findall(r"^\s*function ([a-z]\w*)\(", path.read_text(), re.MULTILINE)
    return set(names) - HELPERS


@pytest.fixture(params=SERVERS)
def wrapped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KyotoTycoon]:
    """A client of each kind of server with our script, msgpack, and a list of its globals."""
    script = tmp_path / "wrapped.lua"
    script.write_text(WRAPPER.format(source=SCRIPT.read_text()))
    for server in running(request.param, script, "%"):
        yield server.client


def test_the_script_is_part_of_the_package() -> None:
    """It lies beside the module that names it."""
    assert SCRIPT.name == "kt.lua"
    assert SCRIPT.is_file()


@pytest.mark.skipif(not shutil.which("luac"), reason="no luac on PATH")
def test_the_script_sets_no_global_by_mistake() -> None:
    """Nothing but ``_G`` itself is written to, in any function."""
    listing = subprocess.run(
        ["luac", "-l", "-p", str(SCRIPT)], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    assert "GETGLOBAL" in listing
    assert "SETGLOBAL" not in listing


def test_what_is_global_is_for_callers(wrapped: KyotoTycoon) -> None:
    """Every function that ukt's script offers, those for the cache, and nothing else."""
    need_ukt()
    found = wrapped.script("globals")
    assert found is not None
    assert found.keys() == functions_of(THEIR_SCRIPT) | OURS_ALONE | {"_error_code"}
    assert set(found.values()) == {"function"}


def test_msgpack(wrapped: KyotoTycoon) -> None:
    """Tables in one record to records of their own, and back."""
    wrapped.set("table", wrapped.serialize_dict({"a": "1", "b": "2"}), expire_time=500)
    assert wrapped.lua.unpack_packed_key(key="table") == {"num": "2"}
    assert wrapped.get_bulk(["a", "b"]) == {"a": "<1>", "b": "<2>"}
    assert wrapped.expire_time("a") == wrapped.expire_time("table") != NEVER
    assert wrapped.lua.unpack_packed_key(key="none") == {"num": "0"}
    assert wrapped.lua.pack_unpacked_keys(key="new", a="", b="", none="") == {"num": "2"}
    assert wrapped.deserialize_dict(wrapped.get_bytes("new")) == {"a": "1", "b": "2"}


# ---------------------------------------------------------------- records


def test_move(scripted: KyotoTycoon) -> None:
    """A record goes with its time; what was there before goes away."""
    scripted.set("a", "1", expire_time=500)
    expires = scripted.expire_time("a")
    scripted.set("b", "old")
    scripted.script("move", {"src": "a", "dest": "b"})
    assert scripted.get_bulk(["a", "b"]) == {"b": "1"}
    assert scripted.expire_time("b") == expires
    scripted.script("move", {"src": "b", "dest": "b"})
    assert scripted.expire_time("b") == expires
    with pytest.raises(ServerError):
        scripted.script("move", {"src": "a", "dest": "b"})
    assert scripted.get("b") == "1"


def test_records_of_a_database(scripted: KyotoTycoon) -> None:
    """All of them, or a range with both ends."""
    data = {f"k{n}": str(n) for n in range(5)}
    scripted.set_bulk(data, db=1)
    assert scripted.lua.list() == {}
    assert scripted.lua.list(db=1) == scripted.lua.get_range(db=1) == data
    assert scripted.lua.get_range(db=1, start="k1", stop="k3").keys() == {"k1", "k2", "k3"}
    assert scripted.lua.get_range(db=1, stop="k00").keys() == {"k0"}
    assert scripted.lua.get_range(db=1, start="x") == {}


@pytest.mark.parametrize("start", [None, 0, 1, -3, 20, -20])
@pytest.mark.parametrize("stop", [None, 0, 3, -1, 30, -30])
def test_get_part(scripted: KyotoTycoon, start: int | None, stop: int | None) -> None:
    """A part of a value is what Python's slice is."""
    text = "0123456789"
    scripted.set("a", text)
    ends = {"start": start, "stop": stop}
    inputs = {name: str(index) for name, index in ends.items() if index is not None}
    assert scripted.script("get_part", {"key": "a", **inputs}) == {"value": text[start:stop]}
    assert scripted.script("get_part", {"key": "none", **inputs}) == {}


def test_hashes_of_texts(scripted: KyotoTycoon) -> None:
    """By either method."""
    found = scripted.script("hash", {"a": "fnv", "b": "murmur", "c": ""})
    assert found is not None
    assert found.keys() == {"a", "b", "c"}
    assert all(value.isdigit() for value in found.values())


def test_times(scripted: KyotoTycoon) -> None:
    """Set, moved, read, and limited to what a record can have."""
    scripted.set_bulk({"a": "1", "b": "2"})
    expires = 4_000_000_000
    lua = scripted.lua
    assert lua.touch_bulk(a=-expires, none=-expires) == {"a": str(NEVER)}
    assert lua.expire_time(key="a") == {"xt": str(expires)}
    assert lua.expire_time(key="none") == {}
    assert lua.touch_bulk_relative(a=-100, b=10) == {"a": str(expires - 100), "b": str(NEVER + 10)}
    assert lua.expire_time(key="b") == {"xt": str(NEVER)}
    assert lua.touch_bulk(a=2**63 - 1) == {"a": str(expires - 100)}
    assert lua.expire_time(key="a") == {"xt": str(NEVER)}
    before = int(time.time())
    lua.touch_bulk(a=50)
    assert before + 50 <= int(lua.expire_time(key="a")["xt"]) <= time.time() + 50
    assert lua.touch_bulk() == lua.touch_bulk_relative() == {}
    lua.touch_bulk_relative(a=-(2**40))
    assert scripted.get_bulk(["a", "b"]) == {"b": "2"}


def test_graph(scripted: KyotoTycoon) -> None:
    """Any part of a fact leads to the rest."""
    lua = scripted.lua
    for subject, thing in (("ann", "bob"), ("ann", "cid"), ("bob", "cid"), ("ann", "a::b")):
        lua.hx_add(s=subject, p="likes", o=thing)
    lua.hx_add(s="ann", p="owns", o="cid")
    assert scripted.count() == 15
    assert lua.hx_query(s="ann", p="likes") == {"o0": "a::b", "o1": "bob", "o2": "cid"}
    assert lua.hx_query(p="likes", o="cid") == {"s0": "ann", "s1": "bob"}
    assert lua.hx_query(s="ann", o="cid") == {"p0": "likes", "p1": "owns"}
    assert lua.hx_query(s="bob") == {"p0": "likes", "o0": "cid"}
    assert lua.hx_query(p="owns") == {"o0": "cid", "s0": "ann"}
    assert lua.hx_query(o="bob") == {"s0": "ann", "p0": "likes"}
    assert lua.hx_query(s="ann", p="likes", o="cid") == {"0": ""}
    assert lua.hx_query(s="ann", p="likes", o="dan") == lua.hx_query(s="eve") == {}
    lua.hx_remove(s="ann", p="owns", o="cid")
    assert lua.hx_query(p="owns") == {}
    with pytest.raises(ServerError):
        lua.hx_query()


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        ("hset", {"table_key": "h", "key": "a"}),
        ("hget", {"key": "a"}),
        ("llpush", {"key": "l"}),
        ("lrange", {"key": "l", "start": "one"}),
        ("lrange", {"key": "l", "start": "nan"}),
        ("lset", {"key": "l", "index": "inf", "value": ""}),
        ("sinter", {"key": "s"}),
        ("queue_add", {"queue": "q"}),
        ("queue_add", {"queue": "q", "data": "", "score": "500000000001"}),
        ("queue_madd", {"queue": "q", "0": "", "score": "-500000000000"}),
        ("queue_set_score", {"queue": "q", "data": "", "score": "1e15"}),
        ("queue_transfer", {"queue": "q", "dest": "q"}),
        ("schedule_add", {"key": "s", "value": "", "score": "1e12"}),
        ("touch_bulk", {"a": "soon"}),
        ("expire_time", {}),
        ("expire_time", {"key": "a", "db": "2"}),
        ("expire_time", {"key": "a", "db": "-1"}),
        ("expire_time", {"key": "a", "db": "0.5"}),
        ("expire_time", {"key": "a", "db": "all"}),
    ],
)
def test_wrong_inputs(scripted: KyotoTycoon, function: str, inputs: dict[str, str]) -> None:
    """They are refused, and nothing is stored."""
    with pytest.raises(ServerError):
        scripted.script(function, inputs)
    assert scripted.count() == 0


def test_a_failure_within_a_change(scripted: KyotoTycoon) -> None:
    """It is an error for the caller, too, and the record stays."""
    scripted.set("l", scripted.serialize_list("abc"))
    with pytest.raises(ServerError):
        scripted.lua.lunpack(key="l", format="%d %d")
    assert scripted.deserialize_list(scripted.get_bytes("l")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "record",
    [
        b"text",
        b"\x05\x05",  # sizes of what is not there
        b"\x81",  # cut in a size: ktserver's own arrayload never returns
        b"\x81\x81",  # likewise mapload
        b"\x01a\x81",
        b"\x01\x01ab\xff",
    ],
)
def test_another_kind_of_record(scripted: KyotoTycoon, record: bytes) -> None:
    """It is neither read nor changed, and the server goes on."""
    lua = scripted.lua
    scripted.set_bytes("a", record)
    scripted.set("set", scripted.serialize_dict({"x": ""}))
    scripted.set("list", scripted.serialize_list(["x"]))
    for name, inputs in (
        ("hgetall", {"table_key": "a"}),
        ("hset", {"table_key": "a", "key": "k", "value": "v"}),
        ("hunpack", {"table_key": "a"}),
        ("hpack", {"table_key": "a"}),
        ("hpackkeys", {"table_key": "a", "key": "list"}),
        ("smembers", {"key": "a"}),
        ("sadd", {"key": "a", "0": "v"}),
        ("sunion", {"key": "a", "key2": "set", "dest": "set"}),
        ("sdiff", {"key": "set", "key2": "a", "dest": "set"}),
        ("lrange", {"key": "a"}),
        ("lrpush", {"key": "a", "value": "v"}),
        ("lunpack", {"key": "a"}),
        ("lpack", {"key": "a"}),
        ("lrpoplpush", {"key": "a", "dest": "list"}),
        ("lrpoplpush", {"key": "list", "dest": "a"}),
        ("llpoprpush", {"key": "a", "dest": "a"}),
    ):
        with pytest.raises(ServerError):
            scripted.script(name, inputs)
    assert scripted.get_bytes("a") == record
    assert lua.lrange(key="list") == {"0": "x"}
    assert lua.smembers(key="set") == {"0": "x"}


def test_errors_of_ones_choice(scripted: KyotoTycoon) -> None:
    """For the tests of clients."""
    assert scripted.script("_error_code", {"flag": "0"}) == {}
    for flag in range(1, 12):
        with pytest.raises(ServerError):
            scripted.script("_error_code", {"flag": str(flag)})


def test_the_last_error(scripted: KyotoTycoon) -> None:
    """Code and name."""
    scripted.set("a", "1")
    found = scripted.script("get_error")
    assert found is not None
    assert found["code"].isdigit()
    assert found["message"].isalpha()


def test_versions(scripted: KyotoTycoon) -> None:
    """The script's own is a number that can be asked for over HTTP as well."""
    assert scripted.lua.ktcacheversion() == {"version": "2", "oldest": "2"}
    assert scripted.lua.jit_version().keys() == {"version"}


# ---------------------------------------------------------------- the cache


def test_counters_are_added_to_and_keep_their_time(scripted: KyotoTycoon) -> None:
    """Decimal digits, of either sign."""
    scripted.set("n", 5, expire_time=4_000_000_000)
    for num, expected in (("3", "8"), ("-20", "-12"), ("12", "0"), ("99999999999999", "9" * 14)):
        assert scripted.lua.ktcacheincr(key="n", num=num) == {"num": expected}
        assert scripted.get("n") == expected
    assert scripted.expire_time("n") == 4_000_000_000
    assert scripted.lua.ktcacheincr(key="none", num="1") == {}
    assert not scripted.exists("none")


@pytest.mark.parametrize(
    ("value", "num"),
    [
        ("9" * 14, "1"),
        ("-" + "9" * 14, "-1"),
        ("1" * 15, "0"),
        ("1", "1" * 15),
        ("text", "1"),
        ("1.5", "1"),
        (" 1", "1"),
        ("0x1", "1"),
        ("", "1"),
        ("-", "1"),
        ("1", "one"),
    ],
)
def test_what_lua_cannot_count(scripted: KyotoTycoon, value: str, num: str) -> None:
    """The caller is told to do it otherwise, and nothing changes."""
    scripted.set("n", value)
    assert scripted.lua.ktcacheincr(key="n", num=num) == {"refused": "use cas"}
    assert scripted.get("n") == value


def envelope(deadline: float) -> bytes:
    return struct.pack(">cd", b"\1", deadline)


def play_now(kt: KyotoTycoon, name: str, **inputs: Any) -> dict[str, Any]:
    """Call a function that takes the caller's clock."""
    inputs = {"key": "a", "now": struct.pack(">d", time.time()), **inputs}
    found = kt.script(name, inputs, encode_values=False)
    assert found is not None
    return found


def touch(kt: KyotoTycoon, **inputs: Any) -> dict[str, Any]:
    return play_now(kt, "ktcachetouch", **inputs)


def add(kt: KyotoTycoon, **inputs: Any) -> str:
    return str(play_now(kt, "ktcacheadd", **inputs)["num"])


def test_touch_tells_whether_there_was_a_record(scripted: KyotoTycoon) -> None:
    """It gets the new time; a missing one stays missing."""
    assert touch(scripted, xt=100, envelope="") == {"absent": "1"}
    assert not scripted.exists("a")
    scripted.set("a", "value")
    assert touch(scripted, xt=-4_000_000_000, envelope="") == {}
    assert scripted.expire_time("a") == 4_000_000_000
    assert scripted.get("a") == "value"


def test_touch_replaces_the_envelope(scripted: KyotoTycoon) -> None:
    """The payload stays as it is; a counter never has one."""
    now = time.time()
    old, new = envelope(now + 50), envelope(now + 500)
    for before, after in (
        (old + b"\x81payload", new + b"\x81payload"),
        (b"\x81payload", new + b"\x81payload"),
        (old, new),
        (b"\1short", new + b"\1short"),
        (b"-17", b"-17"),
        (b"", new),
    ):
        scripted.set_bytes("a", before, expire_time=50)
        assert touch(scripted, xt=500, envelope=new) == {}
        assert scripted.get_bytes("a") == after
    assert touch(scripted, xt=NEVER, envelope="") == {}
    assert scripted.get_bytes("a") == b""
    assert scripted.expire_time("a") == NEVER


def test_touch_respects_a_deadline_that_agrees_with_the_record(scripted: KyotoTycoon) -> None:
    """A record past it is gone; one whose time was changed by others is not."""
    now = time.time()
    past = envelope(now - 0.5) + b"\x81"
    scripted.set_bytes("a", past, expire_time=1)
    assert touch(scripted, xt=500, envelope=envelope(now + 500)) == {"absent": "1"}
    assert scripted.get_bytes("a") == past
    scripted.set_bytes("a", past, expire_time=100)
    assert touch(scripted, xt=500, envelope=envelope(now + 500)) == {}


def test_add_stores_what_is_missing(scripted: KyotoTycoon) -> None:
    """With its time; what is there stays, unless it is past a deadline that is to be believed."""
    now = time.time()
    past = envelope(now - 0.5) + b"\x81"
    assert add(scripted, value=b"new", xt=-4_000_000_000) == "1"
    assert (scripted.get_bytes("a"), scripted.expire_time("a")) == (b"new", 4_000_000_000)
    assert add(scripted, value=b"other", xt=50) == "0"
    assert (scripted.get_bytes("a"), scripted.expire_time("a")) == (b"new", 4_000_000_000)
    scripted.set_bytes("a", past, expire_time=1)
    assert add(scripted, value=b"newer", xt=NEVER) == "1"
    assert (scripted.get_bytes("a"), scripted.expire_time("a")) == (b"newer", NEVER)
    scripted.set_bytes("a", past, expire_time=100)
    assert add(scripted, value=b"newest", xt=50) == "0"


def test_a_time_without_deadline(scripted: KyotoTycoon) -> None:
    """A payload that looks like a record with a deadline gets one that never comes."""
    scripted.set_bytes("a", envelope(time.time() + 50) + b"\1 payload", expire_time=50)
    assert touch(scripted, xt=NEVER, envelope="") == {}
    assert scripted.get_bytes("a") == envelope(math.inf) + b"\1 payload"


@pytest.mark.parametrize("name", ["ktcacheincr", "ktcachetouch", "ktcacheadd"])
def test_a_database_that_is_not_there(scripted: KyotoTycoon, name: str) -> None:
    """The caller is told to do it otherwise, which says what is wrong."""
    inputs = {
        "db": 9,
        "key": "a",
        "num": 1,
        "value": "",
        "xt": 5,
        "envelope": "",
        "now": "8 bytes!",
    }
    assert scripted.raw_script(name, inputs) == {b"refused": b"use cas"}


@pytest.mark.parametrize("now", ["", "1700000000", "9 bytes.."])
def test_a_clock_that_is_none(scripted: KyotoTycoon, now: str) -> None:
    """It is refused."""
    with pytest.raises(ServerError):
        add(scripted, value=b"", xt=5, now=now)


# ---------------------------------------------------------------- beside ukt's script

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("hmset", {"table_key": "h", "a": "1", "b": "2"}),
    ("hset", {"table_key": "h", "key": "c", "value": "3"}),
    ("hsetnx", {"table_key": "h", "key": "c", "value": "4"}),
    ("hsetnx", {"table_key": "h", "key": "d", "value": "4"}),
    ("hget", {"table_key": "h", "key": "a"}),
    ("hget", {"table_key": "h", "key": "no"}),
    ("hmget", {"table_key": "h", "a": "", "no": ""}),
    ("hgetall", {"table_key": "h"}),
    ("hgetall", {"table_key": "no"}),
    ("hlen", {"table_key": "h"}),
    ("hcontains", {"table_key": "h", "key": "a"}),
    ("hdel", {"table_key": "h", "key": "a"}),
    ("hdel", {"table_key": "h", "key": "a"}),
    ("hmdel", {"table_key": "h", "b": "", "no": ""}),
    ("hunpack", {"table_key": "h"}),
    ("hunpack", {"table_key": "h", "prefix": "p-"}),
    ("hpack", {"table_key": "h2", "start": "h:", "stop": "h;", "count": "1"}),
    ("hpackkeys", {"table_key": "h2", "key": "keys"}),
    ("hpackvalues", {"table_key": "h2", "key": "values"}),
    ("sadd", {"key": "s", "0": "a", "1": "a"}),
    ("sadd", {"key": "s", "x": "b"}),
    ("scard", {"key": "s"}),
    ("sismember", {"key": "s", "value": "a"}),
    ("sinter", {"key": "s", "key2": "no"}),
    ("sdiff", {"key": "s", "key2": "no", "dest": "s2"}),
    ("srem", {"key": "s", "0": "a", "1": "no"}),
    ("smembers", {"key": "s"}),
    ("sunion", {"key": "s", "key2": "s"}),
    ("spop", {"key": "s"}),
    ("spop", {"key": "s"}),
    ("lextend", {"key": "l", "0": "a", "1": "b", "2": "c"}),
    ("llpush", {"key": "l", "value": "first"}),
    ("lrpush", {"key": "l", "value": "last"}),
    ("llen", {"key": "l"}),
    *(("lindex", {"key": "l", "index": index}) for index in (0, -1, 5, -6)),
    *(("lrange", {"key": "l", **ends}) for ends in ({}, {"start": 1, "stop": -1}, {"start": -9})),
    ("linsert", {"key": "l", "index": 1, "value": "new"}),
    ("linsert", {"key": "l", "index": 10, "value": "new"}),
    ("lset", {"key": "l", "index": 0, "value": "set"}),
    ("lset", {"key": "l", "index": 9, "value": "set"}),
    ("lfind", {"key": "l", "value": "b"}),
    ("lrfind", {"key": "l", "value": "no"}),
    ("lrem", {"key": "l", "index": -1}),
    ("lrem", {"key": "l", "index": 9}),
    ("lunpack", {"key": "l", "start": 1, "stop": 3, "prefix": "u", "format": "%d"}),
    ("lpack", {"key": "l3", "start": "u", "count": 2}),
    ("lremrange", {"key": "l", "start": 1, "stop": 3}),
    ("lremrange", {"key": "l", "start": 9}),
    ("lrpoplpush", {"key": "l", "dest": "l2"}),
    ("llpoprpush", {"key": "l", "dest": "l"}),
    ("llpoprpush", {"key": "no", "dest": "l"}),
    ("llpop", {"key": "l"}),
    ("lrpop", {"key": "l"}),
    ("lrpop", {"key": "l"}),
    ("queue_add", {"queue": "q", "data": "a"}),
    ("queue_add", {"queue": "q", "data": "b", "score": "7"}),
    ("queue_madd", {"queue": "q", "0": "c", "1": "a", "score": "-2"}),
    ("queue_size", {"queue": "q"}),
    ("queue_peek", {"queue": "q", "n": "9"}),
    ("queue_rpeek", {"queue": "q", "min_score": "0"}),
    ("queue_set_score", {"queue": "q", "data": "a", "score": "1"}),
    ("queue_peek", {"queue": "q", "n": "9"}),
    ("queue_remove", {"queue": "q", "data": "no"}),
    ("queue_rremove", {"queue": "q", "data": "a", "n": "1"}),
    ("queue_transfer", {"queue": "q", "dest": "q2", "n": "2"}),
    ("queue_pop", {"queue": "q2"}),
    ("queue_rpop", {"queue": "q2", "n": "9"}),
    ("queue_bpop", {"queue": "q2", "timeout": "0"}),
    ("queue_bpop", {"queue": "q", "timeout": "0"}),
    ("queue_add", {"queue": "q", "data": "left"}),
    ("queue_add", {"queue": "q3", "data": "x"}),
    ("queue_clear", {"queue": "q3"}),
    ("schedule_add", {"key": "sc", "score": "5", "value": "five"}),
    ("schedule_add", {"key": "sc", "score": "1700000000", "value": "late"}),
    ("schedule_read", {"key": "sc", "score": "5"}),
    ("schedule_read", {"key": "sc", "score": "6"}),
    ("hx_add", {"s": "a", "p": "b", "o": "c"}),
    ("hx_add", {"s": "a", "p": "b", "o": "d"}),
    ("hx_query", {"s": "a"}),
    ("hx_query", {"s": "a", "o": "d"}),
    ("hx_query", {"s": "a", "p": "b", "o": "d"}),
    ("hx_remove", {"s": "a", "p": "b", "o": "d"}),
    ("touch_bulk", {"sc": "-4000000000", "no": "5"}),
    ("touch_bulk_relative", {"sc": "-7", "no": "5"}),
    ("expire_time", {"key": "sc"}),
    ("move", {"src": "sc", "dest": "moved"}),
    ("move", {"src": "sc", "dest": "moved"}),
    ("get_part", {"key": "uno", "start": "1"}),
    ("get_range", {"start": "u", "stop": "v"}),
    ("hash", {"a": "fnv", "b": "murmur"}),
    ("list", {}),
]


def play(server: EmbeddedServer, *, order_matters: bool) -> list[Any]:
    kt = server.client
    kt.clear()
    answers = []
    for name, inputs in CALLS:
        try:
            answer: Any = kt.script(name, {key: str(value) for key, value in inputs.items()})
        except ServerError:
            answer = "refused"
        if not order_matters and name == "sunion":
            answer = set(answer.values())
        answers.append((name, inputs, answer))
    return answers


def test_both_scripts_answer_and_store_the_same(
    scripted_server: EmbeddedServer, their_server: EmbeddedServer
) -> None:
    """Call by call, down to the bytes of the records, which the last call lists."""
    ours = play(scripted_server, order_matters=False)
    theirs = play(their_server, order_matters=False)
    for one, other in zip(ours, theirs, strict=True):
        assert one == other
    assert len(ours[-1][2]) > 20
