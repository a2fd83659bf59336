"""The client as a mapping, its iterators, other names, and turning to another server."""

from __future__ import annotations

import gc
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kt_cache import KT_PICKLE, NEVER, EmbeddedServer, KyotoTycoon
from kt_cache.errors import ConfigError, ConnectError, EncodeError, ServerError
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.databases import ORDERED, UNORDERED
from tests.support.peers import nobody_listens


@pytest.fixture
def client(two_databases: EmbeddedServer, client_for: ClientFor) -> KyotoTycoon:
    """A client whose default database is ordered; both are empty."""
    client = client_for(two_databases.port)
    client.set_database(ORDERED)
    client.clear(UNORDERED)
    client.clear()
    return client


# ---------------------------------------------------------------- client[key]


def test_items(client: KyotoTycoon) -> None:
    """Reading, writing, removing and asking; what is missing is ``None``."""
    assert client["k"] is None
    assert "k" not in client
    client["k"] = "v"
    client[b"\xff"] = 12
    assert (client["k"], client[b"\xff"], len(client)) == ("v", "12", 2)
    assert "k" in client
    del client["k"]
    del client["k"]
    assert (client["k"], list(client)) == (None, [b"\xff"])


def test_items_of_another_database(client: KyotoTycoon) -> None:
    """``client[key, db]``."""
    client["k", UNORDERED] = "v"
    assert (client["k", UNORDERED], client["k"]) == ("v", None)
    assert ("k", UNORDERED) in client
    assert ("k", ORDERED) not in client
    del client["k", UNORDERED]
    assert client["k", UNORDERED] is None


def test_items_with_a_time(client: KyotoTycoon) -> None:
    """``client[key] = value, expire_time``."""
    client["k"] = "v", 2_000_000_000
    assert (client["k"], client.expire_time("k")) == ("v", 2_000_000_000)
    client["k"] = "v", None
    assert client.expire_time("k") == NEVER
    client["k", UNORDERED] = "w", 2_000_000_000
    assert client.expire_time("k", UNORDERED) == 2_000_000_000


def test_tuples(client: KyotoTycoon) -> None:
    """Other tuples are a mistake; ``set`` stores any, if the serializer can."""
    with pytest.raises(ConfigError, match=r"use set\(\) to store a tuple"):
        client["k"] = ("a", "b", "c")
    for call in (client.__getitem__, client.__delitem__, client.__contains__):
        with pytest.raises(ConfigError, match=r"a key or \(key, db\)"):
            call(("k", 0, 1))
    pickling = KyotoTycoon(client.host, client.port, serializer=KT_PICKLE)
    pickling.set("k", ("a", "b", "c"))
    assert pickling["k"] == ("a", "b", "c")


def test_true(client: KyotoTycoon) -> None:
    """A client of an empty database is not false, and asking that costs nothing."""
    assert len(client) == 0
    assert bool(client) is True
    with nobody_listens() as port:
        assert KyotoTycoon(port=port)


def test_update(client: KyotoTycoon) -> None:
    """A mapping, names, or both."""
    assert client.update({"a": "1"}, b="2") == 2
    assert client.update({"c": "3"}, expire_time=2_000_000_000) == 1
    assert client.update(data="4", db=UNORDERED) == 1
    assert (client.update(), client.update({})) == (0, 0)
    assert dict(client.items()) == {"a": "1", "b": "2", "c": "3"}
    assert (client.expire_time("c"), client["data", UNORDERED]) == (2_000_000_000, "4")


def test_set_bulk_by_name(client: KyotoTycoon) -> None:
    """Records as arguments; beside a mapping they would hide a misspelt option."""
    assert client.set_bulk(a="1", b="2") == client.set_bulk({"c": "3", "d": "4"}) == 2
    assert client.set_bulk(e="5", db=UNORDERED, expire_time=2_000_000_000) == 1
    assert client.expire_time("e", UNORDERED) == 2_000_000_000
    assert client.keys_nonlazy() == ["a", "b", "c", "d"]
    with pytest.raises(TypeError, match="'expire'"):
        client.set_bulk({"f": "6"}, expire=5)
    assert client.set_bulk() == 0


