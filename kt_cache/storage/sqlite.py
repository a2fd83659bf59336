"""A database in one SQLite file, ordered by key.

Every write outside of :meth:`SQLiteDatabase.atomic` is a transaction of its own. The file is
written ahead (WAL) with ``synchronous=NORMAL``: what was written survives the end of the process
however it comes; the last moments before a power failure may be lost, but never the file.
"""
# ruff: noqa: D102 - Database describes the methods

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from kt_cache.errors import StorageError
from kt_cache.protocol.expiry import NEVER, latest_dead
from kt_cache.storage.database import Database, Stored

__all__ = ["SUFFIX", "SQLiteDatabase"]

SUFFIX = ".sqlite"

_APPLICATION_ID = 0x6B744361  # "ktCa", by which our files are told from others
_VERSION = 1
_TYPE_CODE = 96  # one that ktserver does not use
_CACHE_KIB = 32768
_RETRY = 0.01  # seconds

# Keys are in an index of their own, so that walking along them does not touch the values.
_SCHEMA = (
    "CREATE TABLE records (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, xt INTEGER NOT NULL)",
    f"CREATE INDEX expiring ON records (xt) WHERE xt < {NEVER}",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)
_READ = "SELECT value, xt FROM records WHERE key = ?"
_WRITE = (
    "INSERT INTO records (key, value, xt) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, xt = excluded.xt"
)
_DELETE = "DELETE FROM records WHERE key = ?"
_SWEEP = (
    "DELETE FROM records WHERE rowid IN "  # noqa: S608 - no outer input
    f"(SELECT rowid FROM records WHERE xt <= ? AND xt < {NEVER} ORDER BY xt LIMIT ?)"
)
_KEYS = "SELECT key FROM records WHERE key >= ? ORDER BY key"
_EDGES = {
    False: "SELECT key FROM records ORDER BY key LIMIT 1",
    True: "SELECT key FROM records ORDER BY key DESC LIMIT 1",
}
_NEIGHBOURS = {
    (False, False): "SELECT key FROM records WHERE key >= ? ORDER BY key LIMIT 1",
    (False, True): "SELECT key FROM records WHERE key > ? ORDER BY key LIMIT 1",
    (True, False): "SELECT key FROM records WHERE key <= ? ORDER BY key DESC LIMIT 1",
    (True, True): "SELECT key FROM records WHERE key < ? ORDER BY key DESC LIMIT 1",
}


