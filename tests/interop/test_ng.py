"""Data moves between python-kyototycoon-ng and our client in both directions."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kyototycoon import (
    KT_PACKER_BYTES,
    KT_PACKER_JSON,
    KT_PACKER_PICKLE,
    KT_PACKER_STRING,
)
from kyototycoon.packers import MemcachePacker, SimpleMemcachePacker

from kt_cache import KT_BINARY, KT_JSON, KT_NONE, KT_PICKLE, packers
from tests.interop.conftest import Connect

_TREE = {"list": [1, -2, 3.5, None, True], "nested": {"": "v", "k" * 300: []}, "ü": "☃ 😀"}

# Our serializer, their packer, values.
PAIRS: list[tuple[str, int, list[Any]]] = [
    (KT_BINARY, KT_PACKER_STRING, ["", "plain", "grüße ☃", "tab\tand\nline", "x" * 70_000]),
    (KT_NONE, KT_PACKER_BYTES, [b"", b"\0\r\n\t=", bytes(range(256)), b"x" * 70_000]),
    (KT_JSON, KT_PACKER_JSON, ["text", 17, 2**70, None, [], _TREE]),
    (KT_PICKLE, KT_PACKER_PICKLE, ["ü", b"\xff", (1, {2}), None, _TREE]),
]
_binary = pytest.mark.parametrize("binary", [False, True], ids=["http", "binary"])
_values = pytest.mark.parametrize(
    ("serializer", "packer", "value"),
    [(ours, theirs, value) for ours, theirs, values in PAIRS for value in values],
    ids=[f"{ours}-{number}" for ours, _, values in PAIRS for number in range(len(values))],
)


@_binary
@_values
def test_each_reads_what_the_other_wrote(
    ours: Connect, ng: Connect, serializer: str, packer: int, value: Any, binary: bool
) -> None:
    """Whichever protocol either uses."""
    our, their = ours(serializer), ng(packer, binary=binary)
    for write in (our.set, our.set_http):
        write("schlüssel/1", value)
        assert their.get("schlüssel/1") == value
        assert their.remove("schlüssel/1")
    assert their.set("schlüssel/1", value)
    assert our.get("schlüssel/1") == our.get_http("schlüssel/1") == value


@pytest.mark.parametrize(
    ("serializer", "packer", "binary"),
    [
        (KT_BINARY, KT_PACKER_STRING, False),
        (KT_BINARY, KT_PACKER_STRING, True),
        (KT_JSON, KT_PACKER_JSON, False),
        (KT_JSON, KT_PACKER_JSON, True),
        # Over HTTP a server answers with pickles in base64, for which they call a function that
        # Python 3.9 removed.
        (KT_PICKLE, KT_PACKER_PICKLE, True),
    ],
)
def test_several_at_once(
    ours: Connect, ng: Connect, serializer: str, packer: int, binary: bool
) -> None:
    """Some records, some of them missing."""
    our, their = ours(serializer), ng(packer, binary=binary)
    records = {f"key {number}": "plain" for number in range(30)}
    assert their.set_bulk(records, atomic=not binary) == 30
    assert our.get_bulk(records) == our.get_bulk_http(records) == records
    assert our.remove_bulk(["key 1", "key 2", "no"]) == 2
    assert our.set_bulk({"key 1": "ours"}) == 1
    del records["key 2"]
    assert their.get_bulk([*records, "key 2", "no"]) == {**records, "key 1": "ours"}
    assert their.remove_bulk([*records, "no"]) == 29
    assert our.count() == 0


@_binary
def test_bytes_at_once(ours: Connect, ng: Connect, binary: bool) -> None:
    """Without a serializer."""
    our, their = ours(KT_NONE), ng(KT_PACKER_BYTES, binary=binary)
    their.set_bulk({"a": b"v\xff", "b": b""})
    assert our.get_bulk(["a", "b"]) == {"a": b"v\xff", "b": b""}
    our.set_bulk({"a": b"\xfe"})
    assert their.get_bulk(["a", "b"]) == {"a": b"\xfe", "b": b""}


@_binary
@pytest.mark.parametrize("pair", [(b"", 0), (b"item\0", 2**32 - 1)])
def test_items_with_flags(
    ours: Connect, ng: Connect, pair: tuple[bytes, int], binary: bool
) -> None:
    """As the server's memcached plug-in lays them out."""
    our, their = ours(packers.SimpleMemcachePacker()), ng(SimpleMemcachePacker(), binary=binary)
    our.set("k", pair)
    assert their.get("k") == pair
    their.set("k", pair)
    assert our.get("k") == pair


