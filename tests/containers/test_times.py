"""A container's record keeps its time to live, whatever is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kt_cache import NEVER, KyotoTycoon
from kt_cache.containers import Hash, List, Set

WRITES: dict[str, Callable[[KyotoTycoon], Any]] = {
    "hmset": lambda kt: Hash(kt, "h").set_bulk({"n": "1"}),
    "hset": lambda kt: Hash(kt, "h").set("n", "1"),
    "hsetnx": lambda kt: Hash(kt, "h").setnx("n", "1"),
    "hdel": lambda kt: Hash(kt, "h").remove("a"),
    "hmdel": lambda kt: Hash(kt, "h").remove_bulk(["a"]),
    "hpack": lambda kt: Hash(kt, "h").pack(),
    "hpackkeys": lambda kt: Hash(kt, "h").pack_keys("l"),
    "hpackvalues": lambda kt: Hash(kt, "h").pack_values("l"),
    "sadd": lambda kt: Set(kt, "s").add("n"),
    "srem": lambda kt: Set(kt, "s").remove("a"),
    "spop": lambda kt: Set(kt, "s").pop(),
    "sinter": lambda kt: Set(kt, "t").intersection("t", "s"),
    "sunion": lambda kt: Set(kt, "t").union("t", "s"),
    "sdiff": lambda kt: Set(kt, "s").difference("t", "s"),
    "llpush": lambda kt: List(kt, "l").appendleft("n"),
    "lrpush": lambda kt: List(kt, "l").append("n"),
    "lextend": lambda kt: List(kt, "l").extend("no"),
    "linsert": lambda kt: List(kt, "l").insert(0, "n"),
    "lset": lambda kt: List(kt, "l").set(0, "n"),
    "llpop": lambda kt: List(kt, "l").popleft(),
    "lrpop": lambda kt: List(kt, "l").popright(),
    "lrem": lambda kt: List(kt, "l").remove(0),
    "lremrange": lambda kt: List(kt, "l").remove_range(),
    "lpack": lambda kt: List(kt, "l").pack(),
    "lrpoplpush within": lambda kt: List(kt, "l").rpoplpush(),
    "lrpoplpush from": lambda kt: List(kt, "l").rpoplpush("m"),
    "llpoprpush to": lambda kt: List(kt, "m").lpoprpush("l"),
}


def fill(kt: KyotoTycoon) -> None:
    Hash(kt, "h").update(a="1", b="2")
    Set(kt, "s").add("a", "b")
    Set(kt, "t").add("a", "c")
    List(kt, "l").extend("xy")
    List(kt, "m").extend("cd")


def changed_with_time(kt: KyotoTycoon, write: str, time: int | None) -> tuple[bool, int | None]:
    """Return whether a write changed the record, and the time it has then."""
    fill(kt)
    key = {"h": "h", "s": "s", "l": "l"}[write[0]]
    key = "l" if write.startswith("hpack") and write != "hpack" else key
    kt.touch_bulk([key], time)
    before = kt.get_bytes(key)
    WRITES[write](kt)
    return kt.get_bytes(key) != before, kt.expire_time(key)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_keeps_the_time(scripted: KyotoTycoon, write: str) -> None:
    """Every function that changes a record."""
    expires = 4_000_000_000
    assert changed_with_time(scripted, write, expires) == (True, expires)


@pytest.mark.parametrize("write", WRITES)
def test_a_record_that_never_expires_never_does(scripted: KyotoTycoon, write: str) -> None:
    """After every function that changes it."""
    assert changed_with_time(scripted, write, None) == (True, NEVER)


def test_an_expired_container_is_empty(scripted: KyotoTycoon) -> None:
    """What is written to it begins anew and does not expire."""
    fill(scripted)
    scripted.touch_bulk(["h", "s", "l"], 10**9)
    assert Hash(scripted, "h").length() == Set(scripted, "s").count() == 0
    assert List(scripted, "l").append("new") == 1
    assert Hash(scripted, "h").set("a", "new") == 1
    assert Hash(scripted, "h").get_all() == {"a": "new"}
    assert scripted.expire_time("h") == scripted.expire_time("l") == NEVER
