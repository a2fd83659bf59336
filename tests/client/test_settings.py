"""What a client is told when it is made: arguments, serializers, keys, and the pool it shares."""

from __future__ import annotations

import json
import math
import traceback
from typing import Any

import pytest

from kt_cache import KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE, KyotoTycoon
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import Serializer
from kt_cache.transport import PoolConfig, get_pool

# ---------------------------------------------------------------- serializers


def another(kt: KyotoTycoon, **options: Any) -> KyotoTycoon:
    return KyotoTycoon(kt.host, kt.port, **options)


@pytest.mark.parametrize(
    ("serializer", "value", "stored"),
    [
        (None, "\u00e4", "\u00e4".encode()),
        (KT_BINARY, "text", b"text"),
        (KT_NONE, b"\xff", b"\xff"),
        (KT_JSON, {"a": [1, None, "\u00e4"]}, b'{"a":[1,null,"\\u00e4"]}'),
        (KT_MSGPACK, {"a": [1, None, b"\xff"]}, b"\x81\xa1a\x93\x01\xc0\xc4\x01\xff"),
        (KT_PICKLE, {"a": {1, 2}}, None),
    ],
)
def test_serializers(kt: KyotoTycoon, serializer: Any, value: Any, stored: bytes | None) -> None:
    """Every method that takes or gives a value uses the client's serializer."""
    client = another(kt, serializer=serializer)
    client.set("k", value)
    if stored is not None:
        assert client.get_bytes("k") == stored
    assert client.get("k") == value
    assert client.set_bulk({"a": value}) == client.set_bulk_details([(0, "b", value, None)]) == 1
    assert client.get_bulk(["a", "b"]) == {"a": value, "b": value}
    assert [row[2] for row in client.get_bulk_details([(0, "a"), (0, "b")])] == [value, value]
    assert client.add("c", value) is True
    assert client.cas("c", value, value) is client.replace("c", value) is True
    assert client.seize("c") == value


@pytest.mark.parametrize(
    ("serializer", "value"),
    [(KT_BINARY, None), (KT_BINARY, ["list"]), (KT_NONE, True), (KT_JSON, {1, 2}), (KT_JSON, b"")],
)
def test_what_a_serializer_cannot_encode(kt: KyotoTycoon, serializer: str, value: Any) -> None:
    """Is refused with the key, and nothing is sent."""
    client = another(kt, serializer=serializer)
    for call in (client.set, client.add, client.replace):
        with pytest.raises(EncodeError, match="key='k'"):
            call("k", value)
    with pytest.raises(EncodeError, match="key='k'"):
        client.set_bulk({"k": value})
    with pytest.raises(EncodeError, match="key=b'k'"):
        client.set_bulk_details([(0, b"k", value, None)])
    assert kt.count() == 0


@pytest.mark.parametrize("serializer", [KT_JSON, KT_MSGPACK, KT_PICKLE])
def test_what_a_serializer_cannot_decode(kt: KyotoTycoon, serializer: str) -> None:
    """Is an error with the key and without the value; the record stays."""
    client = another(kt, serializer=serializer)
    kt.set_bytes("k", b"\xc1 a secret")
    for call in (
        lambda: client.get("k"),
        lambda: client.get_bulk(["k"]),
        lambda: client.get_bulk_details([(0, "k")]),
    ):
        with pytest.raises(DecodeError) as caught:
            call()
        assert caught.value.key in ("k", b"k")
        assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert client.get_bytes("k") == b"\xc1 a secret"
    assert client.pool_stats.open == client.pool_stats.idle


def test_functions_instead_of_a_serializer(kt: KyotoTycoon) -> None:
    """``encode_value`` and ``decode_value`` replace one side each."""
    client = another(
        kt,
        encode_value=lambda value: json.dumps(value).encode() + b"!",
        decode_value=lambda data: json.loads(data[:-1]),
    )
    client.set("k", [1])
    assert (client.get("k"), client.get_bytes("k")) == ([1], b"[1]!")
    assert another(kt, serializer=KT_JSON, decode_value=len).get("k") == 4


def test_a_serializer_of_ones_own(kt: KyotoTycoon) -> None:
    """Any pair of functions with a name."""
    mine = Serializer("reversed", lambda value: value[::-1].encode(), lambda data: data[::-1])
    client = another(kt, serializer=mine)
    client.set("k", "abc")
    assert (kt.get("k"), client.get("k")) == ("cba", b"abc")


