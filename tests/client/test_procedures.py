"""The client's methods that go over TSV-RPC, on each kind of server."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest

from kt_cache import KT_JSON, NEVER, KyotoTycoon
from kt_cache.errors import ConfigError, EncodeError, ServerError
from tests.client.test_records import odd_keys
from tests.support.clients import ClientFor
from tests.support.peers import Peer, ScriptedServer
from tests.support.replies import rpc

# ---------------------------------------------------------------- only if


def test_add(kt: KyotoTycoon) -> None:
    """Stores once; a record that is there stays as it is, its time too."""
    assert kt.add("k", "first", expire_time=-2_000_000_000) is True
    assert kt.add("k", "second", expire_time=5) is False
    assert (kt.get("k"), kt.expire_time("k")) == ("first", 2_000_000_000)
    assert kt.add(b"\xff", b"\xfe", encode_value=False) is True
    assert (kt.get_bytes(b"\xff"), kt.expire_time(b"\xff")) == (b"\xfe", NEVER)


def test_replace(kt: KyotoTycoon) -> None:
    """Stores only over a record; the time is the new one, never by default."""
    assert kt.replace("k", "v") is False
    assert kt.get("k") is None
    kt.set("k", "v", expire_time=100)
    assert kt.replace("k", "w") is True
    assert (kt.get("k"), kt.expire_time("k")) == ("w", NEVER)
    assert kt.replace("k", "x", expire_time=-2_000_000_000) is True
    assert kt.expire_time("k") == 2_000_000_000
    assert kt.replace("k", b"\xfe", encode_value=False) is True
    assert kt.get_bytes("k") == b"\xfe"


def test_cas(kt: KyotoTycoon) -> None:
    """Changes a record only from the value expected; ``None`` stands for no record."""
    assert kt.cas("k", "old", "new") is False
    assert kt.cas("k", None, "one") is True
    assert kt.cas("k", None, "two") is False
    assert kt.cas("k", "other", "two") is False
    assert kt.cas("k", "one", "two", expire_time=-2_000_000_000) is True
    assert (kt.get("k"), kt.expire_time("k")) == ("two", 2_000_000_000)
    assert kt.cas("k", "two", "three") is True
    assert kt.expire_time("k") == NEVER
    assert kt.cas("k", "two", None) is False
    assert kt.cas("k", "three", None) is True
    assert kt.get("k") is None
    assert kt.cas("k", None, b"\xff", encode_value=False) is True
    assert kt.cas("k", b"\xff", b"\xfe", encode_value=False) is True
    assert kt.get_bytes("k") == b"\xfe"


def test_cas_on_nothing(kt: KyotoTycoon) -> None:
    """Expecting nothing and storing nothing is a mistake."""
    with pytest.raises(ValueError, match="cas needs an old value, a new value, or both"):
        kt.cas("k", None, None)


def test_cas_compares_stored_bytes(kt: KyotoTycoon) -> None:
    """Values go through the serializer, empty ones included."""
    json = KyotoTycoon(kt.host, kt.port, serializer=KT_JSON)
    assert json.cas("k", None, {"a": [1, None]}) is True
    assert json.cas("k", {"a": [1, None]}, "") is True
    assert kt.get("k") == '""'
    assert kt.cas("k", '""', "") is True
    assert kt.cas("k", "", "full") is True


# ---------------------------------------------------------------- counters


def test_increment(kt: KyotoTycoon) -> None:
    """Adds and tells the sum; the record is eight big-endian bytes."""
    assert kt.increment("n") == 1
    assert kt.increment("n", 10) == 11
    assert kt.increment("n", -12) == -1
    assert kt.increment("n", n=0) == -1
    assert kt.get_bytes("n") == struct.pack(">q", -1)
    assert kt.increment("n", 2**62) == 2**62 - 1


def test_increment_from(kt: KyotoTycoon) -> None:
    """``orig`` is where a missing counter starts; ``try`` wants one, ``set`` begins anew."""
    assert kt.increment("n", 1, 100) == 101
    assert kt.increment("n", 1, orig=100) == 102
    with pytest.raises(ServerError, match="logical inconsistency") as caught:
        kt.increment("missing", orig="try")
    assert (caught.value.status, caught.value.key) == (450, b"missing")
    assert kt.increment("n", orig="try") == 103
    assert kt.increment("n", 7, orig="set") == 7
    assert kt.exists("missing") is False


def test_increment_of_something_else(kt: KyotoTycoon) -> None:
    """A record that is no counter stays what it is."""
    kt.set("text", "12")
    with pytest.raises(ServerError, match=r"key=b'text'"):
        kt.increment("text")
    assert kt.get("text") == "12"


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 1.5},
        {"n": "1"},
        {"n": None},
        {"n": True},
        {"orig": 1.5},
        {"orig": "0"},
        {"orig": b"1"},
    ],
    ids=repr,
)
def test_increment_by_no_number(kt: KyotoTycoon, arguments: dict[str, Any]) -> None:
    """What is no whole number is refused before anything is sent."""
    with pytest.raises(ConfigError, match=r"whole numbers|orig must be"):
        kt.increment("n", **arguments)
    assert kt.exists("n") is False


def test_increment_makes_a_counter_immortal(kt: KyotoTycoon) -> None:
    """Without a time the counter never expires, whatever it had."""
    kt.increment("n", expire_time=-2_000_000_000)
    assert kt.expire_time("n") == 2_000_000_000
    kt.increment("n")
    assert kt.expire_time("n") == NEVER


# ---------------------------------------------------------------- is it there


def test_exists_and_length(kt: KyotoTycoon) -> None:
    """Whether, and how many bytes, without reading the value."""
    assert (kt.exists("k"), kt.length("k")) == (False, None)
    kt.set("k", "\u00e4bc")
    assert (kt.exists("k"), kt.length("k")) == (True, 4)
    kt.set("k", "")
    assert (kt.exists("k"), kt.length("k")) == (True, 0)


def test_seize(kt: KyotoTycoon) -> None:
    """Gives the value and takes the record, once."""
    kt.set_bulk({"a": "1", "b": "2"})
    assert (kt.seize("a"), kt.seize("a")) == ("1", None)
    assert kt.seize("b", decode_value=False) == b"2"
    assert kt.seize("b", decode_value=False) is None
    assert kt.count() == 0


@odd_keys
def test_any_key(kt: KyotoTycoon, key: str | bytes) -> None:
    """Keys and values of any bytes pass through the text protocol unharmed."""
    value = b"\t\r\n\0\xff" + (key if isinstance(key, bytes) else key.encode())
    assert kt.add(key, value, encode_value=False) is True
    assert kt.get_bytes(key) == value
    assert kt.cas(key, value, value * 2, encode_value=False) is True
    assert kt.replace(key, value, encode_value=False) is True
    assert (kt.exists(key), kt.length(key)) == (True, len(value))
    assert kt.match_prefix(key) == kt.match_prefix(key, 1) == [key]
    assert kt.seize(key, decode_value=False) == value
    assert kt.increment(key) == 1


def test_a_big_value(kt: KyotoTycoon) -> None:
    """Five megabytes go in and out."""
    value = bytes(range(256)) * 20_000
    assert kt.add("k", value, encode_value=False) is True
    assert kt.length("k") == len(value)
    assert kt.cas("k", value, value + b"!", encode_value=False) is True
    assert kt.seize("k", decode_value=False) == value + b"!"


@pytest.mark.parametrize("key", [None, 1, "\ud800"])
def test_no_key(kt: KyotoTycoon, key: Any) -> None:
    """What is no key is told so before anything is sent."""
    for call in (
        lambda: kt.add(key, "v"),
        lambda: kt.replace(key, "v"),
        lambda: kt.cas(key, None, "v"),
        lambda: kt.increment(key),
        lambda: kt.length(key),
        lambda: kt.match_prefix(key),
    ):
        with pytest.raises(EncodeError, match="key"):
            call()


# ---------------------------------------------------------------- many


def test_match_prefix(kt: KyotoTycoon) -> None:
    """All keys that begin so, or as many as asked for."""
    kt.set_bulk(dict.fromkeys(["p:1", "p:2", "p:3", "q:1", "P:1"], "v"))
    assert sorted(kt.match_prefix("p:")) == ["p:1", "p:2", "p:3"]
    assert sorted(kt.match_prefix(b"p:")) == ["p:1", "p:2", "p:3"]
    assert len(kt.match_prefix("p:", 2)) == len(kt.match_prefix("p:", max_keys=2)) == 2
    assert kt.match_prefix("p:", max_keys=0) == []
    assert kt.match_prefix("none") == []
    assert len(kt.match_prefix("")) == 5


def test_match_prefix_of_many(kt: KyotoTycoon) -> None:
    """Thousands of keys come complete."""
    keys = {f"p:{number}:\u00e4" for number in range(5000)}
    kt.set_bulk(dict.fromkeys(keys, ""))
    assert set(kt.match_prefix("p:")) == keys
    assert len(kt.match_prefix("p:", 1234)) == 1234


def test_clear_and_count(kt: KyotoTycoon) -> None:
    """Removes everything."""
    kt.set_bulk({"a": "1", "b": "2"})
    assert kt.count() == 2
    assert kt.clear() is True
    assert kt.count() == 0
    assert kt.clear() is True


# ---------------------------------------------------------------- what the server says


def test_status(kt: KyotoTycoon) -> None:
    """Fields of a database; numbers are numbers, names are text."""
    kt.set("k", "v")
    status = kt.status()
    assert status["count"] == 1
    assert status["path"] == "*"
    assert type(status["size"]) is type(status["count"]) is int
    assert status == kt.status(db=0) | {"size": status["size"]}


def test_report(kt: KyotoTycoon) -> None:
    """Fields of the server."""
    before = kt.report()
    kt.set("k", "v")
    kt.get("k")
    after = kt.report()
    assert after["cnt_set"] == before["cnt_set"] + 1
    assert after["cnt_get"] == before["cnt_get"] + 1
    assert isinstance(after["conf_kt_version"], str)
    assert after["db_0"].startswith("count=1 size=")
    assert abs(after["serv_current_time"] - time.time()) < 60
    assert isinstance(after["serv_current_time"], float)
    assert all(isinstance(name, str) for name in after)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("12", 12),
        ("-1", -1),
        ("0012", 12),
        ("1.250000", 1.25),
        ("-0.5", -0.5),
        ("", ""),
        ("*", "*"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1_000", "1_000"),
        ("1e5", "1e5"),
        (" 12", " 12"),
        ("0.9.56b (2.19)", "0.9.56b (2.19)"),
        ("9" * 5000, "9" * 5000),
        ("12\n", "12\n"),
    ],
)
def test_what_counts_as_a_number(client_for: ClientFor, sent: str, shown: object) -> None:
    """Plain decimal numbers, and nothing else that Python could read as one."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(rpc(field=sent))

    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        for fields in (kt.status(), kt.report()):
            assert fields == {"field": shown}
            assert type(fields["field"]) is type(shown)


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (lambda kt: kt.increment("k"), rpc()),
        (lambda kt: kt.increment("k"), rpc(num="many")),
        (lambda kt: kt.length("k"), rpc(vsiz="")),
        (lambda kt: kt.exists("k"), rpc()),
        (lambda kt: kt.seize("k"), rpc(xt="5")),
        (lambda kt: kt.match_prefix("k"), rpc(num="1", _k="first")),
        (lambda kt: kt.clear(), rpc(450, ERROR="DB: 5: broken file: broken")),
        (lambda kt: kt.status(), rpc(500, ERROR="DB: 5: broken file: broken")),
        (lambda kt: kt.add("k", "v"), rpc(500, ERROR="DB: 4: no permission: denied")),
        (lambda kt: kt.report(), rpc(501)),
    ],
)
def test_an_answer_that_is_none(client_for: ClientFor, call: Any, reply: bytes) -> None:
    """A reply that lacks what was asked for is the server's error, the connection stays."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(reply)

    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        for _ in range(2):
            with pytest.raises(ServerError) as caught:
                call(kt)
            assert caught.value.host == f"127.0.0.1:{server.port}"
        assert (server.connections, kt.pool_stats.idle) == (1, 1)
