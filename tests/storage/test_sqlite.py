"""The database in a file: what it survives, and whom it lets in."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kt_cache.errors import StorageError
from kt_cache.protocol.expiry import NEVER
from kt_cache.storage import Database, SQLiteDatabase
from tests.storage.conformance import NOW
from tests.storage.ordered import OrderedConformance
from tests.support.process import ROOT, TIMEOUT

_WRITER = """
import sys
from kt_cache.storage import SQLiteDatabase
database = SQLiteDatabase(sys.argv[1])
number = 0
while True:
    if number % 2:
        database.set(b"%d" % number, b"v" * 300, 2**40 - 1)
    else:
        database.set_bulk([(b"%d" % number, b"v" * 300, 2**40 - 1)])
    print(number, flush=True)
    number += 1
"""
_ADDER = """
import sys
from kt_cache.storage import SQLiteDatabase
database = SQLiteDatabase(sys.argv[1], exclusive=False, timeout=30)
for _ in range(200):
    database.increment(b"n", 1, 0, 2**40 - 1, 0)
"""


class TestSQLite(OrderedConformance):
    """A file that belongs to one process."""

    def open_database(self, directory: Path) -> Database:
        return SQLiteDatabase(str(directory / "records.sqlite"))


class TestSharedSQLite(OrderedConformance):
    """A file that others may use at the same time."""

    def open_database(self, directory: Path) -> Database:
        return SQLiteDatabase(str(directory / "records.sqlite"), exclusive=False)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a database can be."""
    return str(tmp_path / "records.sqlite")


def _run(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_records_are_there_after_reopening(path: str) -> None:
    """Closing leaves one file, with everything in it."""
    database = SQLiteDatabase(path)
    database.set_bulk([(b"k", b"v", NOW), (b"", b"\0", NEVER)])
    database.close()
    assert os.listdir(os.path.dirname(path)) == ["records.sqlite"]
    database = SQLiteDatabase(path)
    assert database.get(b"k", NOW) == (b"v", NOW)
    assert database.get(b"", NOW) == (b"\0", NEVER)
    database.close()


def test_acknowledged_writes_survive_a_kill(path: str) -> None:
    """Whatever a killed process had written before it said so is there afterwards."""
    with _run(_WRITER, path) as writer:
        for line in writer.stdout:
            if int(line) == 2000:
                writer.kill()
                break
        said = [int(line)] + [int(more) for more in writer.stdout if more.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    database = SQLiteDatabase(path)
    last = said[-1]
    assert database.get_bulk([b"%d" % number for number in range(last + 1)], NOW) == [
        (b"%d" % number, b"v" * 300, NEVER) for number in range(last + 1)
    ]
    assert database.count() - (last + 1) in (0, 1)
    database.close()


def test_an_error_takes_back_what_was_written_with_it(path: str) -> None:
    """A transaction happens as a whole or not at all; nested ones belong to the outermost."""
    database = SQLiteDatabase(path)
    database.set(b"k", b"1", NEVER)
    with pytest.raises(RuntimeError), database.atomic():
        database.set(b"k", b"2", NEVER)
        database.add(b"new", b"", NEVER, NOW)
        raise RuntimeError
    assert database.get(b"k", NOW) == (b"1", NEVER)
    assert database.count() == 1
    database.close()


def test_a_full_disk_is_not_the_end(path: str) -> None:
    """A write that does not fit fails as a whole; everything else goes on."""
    database = SQLiteDatabase(path)
    database.set(b"k", b"v", NEVER)
    database._connection.execute("PRAGMA max_page_count = 50")
    for value in (b"v" * 1000, b"v" * 1_000_000):
        with pytest.raises(StorageError, match="full"):
            database.set_bulk((b"%d" % number, value, NEVER) for number in range(1000))
        with pytest.raises(StorageError, match="full"), database.atomic():
            database.append(b"k", value * 1000, NEVER, NOW)
        assert database.count() == 1
        assert database.add(b"new", b"", NEVER, NOW)
        assert database.remove(b"new", NOW)
    assert database.get(b"k", NOW) == (b"v", NEVER)
    database.close()


def test_a_file_in_use_cannot_be_opened(path: str) -> None:
    """It belongs to one database at a time, and is free again when that is closed."""
    database = SQLiteDatabase(path)
    for exclusive in (True, False):
        with pytest.raises(StorageError, match="in use by another process"):
            SQLiteDatabase(path, exclusive=exclusive, timeout=0.1)
    database.close()
    SQLiteDatabase(path).close()


def test_a_shared_file_can_be_used_by_many_processes(path: str) -> None:
    """What reads and then writes is atomic between processes, even the creation of the file."""
    adders = [_run(_ADDER, path) for _ in range(4)]
    for adder in adders:
        adder.communicate(timeout=6 * TIMEOUT)
    assert [adder.returncode for adder in adders] == [0] * 4
    database = SQLiteDatabase(path)
    assert database.increment(b"n", 0, 0, NEVER, NOW) == 800
    database.close()


def test_threads_can_each_have_their_own_object(path: str) -> None:
    """On a shared file, each with its own transactions."""

    def add() -> None:
        database = SQLiteDatabase(path, exclusive=False, timeout=30)
        for _ in range(100):
            database.increment(b"n", 1, 0, NEVER, NOW)
        database.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = SQLiteDatabase(path)
    assert database.increment(b"n", 0, 0, NEVER, NOW) == 400
    database.close()


@pytest.mark.parametrize("content", [b"something else", b"\x00" * 5000])
def test_other_files_are_left_alone(path: str, content: bytes) -> None:
    """What is no SQLite file is refused and not changed."""
    Path(path).write_bytes(content)
    with pytest.raises(StorageError, match=r"not a database of kt_cache's"):
        SQLiteDatabase(path)
    assert Path(path).read_bytes() == content


def test_other_peoples_databases_are_left_alone(path: str) -> None:
    """What is a SQLite file but not one of ours is refused and not changed."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE records (key, value, xt)")
    connection.close()
    before = Path(path).read_bytes()
    with pytest.raises(StorageError, match=r"not a database of kt_cache's"):
        SQLiteDatabase(path)
    assert Path(path).read_bytes() == before


def test_another_version_is_refused(path: str) -> None:
    """A file of a version that this one does not read says so."""
    SQLiteDatabase(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StorageError, match="another version"):
        SQLiteDatabase(path)


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The error says which file could not be opened."""
    with pytest.raises(StorageError, match=r"nowhere/records\.sqlite"):
        SQLiteDatabase(str(tmp_path / "nowhere" / "records.sqlite"))


def test_vacuum_gives_space_back(path: str) -> None:
    """The file shrinks by what the dead records took up."""
    database = SQLiteDatabase(path)
    database.set_bulk((b"%d" % number, b"v" * 1000, NOW) for number in range(2000))
    database.synchronize(hard=True)
    full = os.path.getsize(path)
    database.vacuum(NOW + 1)
    database.synchronize(hard=True)
    assert os.path.getsize(path) < full / 10
    database.close()


def test_a_storage_failure_is_a_storage_error(path: str) -> None:
    """Whatever the engine raises, with the file's name and without any key."""
    database = SQLiteDatabase(path)
    database.close()
    for operation in (
        lambda: database.get(b"secret", NOW),
        lambda: database.set(b"secret", b"", NEVER),
        lambda: database.set_bulk([(b"secret", b"", NEVER)]),
        lambda: list(database.keys()),
        lambda: database.count(),
    ):
        with pytest.raises(StorageError, match=r"records\.sqlite") as caught:
            operation()
        assert "secret" not in str(caught.value)
