"""Every engine behaves as a dictionary of values and times would, at any point of time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from struct import pack, unpack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kt_cache.protocol.expiry import NEVER
from kt_cache.storage import Database, HashDatabase, SQLiteDatabase, TreeDatabase, open_database

START = 1_000_000

keys = st.sampled_from([b"", b"a", b"aa", b"ab", b"b", b"\xff"])
values = st.binary(max_size=12) | st.just(pack(">q", 7))
lifetimes = st.none() | st.integers(-2, 5)


class Model(RuleBasedStateMachine):
    """Does the same to a database and to a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.database = self.open_database(Path(self.directory.name))
        self.records: dict[bytes, tuple[bytes, int]] = {}
        self.now = START

    def open_database(self, directory: Path) -> Database:
        raise NotImplementedError

    def teardown(self) -> None:
        self.database.close()
        self.directory.cleanup()

    def _xt(self, lifetime: int | None) -> int:
        return NEVER if lifetime is None else self.now + lifetime

    def _alive(self, key: bytes) -> tuple[bytes, int] | None:
        record = self.records.get(key)
        return None if record is None or self.now > record[1] else record

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(key=keys, value=values, lifetime=lifetimes)
    def set(self, key: bytes, value: bytes, lifetime: int | None) -> None:
        self.database.set(key, value, self._xt(lifetime))
        self.records[key] = (value, self._xt(lifetime))

    @rule(key=keys, value=values, lifetime=lifetimes, over=st.booleans())
    def add_or_replace(self, key: bytes, value: bytes, lifetime: int | None, over: bool) -> None:
        operation = self.database.replace if over else self.database.add
        expected = (self._alive(key) is not None) == over
        assert operation(key, value, self._xt(lifetime), self.now) == expected
        if expected:
            self.records[key] = (value, self._xt(lifetime))

    @rule(key=keys, value=values, lifetime=lifetimes)
    def append(self, key: bytes, value: bytes, lifetime: int | None) -> None:
        self.database.append(key, value, self._xt(lifetime), self.now)
        before = self._alive(key)
        self.records[key] = ((before[0] if before else b"") + value, self._xt(lifetime))

    @rule(key=keys, amount=st.integers(-5, 5), origin=st.integers(-3, 3), lifetime=lifetimes)
    def increment(self, key: bytes, amount: int, origin: int, lifetime: int | None) -> None:
        total = self.database.increment(key, amount, origin, self._xt(lifetime), self.now)
        before = self._alive(key)
        if before and len(before[0]) != 8:
            assert total is None
            return
        assert total == (unpack(">q", before[0])[0] if before else origin) + amount
        if amount or not before:
            self.records[key] = (pack(">q", total), self._xt(lifetime))

    @rule(key=keys, guess=st.booleans(), new=st.none() | values, lifetime=lifetimes)
    def cas(self, key: bytes, guess: bool, new: bytes | None, lifetime: int | None) -> None:
        before = self._alive(key)
        old = (before[0] if before else None) if guess else b"surely something else"
        assert self.database.cas(key, old, new, self._xt(lifetime), self.now) == guess
        if not guess:
            return
        if new is not None:
            self.records[key] = (new, self._xt(lifetime))
        elif before:
            del self.records[key]

    @rule(key=keys)
    def seize(self, key: bytes) -> None:
        before = self._alive(key)
        assert self.database.seize(key, self.now) == before
        if before:
            del self.records[key]

    @rule(given=st.lists(keys, max_size=4))
    def remove_bulk(self, given: list[bytes]) -> None:
        there = {key for key in given if self._alive(key)}
        assert self.database.remove_bulk(given, self.now) == len(there)
        for key in there:
            del self.records[key]

    @rule(given=st.lists(st.tuples(keys, values, lifetimes), max_size=4))
    def set_bulk(self, given: list[tuple[bytes, bytes, int | None]]) -> None:
        records = [(key, value, self._xt(lifetime)) for key, value, lifetime in given]
        assert self.database.set_bulk(records) == len(records)
        self.records.update((key, (value, xt)) for key, value, xt in records)

    @rule(limit=st.integers(1, 4))
    def sweep(self, limit: int) -> None:
        dead = sorted(xt for _, xt in self.records.values() if self.now > xt)
        assert self.database.sweep(self.now, limit) == min(limit, len(dead))
        left = set(self.database.keys())
        swept = sorted(xt for key, (_, xt) in self.records.items() if key not in left)
        assert swept == dead[:limit]
        self.records = {key: self.records[key] for key in left}

    @rule()
    def clear(self) -> None:
        self.database.clear()
        self.records.clear()

    @invariant()
    def they_agree(self) -> None:
        assert self.database.count() == len(self.records)
        stored = list(self.database.keys())
        assert sorted(stored) == sorted(self.records)
        if self.database.ordered:
            assert stored == sorted(stored)
        alive = [(key, *record) for key in stored if (record := self._alive(key))]
        assert self.database.get_bulk(stored, self.now) == alive


class HashModel(Model):
    def open_database(self, directory: Path) -> Database:
        return HashDatabase()


class TreeModel(Model):
    def open_database(self, directory: Path) -> Database:
        return TreeDatabase()


class BoundedModel(Model):
    def open_database(self, directory: Path) -> Database:
        return open_database("*#capcnt=100")


class SQLiteModel(Model):
    """Also closes and opens the file now and then."""

    def open_database(self, directory: Path) -> Database:
        return SQLiteDatabase(str(directory / "records.sqlite"))

    @rule()
    def reopen(self) -> None:
        self.database.close()
        self.database = self.open_database(Path(self.directory.name))


TestHashModel = HashModel.TestCase
TestTreeModel = TreeModel.TestCase
TestBoundedModel = BoundedModel.TestCase
TestSQLiteModel = SQLiteModel.TestCase
TestSQLiteModel.settings = settings(max_examples=30)