# ---------------------------------------------------------------- iterators


def test_iterators(client: KyotoTycoon) -> None:
    """Keys, values or both, of any database."""
    client.update({"b": "2", "a": "1", b"\xff": "3"})
    assert list(client.keys()) == list(client) == ["a", "b", b"\xff"]
    assert list(client.values()) == ["1", "2", "3"]
    assert list(client.items()) == [("a", "1"), ("b", "2"), (b"\xff", "3")]
    assert list(client.keys(UNORDERED)) == list(client.values(db=UNORDERED)) == []
    assert list(client.items(db=UNORDERED)) == []
    assert_nothing_leaked(client)


@pytest.mark.parametrize("name", ["keys", "values", "items", "__iter__"])
def test_an_iterator_left_early(client: KyotoTycoon, name: str) -> None:
    """Leaves nothing behind, whether it was left, closed, or lost in a cycle of garbage."""
    client.update({"a": "1", "b": "2"})

    def begin() -> Iterator[Any]:
        walk = getattr(client, name)()
        next(walk)
        return walk

    for _ in getattr(client, name)():
        break
    begin().close()
    cycle: list[Any] = [begin()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert client.get("a") == "1"
    assert_nothing_leaked(client)


def test_a_forgotten_walk_frees_its_place_for_who_waits(
    two_databases: EmbeddedServer, client_for: ClientFor
) -> None:
    """A thread that waits for the only connection gets it soon after."""
    client = client_for(two_databases.port, max_size=1, call_timeout=5)
    client.set("a", "1", ORDERED)
    walk = client.keys(ORDERED)
    assert next(walk) == "a"
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(client.get("a", ORDERED)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    del walk
    thread.join(4)  # in less than the call's time
    assert found == ["1"]
    assert_nothing_leaked(client)


# ---------------------------------------------------------------- counters and appending


def test_append(client: KyotoTycoon) -> None:
    """Adds to the end, or begins; the time is the new one, never by default."""
    assert client.append("k", "a", expire_time=2_000_000_000) is True
    assert (client["k"], client.expire_time("k")) == ("a", 2_000_000_000)
    assert client.append("k", "\u00e4") is True
    assert (client["k"], client.expire_time("k")) == ("a\u00e4", NEVER)
    assert client.append("b", b"\xff", encode_value=False) is True
    assert client.append("b", b"\0", UNORDERED, None, False) is True
    assert (client.get_bytes("b"), client.get_bytes("b", UNORDERED)) == (b"\xff", b"\0")
    with pytest.raises(EncodeError):
        client.append("k", None)


def test_increment_double(client: KyotoTycoon) -> None:
    """Real numbers of either sign, and the infinite ones."""
    assert client.increment_double("d") == client.incr_double("e") == 1.0
    assert client.increment_double("d", 0.5) == 1.5
    assert client.get_bytes("d") == struct.pack(">qq", 1, 500_000_000_000_000)
    assert client.increment_double("d", -2) == -0.5
    assert client.increment_double("d", n=0) == -0.5
    assert client.increment_double("d", 1e15) == 1e15 - 0.5
    assert client.increment_double("tiny", 1e-7) == 0.0  # shown with six places, kept with 15
    assert client.increment_double("tiny", 4e-7) == pytest.approx(1e-6, abs=1e-6)
    for infinite in (float("inf"), float("-inf")):
        assert client.increment_double(str(infinite), infinite) == infinite
        assert client.increment_double(str(infinite), 5) == infinite


def test_increment_double_from(client: KyotoTycoon) -> None:
    """``orig`` as for a counter."""
    assert client.increment_double("d", 1, 0.5) == 1.5
    assert client.increment_double("d", 1, orig=100) == 2.5
    assert client.increment_double("d", 7.25, orig="set") == 7.25
    assert client.increment_double("d", orig="try") == 8.25
    for call in (
        lambda: client.increment_double("missing", orig="try"),
        lambda: client.increment_double("text"),
    ):
        client["text"] = "12"
        with pytest.raises(ServerError):
            call()
    assert "missing" not in client
    client.increment_double("d", expire_time=2_000_000_000)
    assert client.expire_time("d") == 2_000_000_000


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": "1"},
        {"n": None},
        {"n": True},
        {"n": float("nan")},
        {"n": 2.0**63},
        {"n": -(10**400)},
        {"orig": "1"},
        {"orig": float("nan")},
        {"orig": float("inf")},
        {"orig": float("-inf")},
        {"orig": 10**400},
        {"orig": False},
    ],
    ids=lambda given: repr(given)[:30],
)
def test_increment_double_by_no_number(client: KyotoTycoon, arguments: dict[str, Any]) -> None:
    """What the server would spoil a record with, or take for something else, is not sent."""
    with pytest.raises(ConfigError, match=r"increment_double adds|orig must be"):
        client.increment_double("d", **arguments)
    assert "d" not in client