class SQLiteDatabase(Database):
    """A database in a file. An object must not be used by two threads at the same time.

    :param exclusive: keep the file for this object alone, which is faster and makes opening it a
        second time an error; else any number of objects, in any process, share it.
    :param timeout: seconds to wait for the file while others use it.
    :raises StorageError: if the file is in use, is not one of ours, or cannot be opened.
    """

    ordered = True

    def __init__(self, path: str, *, exclusive: bool = True, timeout: float = 1.0) -> None:
        super().__init__(path, _TYPE_CODE)
        self._connection = _connect(path, exclusive=exclusive, timeout=timeout)
        self._transaction = _Transaction(self._connection, self._failure)

    def _execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, parameters)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StorageError:
        return StorageError(f"database {self.path!r}: {error}")

    def _fetch(self, statement: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Return the first row, or ``None``."""
        try:
            return self._connection.execute(statement, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def atomic(self) -> AbstractContextManager[object]:
        return self._transaction

    def read(self, key: bytes) -> Stored | None:
        record: Stored | None = self._fetch(_READ, (key,))
        return record

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        self._execute(_WRITE, (key, value, xt))

    def set_bulk(self, records: Iterable[tuple[bytes, bytes, int]]) -> int:
        rows = list(records)
        with self.atomic():
            try:
                self._connection.executemany(_WRITE, rows)
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return len(rows)

    def delete(self, key: bytes) -> None:
        self._execute(_DELETE, (key,))

    def wipe(self) -> None:
        self._execute("DELETE FROM records")

    def keys(self, start: bytes = b"") -> Iterator[bytes]:
        try:
            for row in self._connection.execute(_KEYS, (start,)):
                yield row[0]
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def key_from(self, key: bytes | None, *, backward: bool, past: bool) -> bytes | None:
        if key is None:
            row = self._fetch(_EDGES[backward])
        else:
            row = self._fetch(_NEIGHBOURS[backward, past], (key,))
        return row[0] if row else None

    def sweep(self, now: int, limit: int) -> int:
        return self._execute(_SWEEP, (latest_dead(now), limit)).rowcount

    def vacuum(self, now: int) -> None:
        super().vacuum(now)
        try:
            # Not by execute(), which stops this statement after the first page.
            self._connection.executescript("PRAGMA incremental_vacuum")
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def count(self) -> int:
        return int(self._fetch("SELECT count(*) FROM records")[0])

    def size(self) -> int:
        pages, page_size = self._fetch("PRAGMA page_count")[0], self._fetch("PRAGMA page_size")[0]
        return int(pages * page_size)

    def synchronize(self, *, hard: bool) -> None:
        self._fetch(f"PRAGMA wal_checkpoint({'TRUNCATE' if hard else 'PASSIVE'})")

    def close(self) -> None:
        # The last connection to a file brings everything into it and deletes the log.
        self._connection.close()


class _Transaction:
    """A transaction that begins with the outermost ``with`` and ends with it."""

    def __init__(
        self, connection: sqlite3.Connection, failure: Callable[[sqlite3.Error], StorageError]
    ) -> None:
        self._connection = connection
        self._failure = failure
        self._depth = 0

    def __enter__(self) -> None:
        if not self._depth:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise self._failure(error) from error
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth:
            return
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as failure:
            raise self._failure(failure) from failure
        finally:
            # SQLite has ended the transaction by itself after some errors, but not after all.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


# ---------------------------------------------------------------- opening


def _connect(path: str, *, exclusive: bool, timeout: float) -> sqlite3.Connection:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return _connect_once(path, exclusive=exclusive, timeout=timeout)
        except sqlite3.Error as error:
            if "not a database" in str(error):
                raise _foreign(path) from error
            if "locked" not in str(error):
                raise StorageError(f"cannot open {path!r}: {error}") from error
            if time.monotonic() >= deadline:
                raise StorageError(f"{path!r} is in use by another process") from error
        # SQLite itself does not wait for others who are just creating the file.
        time.sleep(_RETRY)


def _connect_once(path: str, *, exclusive: bool, timeout: float) -> sqlite3.Connection:
    _create_private(path)
    connection = sqlite3.connect(
        path, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, path, exclusive=exclusive)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(path: str) -> None:
    """Create a file that is not there yet for its owner alone; what is in it is nobody else's."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        return  # it is there, or opening it will say why not


def _prepare(connection: sqlite3.Connection, path: str, *, exclusive: bool) -> None:
    execute = connection.execute
    # Before the file is first touched, or the log is opened in the mode that shares it.
    execute(f"PRAGMA locking_mode = {'EXCLUSIVE' if exclusive else 'NORMAL'}")
    execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file yet to be made
    execute("BEGIN")  # others may be making the file: one look sees all of that, or nothing
    is_new = _is_new(connection, path)
    execute("COMMIT")
    if execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StorageError(f"{path!r} is on a file system that cannot hold a write-ahead log")
    execute("PRAGMA synchronous = NORMAL")
    execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    execute("BEGIN IMMEDIATE")
    if is_new and _is_new(connection, path):  # nobody was faster
        for statement in _SCHEMA:
            execute(statement)
    execute("COMMIT")


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    """Tell whether the file is empty; raise if it is somebody else's."""
    application, version, objects = (
        connection.execute(question).fetchone()[0]
        for question in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if application == _APPLICATION_ID:
        if version != _VERSION:
            raise StorageError(
                f"{path!r} was made by another version of kt_cache "
                f"(format {version}, this one reads {_VERSION})"
            )
        return False
    if application or version or objects:
        raise _foreign(path)
    return True


def _foreign(path: str) -> StorageError:
    return StorageError(f"{path!r} is not a database of kt_cache's; it was left as it is")
