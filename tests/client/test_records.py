"""The client's methods of the binary protocol, on each kind of server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from kt_cache import NEVER, EmbeddedServer, KyotoTycoon
from kt_cache.errors import (
    ConfigError,
    EncodeError,
    LocalProtocolError,
    NoSuchDatabase,
    ServerError,
)

ODD_KEYS = [
    "plain",
    "",
    "mit Umlaut \u00e4\u20ac\U0001f600",
    "tab\there",
    "line\nbreak",
    "line\r\nbreak",
    "nul\0byte",
    " spaces around ",
    "%41+&=;?#/",
    b"\xff\xfe not UTF-8",
    bytes(range(256)),
    "k" * 5000,
]
odd_keys = pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: repr(key)[:20])


# ---------------------------------------------------------------- one record


def test_set_and_get(kt: KyotoTycoon) -> None:
    """What was set is what is got; setting again replaces it."""
    assert kt.get("k") is None
    assert kt.set("k", "v1") == 1
    assert kt.get("k") == "v1"
    assert kt.set("k", "v2") == 1
    assert kt.get("k") == "v2"
    assert kt.count() == 1


@odd_keys
def test_any_key(kt: KyotoTycoon, key: str | bytes) -> None:
    """A key is text or bytes of any kind; every method means the same record by it."""
    assert kt.set(key, "v", expire_time=100) == 1
    assert (kt.get(key), kt.get_bytes(key)) == ("v", b"v")
    assert kt.expire_time(key) is not None
    assert kt.get_bulk([key]) == {key: "v"}
    assert kt.get_bulk_details([(0, key)])[0][1:3] == (key, "v")
    assert kt.remove(key) == 1
    assert kt.get(key) is None


@pytest.mark.parametrize("value", [b"", b"\0", b"\t\n\r", bytes(range(256)), b"x" * 5_000_000])
def test_any_value(kt: KyotoTycoon, value: bytes) -> None:
    """Values are bytes of any kind and up to many megabytes."""
    assert kt.set_bytes("k", value) == 1
    assert kt.get_bytes("k") == value
    assert kt.get_bulk(["k"], decode_values=False) == {"k": value}


def test_text_and_bytes_are_one_key(kt: KyotoTycoon) -> None:
    """``str`` is sent as UTF-8."""
    kt.set("\u00e4", "v")
    assert kt.get("\u00e4".encode()) == "v"


@pytest.mark.parametrize("key", [None, 1, bytearray(b"k"), ("k",), "\ud800"])
def test_no_key(kt: KyotoTycoon, key: Any) -> None:
    """Anything else is no key, and is told so before anything is sent."""
    for call in (kt.get, kt.get_bytes, kt.expire_time, kt.remove, kt.exists, kt.seize):
        with pytest.raises(EncodeError, match="key"):
            call(key)
    with pytest.raises(EncodeError, match="key"):
        kt.set(key, "v")
    with pytest.raises(EncodeError, match="key"):
        kt.get_bulk(["k", key])


def test_get_bytes_does_not_decode(kt: KyotoTycoon) -> None:
    """The stored bytes come as they are; so with ``decode_value=False``."""
    kt.set("k", "\u00e4")
    assert kt.get_bytes("k") == kt.get("k", decode_value=False) == "\u00e4".encode()
    assert kt.get_bytes("missing") is None
    assert kt.get("missing", decode_value=False) is None


def test_set_bytes_does_not_encode(kt: KyotoTycoon) -> None:
    """Bytes, text and numbers are stored as they are."""
    for value, stored in [(b"\xff", b"\xff"), ("\u00e4", "\u00e4".encode()), (12, b"12")]:
        assert kt.set_bytes("k", value) == 1
        assert kt.get_bytes("k") == stored
        assert kt.set("k", value, encode_value=False) == 1
        assert kt.get_bytes("k") == stored


def test_remove(kt: KyotoTycoon) -> None:
    """The return value counts what was there."""
    kt.set("k", "v")
    assert [kt.remove("k"), kt.remove("k")] == [1, 0]


# ---------------------------------------------------------------- many records


def test_get_bulk(kt: KyotoTycoon) -> None:
    """Found ones only; keys may repeat; none at all is asked without a round trip."""
    kt.set_bulk({"a": "1", "b": "2", b"\xff": "3"})
    assert kt.get_bulk(["a", "missing", "b", b"\xff"]) == {"a": "1", "b": "2", b"\xff": "3"}
    assert kt.get_bulk(["a", "a"]) == {"a": "1"}
    assert kt.get_bulk(["missing"]) == {}
    assert kt.get_bulk(key for key in ("a", "b")) == {"a": "1", "b": "2"}
    assert kt.get_bulk(["a"], decode_values=False) == {"a": b"1"}


def test_get_bulk_details(kt: KyotoTycoon) -> None:
    """Database, key, value and absolute time, in the order asked."""
    now = time.time()
    kt.set("b", "2", expire_time=50)
    kt.set("a", "1")
    (db, key, value, xt), last = kt.get_bulk_details([(0, "b"), (0, "missing"), (0, "a")])
    assert (db, key, value) == (0, "b", "2")
    assert now + 48 < xt <= time.time() + 51
    assert last == (0, "a", "1", NEVER)
    assert kt.get_bulk_details([(0, "a")], decode_values=False) == [(0, "a", b"1", NEVER)]


def test_set_bulk(kt: KyotoTycoon) -> None:
    """All records get the same time; the number of records comes back."""
    now = time.time()
    assert kt.set_bulk({"a": "1", b"b": "2"}, expire_time=60) == 2
    for _, _, _, xt in kt.get_bulk_details([(0, "a"), (0, "b")]):
        assert now + 58 < xt <= time.time() + 61
    assert kt.set_bulk({"c": b"\xff"}, encode_values=False) == 1
    assert kt.get_bytes("c") == b"\xff"


def test_set_bulk_details(kt: KyotoTycoon) -> None:
    """Each record has its own database, time and value."""
    now = time.time()
    records = [(0, "a", "1", 30), (0, b"b", "2", None), (0, "a", "3", timedelta(minutes=2))]
    assert kt.set_bulk_details(records) == 3
    assert kt.get_bulk(["a", "b"]) == {"a": "3", "b": "2"}
    xt = kt.expire_time("a")
    assert xt is not None
    assert now + 118 < xt <= time.time() + 121
    assert kt.expire_time("b") == NEVER
    assert kt.set_bulk_details(((0, "c", b"\xff", None),), encode_values=False) == 1
    assert kt.get_bytes("c") == b"\xff"


def test_remove_bulk(kt: KyotoTycoon) -> None:
    """The return value counts those that were there."""
    kt.set_bulk(dict.fromkeys("abcd", "v"))
    assert kt.remove_bulk(["a", "missing", "b"]) == 2
    assert kt.remove_bulk_details([(0, "c"), (0, "a")]) == 1
    assert kt.remove_bulk(iter(["d"])) == 1
    assert kt.count() == 0


def test_nothing_to_do(kt: KyotoTycoon) -> None:
    """Bulk calls without records need no server."""
    away = KyotoTycoon(port=1, timeout=1)
    assert away.get_bulk([]) == {}
    assert away.get_bulk_details([]) == []
    assert away.set_bulk({}) == away.set_bulk_details([]) == 0
    assert away.remove_bulk([]) == away.remove_bulk_details([]) == 0
    assert away.set_bulk({}, no_reply=True) is None
    assert away.remove_bulk(iter(()), no_reply=True) is None


def test_many_records(kt: KyotoTycoon) -> None:
    """Ten thousand records in one call are as right as one."""
    data = {f"key{number}": str(number) * (number % 50) for number in range(10_000)}
    assert kt.set_bulk(data) == 10_000
    assert kt.get_bulk(data) == data
    assert kt.count() == 10_000
    assert kt.remove_bulk(data) == 10_000


# ---------------------------------------------------------------- without a reply


def test_no_reply(kt: KyotoTycoon) -> None:
    """Nothing comes back, and a later call on the same connection finds it done."""
    assert kt.set("a", "1", no_reply=True) is None
    assert kt.get("a") == "1"
    assert kt.set_bytes("b", b"2", no_reply=True) is None
    assert kt.set_bulk({"c": "3", "d": "4"}, no_reply=True) is None
    assert kt.set_bulk_details([(0, "e", "5", None)], no_reply=True) is None
    assert kt.get_bulk(list("abcde")) == dict(zip("abcde", "12345", strict=True))
    assert kt.remove("a", no_reply=True) is None
    assert kt.remove_bulk(["b", "c"], no_reply=True) is None
    assert kt.remove_bulk_details([(0, "d")], no_reply=True) is None
    assert kt.get_bulk(list("abcde")) == {"e": "5"}
    assert kt.pool_stats.open == kt.pool_stats.idle


# ---------------------------------------------------------------- times

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
SETTERS: dict[str, Callable[[KyotoTycoon, Any], Any]] = {
    "set": lambda kt, xt: kt.set("k", "v", expire_time=xt),
    "set_bytes": lambda kt, xt: kt.set_bytes("k", "v", expire_time=xt),
    "set_bulk": lambda kt, xt: kt.set_bulk({"k": "v"}, expire_time=xt),
    "set_bulk_details": lambda kt, xt: kt.set_bulk_details([(0, "k", "v", xt)]),
    "add": lambda kt, xt: kt.remove("k") is not None and kt.add("k", "v", expire_time=xt),
    "replace": lambda kt, xt: kt.set("k", "u") and kt.replace("k", "v", expire_time=xt),
    "cas": lambda kt, xt: kt.set("k", "u") and kt.cas("k", "u", "v", expire_time=xt),
    "increment": lambda kt, xt: kt.remove("k") is not None and kt.increment("k", expire_time=xt),
}
each_setter = pytest.mark.parametrize("setter", SETTERS)


@each_setter
@pytest.mark.parametrize(
    ("given", "seconds"),
    [(100, 100), (99.01, 100), (timedelta(minutes=2, milliseconds=1), 121), (10**9 - 1, 10**9 - 1)],
    ids=str,
)
def test_times_to_live(kt: KyotoTycoon, setter: str, given: Any, seconds: int) -> None:
    """Seconds below 10**9, rounded up, and a timedelta count from the server's now."""
    before = int(time.time())
    assert SETTERS[setter](kt, given) == 1
    xt = kt.expire_time("k")
    assert xt is not None
    # The server's clock may tick a little later than ours.
    assert before + seconds - 1 <= xt <= time.time() + seconds