@pytest.mark.parametrize(
    "arguments",
    [{"n": 2**63}, {"n": -(2**63) - 1}, {"orig": 2**63 - 1}, {"orig": -(2**63) + 1}],
    ids=repr,
)
def test_counters_have_64_bits(client: KyotoTycoon, arguments: dict[str, Any]) -> None:
    """More would come out as another number, or as ``set`` and ``try``."""
    with pytest.raises(ConfigError, match="64 bits"):
        client.increment("n", **arguments)
    assert "n" not in client
    assert client.increment("n", 2**63 - 1) == 2**63 - 1


def test_get_int(client: KyotoTycoon) -> None:
    """Reads a counter and leaves it."""
    assert client.get_int("n") is None
    assert client.incr("n", -5) == client.get_int("n") == -5
    assert client.incr("n", 2**62, db=UNORDERED) == client.get_int("n", UNORDERED) == 2**62
    assert client.incr("n", 1, 7, UNORDERED, 2_000_000_000) == 2**62 + 1
    assert client.expire_time("n", UNORDERED) == 2_000_000_000
    for no_counter in ("12", "", "sixteen bytes in"):
        client["n"] = no_counter
        with pytest.raises(ServerError, match=r"not a counter.*key='n'"):
            client.get_int("n")


def test_other_names(client: KyotoTycoon) -> None:
    """The same calls under the names of earlier clients."""
    client["k"] = "\u00e4"
    raw = "\u00e4".encode()
    assert client.get_raw("k") == client.get_bytes("k") == raw
    assert client.get_bulk_raw(["k", "missing"]) == {"k": raw}
    assert (client.check("k"), client.check("k", UNORDERED)) == (True, False)
    assert (client.get_raw("k", UNORDERED), client.get_bulk_raw(["k"], UNORDERED)) == (None, {})
    assert client.pop("k", decode_value=False) == raw
    assert client.pop("k") is None


# ---------------------------------------------------------------- servers


def test_open(two_databases: EmbeddedServer, any_server: EmbeddedServer) -> None:
    """A client may turn to another server; it opens nothing before it has to."""
    with nobody_listens() as port:
        client = KyotoTycoon(port=port, max_age=77)
        with pytest.raises(ConnectError):
            client.count()
        assert client.open("127.0.0.1", any_server.port) is True
        assert (client.path, client.config.max_idle) == ("*", 77)
        assert client.open(port=port, timeout=1) is True
        assert (client.port, client.config.call_timeout) == (port, 1)
    with client.connect("127.0.0.1", two_databases.port, timeout=None) as same:
        assert same is client
        assert client.databases == ["*", "%"]
    assert client.pool_stats.idle == 0


def test_close(client: KyotoTycoon) -> None:
    """Closing gives up what is unused, and the client goes on with new connections."""
    for close in (client.close, client.close_all):
        client["k"] = "v"
        assert client.pool_stats.idle == 1
        close()
        assert client.pool_stats.open == 0
    client["k"] = "v"
    client.checkin()
    assert client.pool_stats.idle == 1
