"""Get, set and remove over HTTP, alone and atomically in bulk, on each kind of server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kt_cache import KT_JSON, NEVER, EmbeddedServer, KyotoTycoon
from kt_cache.errors import DecodeError, EncodeError, NoSuchDatabase
from tests.client.test_records import ODD_KEYS, odd_keys
from tests.support.clients import ClientFor
from tests.support.databases import ORDERED, UNORDERED
from tests.support.peers import Peer, ScriptedServer
from tests.support.replies import rpc


def another(kt: KyotoTycoon, **options: Any) -> KyotoTycoon:
    return KyotoTycoon(kt.host, kt.port, **options)


@odd_keys
def test_one_record(kt: KyotoTycoon, key: str | bytes) -> None:
    """What one protocol stores the other one reads."""
    value = bytes(range(256))
    assert kt.get_http(key) is None
    assert kt.set_http(key, value, encode_value=False) is True
    assert kt.get_http(key, decode_value=False) == kt.get_bytes(key) == value
    kt.set(key, "text", expire_time=5)
    assert kt.get_http(key) == "text"
    assert (kt.remove_http(key), kt.remove_http(key), kt.get(key)) == (1, 0, None)


def test_times(kt: KyotoTycoon) -> None:
    """A time as for any write; never by default."""
    kt.set_http("k", "v", expire_time=2_000_000_000)
    assert kt.expire_time("k") == 2_000_000_000
    kt.set_http("k", "v")
    assert kt.expire_time("k") == NEVER
    kt.set_bulk_http({"a": "1", "b": "2"}, expire_time=2_000_000_000)
    assert kt.expire_time("a") == kt.expire_time("b") == 2_000_000_000
    kt.set_bulk_http({"a": "1"})
    assert kt.expire_time("a") == NEVER


@pytest.mark.parametrize("atomic", [True, False])
def test_bulk(kt: KyotoTycoon, atomic: bool) -> None:
    """Many records of any keys and values, atomically or not."""
    values = {key: b"\0\t\r\n\xff" * size for size, key in enumerate(ODD_KEYS)}
    stored = kt.set_bulk_http(values, atomic=atomic, encode_values=False)
    assert stored == kt.count() == len(values)
    wanted = [*values, "missing"]
    assert kt.get_bulk_http(iter(wanted), decode_values=False, atomic=atomic) == values
    assert kt.get_bulk(wanted, decode_values=False) == values
    assert kt.remove_bulk_http(iter(wanted), atomic=atomic) == len(values)
    assert (kt.get_bulk_http(wanted, atomic=atomic), kt.count()) == ({}, 0)
    assert kt.set_bulk_http({}, atomic=atomic) == kt.remove_bulk_http([], atomic=atomic) == 0
    assert kt.get_bulk_http([], atomic=atomic) == {}


def test_serialized(kt: KyotoTycoon) -> None:
    """Values go through the serializer, keys come as the client shows them."""
    json = another(kt, serializer=KT_JSON, decode_keys=False)
    assert json.set_http("k", {"a": 1}) is True
    assert json.set_bulk_http({"l": [1], "m": None}) == 2
    assert json.get_http("k") == {"a": 1}
    assert json.get_bulk_http("klm") == {b"k": {"a": 1}, b"l": [1], b"m": None}
    with pytest.raises(EncodeError, match="key='k'"):
        json.set_bulk_http({"k": {1, 2}})
    kt.set("k", "a secret")
    for read in (lambda: json.get_http("k"), lambda: json.get_bulk_http(["k"])):
        with pytest.raises(DecodeError, match="'k'") as caught:
            read()
        assert "secret" not in str(caught.value)


def test_databases(two_databases: EmbeddedServer) -> None:
    """``db`` names one; one that is missing is told so, unlike by the binary protocol."""
    kt = two_databases.client
    kt.clear(UNORDERED)
    kt.clear(ORDERED)
    kt.set_http("k", "ordered", ORDERED)
    kt.set_bulk_http({"k": "unordered"}, UNORDERED)
    assert kt.get_http("k", ORDERED) == "ordered"
    assert kt.get_bulk_http(["k"], UNORDERED) == {"k": "unordered"}
    assert (kt.remove_http("k", ORDERED), kt.remove_bulk_http(["k"], UNORDERED)) == (1, 1)
    for call in (
        lambda: kt.get_http("k", 7),
        lambda: kt.set_http("k", "v", 7),
        lambda: kt.remove_http("k", 7),
        lambda: kt.get_bulk_http(["k"], 7),
        lambda: kt.set_bulk_http({"k": "v"}, 7),
        lambda: kt.remove_bulk_http(["k"], 7),
    ):
        with pytest.raises(NoSuchDatabase):
            call()


def test_atomic_in_words(client_for: ClientFor) -> None:
    """The server is asked to be atomic exactly if the caller asked for it."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(rpc(num="0"))

    with ScriptedServer(answer) as server:
        kt = client_for(server.port)
        for atomic in ({}, {"atomic": True}, {"atomic": False}):
            server.requests.clear()
            kt.set_bulk_http({"k": "v"}, **atomic)
            kt.get_bulk_http(["k"], **atomic)
            kt.remove_bulk_http(["k"], **atomic)
            asked = [b"\natomic\t\n" in request for request in server.requests]
            assert asked == [atomic.get("atomic", True)] * 3


def test_atomic(kt: KyotoTycoon) -> None:
    """A reader never sees a part of what a writer stores at once."""
    keys = [f"k{number}" for number in range(50)]
    kt.set_bulk_http(dict.fromkeys(keys, "0"))
    done = threading.Event()

    def write() -> None:
        for turn in range(100):
            kt.set_bulk_http(dict.fromkeys(keys, str(turn)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            assert len(set(kt.get_bulk_http(keys).values())) == 1
    finally:
        writer.join()