@each_setter
@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (None, NEVER),
        (NOW, int(NOW.timestamp())),
        (NOW.astimezone(timezone(timedelta(hours=9))), int(NOW.timestamp())),
        (NOW.astimezone().replace(tzinfo=None), int(NOW.timestamp())),
        (NOW + timedelta(milliseconds=1), int(NOW.timestamp()) + 1),
        (int(NOW.timestamp()), int(NOW.timestamp())),
        (NOW.timestamp() - 0.5, int(NOW.timestamp())),
        (-int(NOW.timestamp()), int(NOW.timestamp())),
        (2**70, NEVER),
    ],
    ids=str,
)
def test_points_in_time(kt: KyotoTycoon, setter: str, given: Any, stored: int) -> None:
    """A datetime (a naive one is local), a Unix time, a negated one, or never."""
    assert SETTERS[setter](kt, given) == 1
    assert kt.expire_time("k") == stored


@each_setter
@pytest.mark.parametrize(
    "given", ["10", b"10", float("nan"), float("inf"), [1], NOW.date()], ids=repr
)
def test_no_time(kt: KyotoTycoon, setter: str, given: Any) -> None:
    """Anything else is refused before anything is sent."""
    kt.set("k", "kept")
    misses = kt.report()["cnt_set"]
    with pytest.raises(ConfigError, match=r"^expire_time must be"):
        if setter in ("add", "increment"):
            getattr(kt, setter)("k", 1, expire_time=given)
        elif setter in ("replace", "cas"):
            getattr(kt, setter)("k", "u", *["v"][: setter == "cas"], expire_time=given)
        else:
            SETTERS[setter](kt, given)
    assert kt.get("k") == "kept"
    assert kt.report()["cnt_set"] == misses


