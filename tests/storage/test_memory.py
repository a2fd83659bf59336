"""Databases in memory."""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from kt_cache.errors import NotSupported
from kt_cache.protocol.expiry import NEVER
from kt_cache.storage import Database, HashDatabase, TreeDatabase, open_cursor, open_database
from tests.storage.conformance import NOW, Conformance
from tests.storage.ordered import OrderedConformance


class TestHash(Conformance):
    """A hash."""

    def open_database(self, directory: Path) -> Database:
        return HashDatabase()

    def test_there_is_no_way_back(self, database: Database) -> None:
        """A hash has no order to walk against, nor a key next to a missing one."""
        database.set(b"k", b"", NEVER)
        cursor = open_cursor(database)
        assert not cursor.jump(b"j")
        with pytest.raises(NotSupported):
            cursor.jump_back()
        with pytest.raises(NotSupported):
            cursor.step_back()
        with pytest.raises(NotSupported):
            database.key_from(b"k", backward=False, past=True)


class TestTree(OrderedConformance):
    """A tree."""

    def open_database(self, directory: Path) -> Database:
        return TreeDatabase()

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without sortedcontainers the error says what to install."""
        monkeypatch.setitem(sys.modules, "sortedcontainers", None)
        with pytest.raises(NotSupported, match=r"the extra \[server\]"):
            open_database("%")


class TestBoundedHash(Conformance):
    """A hash with room for everything the other tests do."""

    def open_database(self, directory: Path) -> Database:
        return open_database("*#capcnt=1m#capsiz=1g")


class TestBoundedTree(OrderedConformance):
    """A tree with room for everything the other tests do."""

    def open_database(self, directory: Path) -> Database:
        return open_database("%#ktcapcnt=1m#ktcapsiz=1g")


def test_a_full_hash_gives_up_what_was_used_least_recently() -> None:
    """Reading and writing a record both count as using it."""
    database = open_database("*#capcnt=3")
    for key in (b"a", b"b", b"c"):
        database.set(key, b"", NEVER)
    database.get(b"a", NOW)
    database.set(b"b", b"x", NEVER)
    database.set(b"d", b"", NEVER)
    assert sorted(database.keys()) == [b"a", b"b", b"d"]


@pytest.mark.parametrize("name", ["*#ktcapcnt=10", "%#ktcapcnt=10"])
def test_the_number_of_records_is_bounded(name: str) -> None:
    """The newest record always stays, and expired ones that went are no longer swept."""
    database = open_database(name)
    for number in range(100):
        database.set(b"%03d" % number, b"v", NOW + number)
        assert database.get(b"%03d" % number, NOW) is not None
    assert database.count() == 10
    assert database.status()["ktcapcnt"] == "10"
    assert database.sweep(NOW + 1000, 1000) == 10


@pytest.mark.parametrize("name", ["*#ktcapsiz=1k", "%#ktcapsiz=1k"])
def test_the_size_is_bounded(name: str) -> None:
    """Keys and values count; a record that is too big alone is kept alone."""
    database = open_database(name)
    for number in range(100):
        database.set(b"%03d" % number, b"v" * 97, NEVER)
        assert database.size() <= 1024
    assert database.count() == 10
    database.set(b"big", b"v" * 5000, NEVER)
    assert list(database.keys()) == [b"big"]


def test_sweeping_does_not_look_at_the_living() -> None:
    """A step costs what it removes, not what is stored."""
    database = HashDatabase()
    database.set_bulk((b"%d" % number, b"", NOW + 1 + number) for number in range(200_000))
    started = time.perf_counter()
    for _ in range(1000):
        assert database.sweep(NOW, 100) == 0
    assert time.perf_counter() - started < 3


def test_rewriting_an_expiring_record_leaves_nothing_behind() -> None:
    """The index of what expires does not grow with the number of writes."""
    database = HashDatabase()
    database.set(b"k", b"", NOW)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(20_000):
            database.set(b"k", b"", NOW + number)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
    assert database.sweep(NOW + 30_000, 10) == 1