@_binary
@pytest.mark.parametrize("item", [b"", b"short", b"long" * 1000])
@pytest.mark.parametrize(
    "options", [{}, {"gzip_enabled": True}, {"gzip_enabled": True, "gzip_flag": 32}]
)
def test_items_in_gzip(
    ours: Connect, ng: Connect, options: dict[str, int], item: bytes, binary: bool
) -> None:
    """Compressed or not."""
    our = ours(packers.MemcachePacker(**options))
    their = ng(MemcachePacker(**options), binary=binary)
    our.set("k", item)
    stored = our.get_bytes("k")
    assert their.get("k") == item
    their.set("k", item)
    assert our.get("k") == item
    assert our.get_bytes("k")[-4:] == stored[-4:]


@_binary
def test_both_mean_the_same_by_expiry(ours: Connect, ng: Connect, binary: bool) -> None:
    """A time to live that they gave ends when it should, by our reckoning."""
    our, their = ours(), ng(KT_PACKER_STRING, binary=binary)
    before = int(time.time())
    their.set("one", "v", expire=100)
    their.set_bulk({"several": "v"}, expire=100)
    for key in ("one", "several"):
        assert before + 100 <= our.expire_time(key) <= time.time() + 100


def test_counters_are_shared(ours: Connect, ng: Connect) -> None:
    """Either adds to the other's and reads it without changing it."""
    our, their = ours(), ng(KT_PACKER_STRING, binary=False)
    assert our.increment("n", 3) == 3
    assert their.increment("n", -10) == -7
    assert our.increment("n", 1) == -6
    assert our.get_int("n") == their.get_int("n") == -6
    assert their.increment_double("real", 1.5) == 1.5
    assert our.increment_double("real", -4.25) == -2.75
    assert their.increment_double("real", 0) == -2.75


def test_a_record_is_changed_by_either(ours: Connect, ng: Connect) -> None:
    """By add, replace, append, cas and seize."""
    our, their = ours(), ng(KT_PACKER_STRING, binary=False)
    assert our.add("k", "a")
    assert their.append("k", "ü")
    assert our.append("k", "!")
    assert their.get("k") == "aü!"
    assert their.replace("k", "b")
    assert our.cas("k", "b", "c")
    assert their.cas("k", "c", "d")
    assert not our.cas("k", "c", "e")
    assert their.check("k")
    assert our.seize("k") == "d"
    assert not their.check("k")
    assert their.add("k", "new")
    assert their.seize("k") == "new"
    assert not our.exists("k")


def test_both_find_the_same_keys(ours: Connect, ng: Connect) -> None:
    """By prefix, pattern, likeness, and one after the other."""
    our, their = ours(), ng(KT_PACKER_STRING, binary=False)
    records = {f"key-{number}": "v" for number in range(300)} | {"kex-1": "v"}
    our.set_bulk(records)
    assert set(their.match_prefix("key-1")) == set(our.match_prefix("key-1"))
    assert set(their.match_regex("-1$")) == set(our.match_regex("-1$")) == {"key-1", "kex-1"}
    assert set(their.match_similar("key-1", 1)) == set(our.match_similar("key-1", 1))
    with their.cursor() as cursor:
        assert dict(cursor) == dict(our.items()) == records
    assert their.count() == our.count() == 301
    assert their.size() == our.size()
    assert their.status()["path"] == our.status()["path"] == "*"
    assert their.vacuum()
    assert their.clear()
    assert our.count() == 0