@pytest.mark.parametrize("given", [-(10**9), NOW.replace(year=2001), timedelta(seconds=-5)])
def test_a_time_that_is_over(kt: KyotoTycoon, given: Any) -> None:
    """A record whose time is past is stored and gone, within the second it was given."""
    kt.set("k", "v")
    assert kt.set("k", "w", expire_time=given) == 1
    deadline = time.monotonic() + 5
    while kt.get("k") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kt.expire_time("k") is None
    assert kt.exists("k") is False
    assert kt.remove("k") == 0


def test_expire_time(kt: KyotoTycoon) -> None:
    """Absolute, ``NEVER`` where there is none, and ``None`` for no record."""
    assert kt.expire_time("missing") is None
    kt.set("k", "v")
    assert kt.expire_time("k") == NEVER
    kt.set("k", "v", expire_time=-2_000_000_000)
    assert kt.expire_time("k") == 2_000_000_000


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="module", params=["included", "ktserver"])
def two(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server with two databases, on each kind of server."""
    if request.param == "ktserver":
        request.getfixturevalue("needs_ktserver")
    with EmbeddedServer(request.param, server_args=["*"], database="%", quiet=True) as server:
        yield server


def test_each_database_has_its_own_records(two: EmbeddedServer) -> None:
    """A call's ``db`` chooses; without it the client's default does."""
    kt = two.client
    other = KyotoTycoon(two.host, two.port, default_db=1)
    assert kt.set("k", "zero") == 1
    assert kt.set("k", "one", db=1) == 1
    assert (kt.get("k"), kt.get("k", db=1), other.get("k"), other.get("k", db=0)) == (
        "zero",
        "one",
        "one",
        "zero",
    )
    kt.set_database(1)
    try:
        assert kt.get("k") == "one"
        assert kt.add("k2", "v") is True
    finally:
        kt.set_database(0)
    assert kt.get_bulk_details([(1, "k"), (0, "k"), (0, "k2"), (1, "k2")]) == [
        (1, "k", "one", NEVER),
        (0, "k", "zero", NEVER),
        (1, "k2", "v", NEVER),
    ]
    assert (kt.count(), kt.count(1), other.count()) == (1, 2, 2)
    assert kt.set_bulk_details([(0, "a", "0", None), (1, "a", "1", None)]) == 2
    assert (kt.get("a"), other.get("a")) == ("0", "1")
    assert kt.remove_bulk_details([(0, "a"), (1, "a"), (1, "missing")]) == 2
    assert other.seize("k") == "one"
    assert other.increment("n", db=0) == 1
    assert (kt.exists("n"), other.exists("n"), kt.length("n", db=0)) == (True, False, 8)
    assert kt.match_prefix("k") == ["k"]
    assert kt.match_prefix("k", db=1) == ["k2"]
    assert kt.cas("k", "zero", "null", db=0) is True
    assert kt.replace("k", "v", db=1) is False
    assert other.remove("k2") == 1
    assert (kt.clear(), kt.count(), other.count()) == (True, 0, 0)
    assert {kt.status()["path"], kt.status(1)["path"]} == {"*", "%"}


def test_a_missing_database(kt: KyotoTycoon) -> None:
    """Writes and procedures say so; reads find nothing there, as nothing can be."""
    writes = [
        lambda: kt.set("k", "v", db=7),
        lambda: kt.set_bytes("k", "v", db=7),
        lambda: kt.set_bulk({"k": "v", "l": "v"}, db=7),
        lambda: kt.set_bulk_details([(0, "k", "v", None), (7, "l", "v", None)]),
        lambda: kt.add("k", "v", db=7),
        lambda: kt.replace("k", "v", db=7),
        lambda: kt.cas("k", None, "v", db=7),
        lambda: kt.increment("k", db=7),
        lambda: kt.seize("k", db=7),
        lambda: kt.exists("k", db=7),
        lambda: kt.length("k", db=7),
        lambda: kt.match_prefix("k", db=7),
        lambda: kt.clear(db=7),
        lambda: kt.count(db=7),
        lambda: kt.status(db=7),
    ]
    connects = kt.pool_stats.connects
    for write in writes:
        with pytest.raises(NoSuchDatabase) as caught:
            write()
        assert caught.value.host == f"{kt.host}:{kt.port}"
    assert kt.get("k", db=7) is None
    assert kt.expire_time("k", db=7) is None
    assert kt.get_bulk(["k"], db=7) == {}
    assert kt.remove("k", db=7) == kt.remove_bulk(["k"], db=7) == 0
    assert kt.set("l", "v", db=7, no_reply=True) is None
    assert kt.count() == 1  # the one of set_bulk_details that had a database
    assert kt.pool_stats.connects == connects


@pytest.mark.parametrize("db", [-1, 65536, 10**9])
def test_no_database_index(kt: KyotoTycoon, db: int) -> None:
    """What is no index is refused before anything is sent."""
    for call in (kt.get, kt.remove, kt.expire_time):
        with pytest.raises(LocalProtocolError, match="database index"):
            call("k", db=db)
    with pytest.raises(LocalProtocolError, match="database index"):
        kt.set("k", "v", db=db)


# ---------------------------------------------------------------- scripts

SCRIPT = """
function double(inmap, outmap)
  for name, value in pairs(inmap) do outmap[name] = value .. value end
  return kt.RVSUCCESS
end
function refuse(inmap, outmap) return kt.RVELOGIC end
function store(inmap, outmap)
  for name, value in pairs(inmap) do kt.db:set(name, value) end
end
kt = __kyototycoon__
"""


@pytest.fixture(scope="module")
def scripted(needs_ktserver: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A real server with a script."""
    path = tmp_path_factory.mktemp("script") / "script.lua"
    path.write_text("kt = __kyototycoon__\n" + SCRIPT)
    with EmbeddedServer("ktserver", server_args=["-scr", str(path)], quiet=True) as server:
        yield server


def test_a_script(scripted: EmbeddedServer) -> None:
    """Names and values go in and come out as keys and values do."""
    kt = scripted.client
    assert kt.script("double", {"a": "x", "b": "\u00e4"}) == {"a": "xx", "b": "\u00e4\u00e4"}
    assert kt.script("double") == kt.script(b"double", {}) == {}
    assert kt.script("double", {b"\xff": b"\xfe"}, encode_values=False) == {b"\xff": b"\xfe\xfe"}
    assert kt.script("double", {"a": "x"}, decode_values=False) == {"a": b"xx"}
    plain = KyotoTycoon(kt.host, kt.port, decode_keys=False)
    assert plain.script("double", {"a": "x"}) == {b"a": "xx"}


def test_a_script_without_a_reply(scripted: EmbeddedServer) -> None:
    """Nothing comes back; it was done when a later call on the connection is answered."""
    kt = scripted.client
    assert kt.script("store", {"stored": "yes"}, no_reply=True) is None
    assert kt.get("stored") == "yes"


def test_a_script_that_fails(scripted: EmbeddedServer) -> None:
    """A refusal, or a function that is missing, is the server's error; the connection goes on."""
    kt = scripted.client
    kt.script("double")
    connects = kt.pool_stats.connects
    for name in ("refuse", "missing"):
        with pytest.raises(ServerError, match="started without a script") as caught:
            kt.script(name, {"a": "secret"})
        assert caught.value.command == "script"
        assert "secret" not in str(caught.value)
    assert kt.script("double", {"a": "x"}) == {"a": "xx"}
    assert kt.pool_stats.connects == connects
