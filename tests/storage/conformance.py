"""What every engine promises. A subclass says how to open one; all tests come with the class."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest

from kt_cache.errors import ConfigError
from kt_cache.protocol.expiry import NEVER
from kt_cache.storage import Database, open_cursor
from kt_cache.storage.database import Rollback
from kt_cache.storage.numbers import INTEGER, REAL

NOW = 1_800_000_000
DEAD = NOW - 1
ALIVE = NOW


class Conformance:
    """Tests of a database that :meth:`open_database` opens empty."""

    def open_database(self, directory: Path) -> Database:
        """Return an empty database."""
        raise NotImplementedError

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        """An empty database, closed in the end."""
        database = self.open_database(tmp_path)
        yield database
        database.close()

    # ------------------------------------------------------------ single records

    def test_a_record_comes_back_as_it_was_set(self, database: Database) -> None:
        """Keys and values are any bytes, empty ones included; the time is kept as given."""
        everything = bytes(range(256))
        for key, value, xt in [(b"", b"", NEVER), (everything, everything, NOW + 5)]:
            database.set(key, value, xt)
            assert database.get(key, NOW) == (value, xt)

    def test_a_record_lives_through_its_own_second(self, database: Database) -> None:
        """A record is there in the second of its time and missing in the next one."""
        database.set(b"k", b"v", NOW)
        assert database.get(b"k", NOW) == (b"v", NOW)
        assert database.get(b"k", NOW + 1) is None

    def test_set_replaces_value_and_time(self, database: Database) -> None:
        """A write without time makes an expiring record eternal."""
        database.set(b"k", b"v", NOW)
        database.set(b"k", b"longer", NEVER)
        assert database.get(b"k", NOW + 10) == (b"longer", NEVER)
        assert database.sweep(NOW + 10, 100) == 0

    @pytest.mark.parametrize("xt", [None, DEAD])
    def test_a_missing_or_dead_record_counts_as_missing(
        self, database: Database, xt: int | None
    ) -> None:
        """Every operation on a key treats a dead record that is not yet swept as missing."""
        if xt is not None:
            database.set(b"k", pack(">q", 5), xt)
        assert database.get(b"k", NOW) is None
        assert not database.replace(b"k", b"v", NEVER, NOW)
        assert not database.remove(b"k", NOW)
        assert database.seize(b"k", NOW) is None
        assert not database.cas(b"k", pack(">q", 5), b"v", NEVER, NOW)
        assert database.get_bulk([b"k"], NOW) == []
        assert database.remove_bulk([b"k"], NOW) == 0
        assert database.increment(b"k", 2, 10, NEVER, NOW) == 12

    def test_add_stores_only_what_is_missing(self, database: Database) -> None:
        """Add stores over nothing and over a dead record, and changes no living one."""
        assert database.add(b"k", b"1", ALIVE, NOW)
        assert not database.add(b"k", b"2", NEVER, NOW)
        assert database.get(b"k", NOW) == (b"1", ALIVE)
        assert database.add(b"k", b"3", NEVER, NOW + 1)
        assert database.get(b"k", NOW + 1) == (b"3", NEVER)

    def test_replace_stores_only_over_a_record(self, database: Database) -> None:
        """Replace changes value and time of a living record."""
        database.set(b"k", b"1", ALIVE)
        assert database.replace(b"k", b"2", NEVER, NOW)
        assert database.get(b"k", NOW) == (b"2", NEVER)

    def test_append_joins_values(self, database: Database) -> None:
        """Append starts from nothing where the record is missing or dead."""
        database.append(b"k", b"ab", ALIVE, NOW)
        database.append(b"k", b"cd", ALIVE, NOW)
        assert database.get(b"k", NOW) == (b"abcd", ALIVE)
        database.append(b"k", b"ef", NEVER, NOW + 1)
        assert database.get(b"k", NOW + 1) == (b"ef", NEVER)

    def test_cas_compares_before_it_changes(self, database: Database) -> None:
        """``None`` stands for no record, on either side."""
        assert database.cas(b"k", None, None, NEVER, NOW)
        assert database.cas(b"k", None, b"1", NEVER, NOW)
        assert not database.cas(b"k", None, b"2", NEVER, NOW)
        assert not database.cas(b"k", b"x", b"2", NEVER, NOW)
        assert database.cas(b"k", b"1", b"2", ALIVE, NOW)
        assert database.get(b"k", NOW) == (b"2", ALIVE)
        assert database.cas(b"k", b"2", None, NEVER, NOW)
        assert database.count() == 0

    def test_remove_and_seize_take_the_record(self, database: Database) -> None:
        """What was removed is missing; seize says what it was."""
        database.set_bulk([(b"a", b"1", NEVER), (b"b", b"2", ALIVE)])
        assert database.remove(b"a", NOW)
        assert database.seize(b"b", NOW) == (b"2", ALIVE)
        assert database.get_bulk([b"a", b"b"], NOW) == []

    # ------------------------------------------------------------ numbers

    def test_increment_adds_and_replaces_the_time(self, database: Database) -> None:
        """The number is eight bytes, big-endian; a write takes the time it is given."""
        assert database.increment(b"n", 5, 100, ALIVE, NOW) == 105
        assert database.increment(b"n", -7, 100, NEVER, NOW) == 98
        assert database.get(b"n", NOW) == (pack(">q", 98), NEVER)

    def test_increment_by_zero_only_reads(self, database: Database) -> None:
        """An existing record keeps its time; a missing one is made."""
        assert database.increment(b"n", 0, 0, ALIVE, NOW) == 0
        assert database.increment(b"n", 0, 0, NEVER, NOW) == 0
        assert database.get(b"n", NOW) == (pack(">q", 0), ALIVE)

    def test_increment_wraps_around(self, database: Database) -> None:
        """The smallest number stands for failure, though it is stored."""
        database.set(b"n", pack(">q", 2**63 - 1), NEVER)
        assert database.increment(b"n", 1, 0, NEVER, NOW) is None
        assert database.get(b"n", NOW) == (pack(">q", -(2**63)), NEVER)
        assert database.increment(b"n", -1, 0, NEVER, NOW) == 2**63 - 1

    def test_increment_refuses_other_values(self, database: Database) -> None:
        """A value of another length is left alone, even when it is to be overwritten."""
        database.set(b"n", b"12", NEVER)
        for origin in (0, INTEGER.overwrite):
            assert database.increment(b"n", 1, origin, ALIVE, NOW) is None
        assert database.get(b"n", NOW) == (b"12", NEVER)

    def test_increment_origins(self, database: Database) -> None:
        """One origin demands a record, another one overwrites it."""
        assert database.increment(b"n", 1, INTEGER.only_existing, NEVER, NOW) is None
        assert database.count() == 0
        assert database.increment(b"n", 7, INTEGER.overwrite, NEVER, NOW) == 7
        assert database.increment(b"n", 0, INTEGER.overwrite, ALIVE, NOW) == 0
        assert database.increment(b"n", 1, INTEGER.only_existing, NEVER, NOW) == 1

    def test_increment_double_adds_parts(self, database: Database) -> None:
        """Integer part and fraction are added one by one, with one carry and never a borrow."""
        assert database.increment_double(b"d", 0.3, 0.0, NEVER, NOW) == pytest.approx(0.3)
        assert database.increment_double(b"d", 0.8, 0.0, NEVER, NOW) == pytest.approx(1.1)
        assert database.get(b"d", NOW) == (pack(">qq", 1, 99999999999999), NEVER)
        for expected in (-0.7, -1.4):
            total = database.increment_double(b"e", -0.7, 0.0, NEVER, NOW)
            assert total == pytest.approx(expected)
        assert database.get(b"e", NOW) == (pack(">qq", 0, -1399999999999998), NEVER)

    def test_increment_double_keeps_infinities(self, database: Database) -> None:
        """Once infinite, always infinite; what is not a number fails, then and later."""
        assert database.increment_double(b"d", math.inf, 0.0, NEVER, NOW) == math.inf
        assert database.increment_double(b"d", -5.0, 0.0, NEVER, NOW) == math.inf
        assert database.increment_double(b"n", math.nan, 0.0, NEVER, NOW) is None
        assert database.increment_double(b"n", 1.0, 0.0, NEVER, NOW) is None

    def test_increment_double_origins(self, database: Database) -> None:
        """They mean the same as for integers; an integer record is refused."""
        assert database.increment_double(b"d", 1.0, REAL.only_existing, NEVER, NOW) is None
        assert database.increment_double(b"d", 1.5, 2.0, NEVER, NOW) == 3.5
        assert database.increment_double(b"d", 9.0, REAL.overwrite, NEVER, NOW) == 9.0
        database.set(b"i", pack(">q", 1), NEVER)
        assert database.increment_double(b"i", 1.0, 0.0, NEVER, NOW) is None

    # ------------------------------------------------------------ many records

    def test_bulk_operations_count_records(self, database: Database) -> None:
        """A key given twice counts twice when it is set, once when it is removed."""
        records = [(b"a", b"1", NEVER), (b"b", b"2", ALIVE), (b"a", b"3", NEVER)]
        assert database.set_bulk(records) == 3
        assert database.get_bulk([b"b", b"x", b"a", b"b"], NOW) == [
            (b"b", b"2", ALIVE),
            (b"a", b"3", NEVER),
            (b"b", b"2", ALIVE),
        ]
        assert database.remove_bulk([b"a", b"a", b"x"], NOW) == 1
        assert database.set_bulk([]) == database.remove_bulk([], NOW) == 0

    def test_match_prefix(self, database: Database) -> None:
        """Only keys that begin so are found, dead ones too, and no more than the limit."""
        for key in (b"ab", b"abc", b"b", b"a", b"\xff", b"\xffa"):
            database.set(key, b"", DEAD)
        assert sorted(database.match_prefix(b"ab")) == [b"ab", b"abc"]
        assert sorted(database.match_prefix(b"\xff")) == [b"\xff", b"\xffa"]
        assert len(database.match_prefix(b"")) == 6
        assert len(database.match_prefix(b"", 2)) == 2
        assert database.match_prefix(b"", 0) == []

    def test_match_regex(self, database: Database) -> None:
        """A pattern may be found anywhere in a key; a broken one is an error."""
        database.set_bulk((key, b"", NEVER) for key in (b"abc", b"xabc", b"d9", b"d"))
        assert sorted(database.match_regex(b"bc$")) == [b"abc", b"xabc"]
        assert database.match_regex(b"[[:digit:]]") == [b"d9"]
        assert len(database.match_regex(b".", 3)) == 3
        with pytest.raises(ConfigError, match="regular expression"):
            database.match_regex(b"(")

    def test_match_similar(self, database: Database) -> None:
        """Keys come in order of their distance, then of their bytes."""
        keys = (b"abc", b"abd", b"xabc", b"abcd", b"xyz", "été".encode())
        database.set_bulk((key, b"", NEVER) for key in keys)
        assert database.match_similar(b"abc", 1) == [b"abc", b"abcd", b"abd", b"xabc"]
        assert database.match_similar(b"abc", 0) == [b"abc"]
        assert database.match_similar(b"abc", 3, 2) == [b"abc", b"abcd"]
        assert database.match_similar(b"ete", 2) == []
        assert database.match_similar(b"ete", 2, characters=True) == ["été".encode()]

    # ------------------------------------------------------------ the whole database

    def test_count_includes_the_dead(self, database: Database) -> None:
        """Dead records count, and take up room, until they are swept."""
        database.set_bulk([(b"a", b"", DEAD), (b"b", b"", NEVER)])
        assert database.count() == 2
        assert database.status()["count"] == "2"
        assert database.sweep(NOW, 10) == 1
        assert database.count() == 1

    def test_size_grows_with_the_records(self, database: Database) -> None:
        """Size and status agree, and clear gives everything back."""
        empty = database.size()
        database.set_bulk((b"%d" % number, b"v" * 1000, NEVER) for number in range(500))
        assert database.size() > empty + 400_000
        assert database.status()["size"] == str(database.size())
        for number in range(500):
            database.set(b"%d" % number, b"", NOW - number)
        database.clear()
        assert database.count() == 0
        database.vacuum(NOW)
        assert database.size() == pytest.approx(empty, abs=8192)

    def test_sweep_takes_the_longest_dead_first(self, database: Database) -> None:
        """It removes at most so many records, never one that is alive."""
        for age in range(-3, 10):
            database.set(b"%d" % (age + 3), b"", NOW - age)
        assert database.sweep(NOW, 4) == 4
        assert sorted(database.keys()) == sorted(b"%d" % (age + 3) for age in range(-3, 6))
        assert database.sweep(NOW, 100) == 5
        assert database.sweep(NOW, 100) == 0
        assert database.count() == 4

    def test_vacuum_removes_all_the_dead(self, database: Database) -> None:
        """However many there are."""
        database.set_bulk((b"%d" % number, b"", DEAD) for number in range(3000))
        database.set(b"alive", b"", ALIVE)
        database.vacuum(NOW)
        assert list(database.keys()) == [b"alive"]

    def test_atomic_can_be_nested(self, database: Database) -> None:
        """Operations that are atomic themselves may be made one."""
        with database.atomic(), database.atomic():
            database.increment(b"n", 1, 0, NEVER, NOW)
            database.increment(b"n", 1, 0, NEVER, NOW)
        assert database.increment(b"n", 1, 0, NEVER, NOW) == 3

    def test_synchronize_keeps_everything(self, database: Database) -> None:
        """Softly or hard, the records stay."""
        database.set(b"k", b"v", NEVER)
        database.synchronize(hard=False)
        database.synchronize(hard=True)
        assert database.get(b"k", NOW) == (b"v", NEVER)

    # ------------------------------------------------------------ cursors

    def test_a_new_cursor_stands_nowhere(self, database: Database) -> None:
        """Nothing can be done with it until it has jumped somewhere."""
        database.set(b"k", b"v", NEVER)
        cursor = open_cursor(database)
        assert cursor.get(NOW) is None
        assert cursor.seize(NOW) is None
        assert not cursor.step()
        assert not cursor.set_value(b"x", NEVER, NOW)

    def test_a_cursor_visits_every_record_once(self, database: Database) -> None:
        """From the first to the last one, then it stands nowhere."""
        records = {b"%03d" % number: b"v" for number in range(50)}
        database.set_bulk((key, value, NEVER) for key, value in records.items())
        cursor = open_cursor(database)
        assert cursor.jump()
        visited = []
        while entry := cursor.get(NOW, step=True):
            visited.append(entry)
        assert sorted(visited) == sorted((key, value, NEVER) for key, value in records.items())
        assert cursor.get(NOW) is None

    def test_a_cursor_jumps_to_a_key(self, database: Database) -> None:
        """In an empty database there is nowhere to jump to."""
        cursor = open_cursor(database)
        assert not cursor.jump()
        database.set_bulk([(b"a", b"1", NEVER), (b"b", b"2", ALIVE)])
        assert cursor.jump(b"b")
        assert cursor.get(NOW) == (b"b", b"2", ALIVE)
        assert not cursor.jump(b"c")
        assert cursor.get(NOW) is None

    def test_a_cursor_skips_the_dead(self, database: Database) -> None:
        """Reading goes on to the next living record; if there is none, the cursor is off."""
        database.set_bulk([(b"a", b"", DEAD), (b"b", b"", DEAD), (b"c", b"", ALIVE)])
        cursor = open_cursor(database)
        assert cursor.jump(b"a")
        assert cursor.get(NOW) == (b"c", b"", ALIVE)
        assert cursor.get(NOW + 1) is None

    def test_a_cursor_changes_records(self, database: Database) -> None:
        """It writes where it stands, and removing moves it on."""
        database.set_bulk([(b"a", b"1", NEVER), (b"b", b"2", NEVER)])
        cursor = open_cursor(database)
        cursor.jump()
        first, _, _ = cursor.get(NOW)
        assert cursor.set_value(b"new", ALIVE, NOW)
        assert database.get(first, NOW) == (b"new", ALIVE)
        assert cursor.seize(NOW) == (first, b"new", ALIVE)
        assert database.get(first, NOW) is None
        second, _, _ = cursor.get(NOW)
        assert {first, second} == {b"a", b"b"}

    def test_a_cursor_moves_off_a_removed_record(self, database: Database) -> None:
        """A record removed by others takes the cursor to the next one."""
        database.set_bulk((key, b"", NEVER) for key in (b"a", b"b", b"c"))
        cursor = open_cursor(database)
        cursor.jump()
        keys = list(database.keys())
        database.remove_bulk(keys[:2], NOW)
        assert cursor.get(NOW) == (keys[2], b"", NEVER)

    def test_clear_makes_cursors_invalid(self, database: Database) -> None:
        """Even if the same records come back."""
        database.set(b"a", b"", NEVER)
        cursor = open_cursor(database)
        cursor.jump()
        database.clear()
        database.set(b"a", b"", NEVER)
        assert cursor.get(NOW) is None
        assert cursor.jump()

    # ------------------------------------------------------------ transactions

    def fill(self, database: Database) -> None:
        """Store what the tests below change."""
        for key in (b"a", b"b", b"c"):
            database.set(key, b"before", NOW)

    def change(self, database: Database) -> None:
        """Change records in every way there is."""
        database.set(b"a", b"1", NEVER)
        database.set(b"a", b"2", NOW + 5)
        database.remove(b"b", NOW)
        database.add(b"b", b"again", NEVER, NOW)
        database.set_bulk([(b"new", b"n", NEVER), (b"c", b"", NEVER)])
        database.remove_bulk([b"c", b"missing"], NOW)
        database.increment(b"number", 1, 0, NEVER, NOW)

    def contents(self, database: Database) -> tuple[dict[bytes, tuple[bytes, int]], int, int]:
        """Return what is stored, dead records included, and what the database says of it."""
        records = {key: database.read(key) for key in list(database.keys())}
        return records, database.count(), database.sweep(NOW + 1, 0)

    def test_a_transaction_stays(self, database: Database) -> None:
        """What a transaction writes is there when it has ended."""
        self.fill(database)
        with database.transaction():
            self.change(database)
            assert database.get(b"a", NOW) == (b"2", NOW + 5)
        records, count, _ = self.contents(database)
        assert sorted(records) == [b"a", b"b", b"new", b"number"]
        assert count == 4

    @pytest.mark.parametrize("clear", [False, True])
    def test_an_error_undoes_a_transaction(self, database: Database, clear: bool) -> None:
        """Left by an exception, a transaction leaves everything as it was, times included."""
        self.fill(database)
        before = self.contents(database)
        with pytest.raises(Rollback), database.transaction():
            self.change(database)
            if clear:
                database.clear()
                database.set(b"late", b"", NEVER)
            with database.transaction():
                database.set(b"inner", b"", NEVER)
            raise Rollback
        assert self.contents(database) == before
        assert database.sweep(NOW + 1, 100) == 3
        database.set(b"after", b"", NEVER)
        assert database.count() == 1