def test_decode_keys(kt: KyotoTycoon) -> None:
    """Keys in results are text where they can be; without ``decode_keys`` always bytes."""
    kt.set_bulk({"\u00e4": "1", b"\xff": "2"})
    assert kt.get_bulk(["\u00e4", b"\xff"]) == {"\u00e4": "1", b"\xff": "2"}
    client = another(kt, decode_keys=False)
    raw = "\u00e4".encode()
    assert client.get_bulk(["\u00e4", b"\xff"]) == {raw: "1", b"\xff": "2"}
    assert [row[1] for row in client.get_bulk_details([(0, "\u00e4")])] == [raw]
    assert sorted(client.match_prefix("")) == [raw, b"\xff"]
    assert set(kt.match_prefix("")) == {"\u00e4", b"\xff"}


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("timeout", value) for value in (0, -1, math.nan, math.inf, "5", True, 10**10)),
        *(("max_age", value) for value in (0, -1, math.nan, math.inf, "5", None)),
        *(("default_db", value) for value in (-1, 65536, "0", None, 1.0)),
        ("port", "1978"),
        ("port", 0),
        ("host", ""),
        ("host", None),
    ],
)
def test_a_wrong_argument(name: str, value: Any) -> None:
    """Is refused when the client is made, by the name it was given by."""
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        KyotoTycoon(**{name: value})


@pytest.mark.parametrize("serializer", ["yaml", 5, object(), {1: 2}])
def test_an_unknown_serializer(serializer: Any) -> None:
    """Is refused with a list of those there are."""
    with pytest.raises(ConfigError, match="choose one of: binary, json, msgpack, none, pickle"):
        KyotoTycoon(serializer=serializer)


@pytest.mark.parametrize("db", [-1, 65536, "1", None])
def test_set_database(kt: KyotoTycoon, db: Any) -> None:
    """A wrong default is refused, and the one before stays."""
    client = another(kt, default_db=0)
    with pytest.raises(ConfigError, match="database index from 0 to 65535"):
        client.set_database(db)
    assert client.default_db == 0
    client.set_database(3)
    assert client.default_db == 3
    client.set_database()
    assert client.default_db == 0


def test_timeouts_of_a_client() -> None:
    """``timeout`` bounds the call and each wait for the server; connecting has its own limit."""
    assert KyotoTycoon(timeout=None).config == PoolConfig(max_idle=3600)
    short, long = KyotoTycoon(timeout=0.5).config, KyotoTycoon(timeout=60).config
    assert (short.connect_timeout, short.read_timeout, short.call_timeout) == (0.5, 0.5, 0.5)
    assert (long.connect_timeout, long.read_timeout, long.call_timeout) == (2.0, 60, 60)
    assert KyotoTycoon(max_age=7).config.max_idle == 7
    assert KyotoTycoon(max_age=10**8).config.max_idle == 10**8


def test_a_whole_configuration() -> None:
    """``config`` replaces the single arguments."""
    config = PoolConfig(host="kt.example", port=5, max_size=2)
    kt = KyotoTycoon("ignored", 1, timeout=9, config=config, default_db=3)
    assert (kt.config, kt.host, kt.port, kt.default_db) == (config, "kt.example", 5, 3)
    assert repr(kt) == "<KyotoTycoon kt.example:5 db=3>"


# ---------------------------------------------------------------- sharing


def test_equal_clients_share_a_pool(kt: KyotoTycoon) -> None:
    """What a client does with values is its own affair; the connections are common."""
    first = another(kt, timeout=7, serializer=KT_JSON)
    second = another(kt, timeout=7, default_db=1, decode_keys=False)
    other = another(kt, timeout=8)
    assert get_pool(first.config) is get_pool(second.config)
    assert get_pool(first.config) is not get_pool(other.config)
    first.get("k")
    second.get("k")
    assert first.pool_stats == second.pool_stats
    assert first.pool_stats.connects == 1
    assert other.pool_stats.connects == 0
    second.close_all()
    assert first.pool_stats.open == 0


def test_nothing_happens_before_the_first_call() -> None:
    """A client can be made while its server is away."""
    kt = KyotoTycoon(port=1)
    assert kt.pool_stats.connects == 0
    kt.close_all()
    with kt as entered:
        assert entered is kt
