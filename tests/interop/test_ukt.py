"""Data moves between ukt's client and ours in both directions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kt_cache import KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE
from tests.interop.conftest import Connect

_TEXTS = ["", "plain", "grüße ☃", "tab\tand\nline", "x" * 70_000]
_TREE = {"list": [1, -2, 3.5, None, True], "nested": {"": "v", "k" * 300: []}}
_NOT_ASCII = {"grüße": "☃ 😀"}

VALUES: list[tuple[str, Any]] = [
    *((KT_BINARY, text) for text in _TEXTS),
    *((KT_NONE, data) for data in (b"", b"\0\r\n\t=", bytes(range(256)), b"x" * 70_000)),
    *((KT_JSON, value) for value in ("text", 17, 2**70, None, [], _TREE)),
    *((KT_MSGPACK, value) for value in ("ü", b"\xff", 17, None, _TREE, _NOT_ASCII)),
    *((KT_PICKLE, value) for value in ("ü", b"\xff", (1, {2}), None, _TREE, _NOT_ASCII)),
]
_values = pytest.mark.parametrize(
    ("serializer", "value"), VALUES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(VALUES)]
)


@_values
def test_each_reads_what_the_other_wrote(
    ours: Connect, theirs: Connect, serializer: str, value: Any
) -> None:
    """One record and several, by the binary protocol and over HTTP."""
    our, their = ours(serializer), theirs(serializer)
    for writer, reader in ((our, their), (their, our)):
        for write in (writer.set, writer.set_http):
            our.clear()
            write("key", value)
            assert reader.get("key") == reader.get_http("key") == value
        writer.set_bulk({"a": value, "ü": value})
        assert reader.get_bulk(["a", "ü", "no"]) == {"a": value, "ü": value}
        assert reader.get_bulk_http(["a", "ü", "no"]) == {"a": value, "ü": value}
        assert reader.seize("a") == value


@_values
def test_a_value_is_the_same_bytes(
    ours: Connect, theirs: Connect, serializer: str, value: Any
) -> None:
    """So that comparing works across: cas, and the removal of an item from a queue or a set."""
    our, their = ours(serializer), theirs(serializer)
    our.set("our", value)
    their.set("their", value)
    assert our.get_bytes("our") == our.get_bytes("their")
    if value is not None:  # which means: no record
        assert our.cas("their", value, value) is True
        assert their.cas("our", value, value) is True


def test_json_text_is_the_same_bytes(ours: Connect, theirs: Connect) -> None:
    """Also where it is not ASCII."""
    test_a_value_is_the_same_bytes(ours, theirs, KT_JSON, _NOT_ASCII)


def test_each_reads_the_json_text_of_the_other(ours: Connect, theirs: Connect) -> None:
    """Whether or not it escapes what is not ASCII."""
    test_each_reads_what_the_other_wrote(ours, theirs, KT_JSON, _NOT_ASCII)


@pytest.mark.parametrize("number", [0, -5, 2**40, 1.5, -0.25])
def test_numbers_are_stored_as_the_same_text(ours: Connect, theirs: Connect, number: float) -> None:
    """Without a serializer a number becomes its text."""
    our, their = ours(), theirs()
    our.set("our", number)
    their.set("their", number)
    assert our.get_bytes("our") == our.get_bytes("their")
    assert our.get("their") == their.get("our") == str(number)


def test_counters_are_shared(ours: Connect, theirs: Connect) -> None:
    """Either adds to the other's, whole numbers and others."""
    our, their = ours(), theirs()
    for first, second in ((our, their), (their, our)):
        our.clear()
        assert first.increment("n", 3) == 3
        assert second.increment("n", -10) == -7
        assert first.increment("n", 0) == -7
        assert first.increment("new", 5, orig=100) == 105
        assert second.increment_double("real", 1.5) == 1.5
        assert first.increment_double("real", -4.25) == -2.75
        assert our.get_int("n") == -7


def test_text_is_extended_and_replaced_by_either(ours: Connect, theirs: Connect) -> None:
    """Calls that exist over HTTP alone."""
    our, their = ours(), theirs()
    for first, second in ((our, their), (their, our)):
        our.clear()
        assert first.add("k", "a")
        assert not second.add("k", "b")
        assert second.append("k", "ü")
        assert first.get("k") == "aü"
        assert first.length("k") == second.length("k") == 3
        assert second.replace("k", "new")
        assert first.exists("k")
        assert second.exists("k")
        assert first.remove("k") == 1
        assert second.remove("k") == 0


def test_both_mean_the_same_by_expiry(ours: Connect, theirs: Connect) -> None:
    """A time to live of either ends when both say it does."""
    our, their = ours(), theirs()
    for writer in (our, their):
        for write in (writer.set, writer.set_http, writer.replace):
            before = int(time.time())
            write("k", "v", expire_time=100)
            expires = our.expire_time("k")
            assert before + 100 <= expires <= time.time() + 100
            assert their.get_bulk_details([(0, "k")]) == our.get_bulk_details([(0, "k")])
            assert their.get_bulk_details([(0, "k")])[0][3] == expires
        writer.set("k", "v")
        never = their.get_bulk_details([(0, "k")])[0][3]
        assert our.get_bulk_details([(0, "k")])[0][3] == never


def test_a_signal_reaches_the_other(ours: Connect, theirs: Connect) -> None:
    """One waits until the other, which knows nothing of it, sends."""
    our, their = ours(), theirs()
    for waiter, sender in ((our, their), (their, our)):
        sender.set("k", "old")
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(waiter.get_http, "k", signal="s", wait=10)
            while not waiting.done():
                sender.set_http("k", "new", signal="s", send=True)
            assert waiting.result() == "new"


@pytest.mark.parametrize("method", ["match_prefix", "match_regex", "match_similar"])
def test_both_find_the_same_keys(ours: Connect, theirs: Connect, method: str) -> None:
    """In the same order."""
    our, their = ours(), theirs()
    our.set_bulk({f"key-{number}": "" for number in range(300)} | {"kex-1": ""})
    found = getattr(our, method)("key-1")
    assert found == getattr(their, method)("key-1")
    assert "key-1" in found
