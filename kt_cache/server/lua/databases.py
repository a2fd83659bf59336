"""The operations of databases and cursors that scripts stand on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any, NoReturn
from weakref import WeakSet

from kt_cache.errors import ConfigError, KTError
from kt_cache.protocol.expiry import NEVER, resolve_expiry
from kt_cache.server.lua.guard import DatabaseFailure, ErrorCode
from kt_cache.storage import Cursor, Database, Entry, Stored, open_cursor, open_database
from kt_cache.storage.database import Rollback
from kt_cache.storage.matching import first
from kt_cache.storage.numbers import INTEGER

__all__ = ["DatabaseFunctions"]

_IN_MEMORY = frozenset((b":", b"*", b"%", b"+", b"-"))
_FURTHEST = 2**62  # where the reference server cuts times off


class NoDatabase:
    """Stands for the database of an object that has opened none: whatever is tried fails."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # whoever asks for these is looking, not trying
            raise AttributeError(name)
        raise DatabaseFailure(ErrorCode.INVALID, b"not opened")


class DatabaseFunctions:
    """Functions of databases and cursors; most take one as their first parameter.

    :param now: the current Unix second.
    :param collected: returns the first values of a list that came in pieces.
    :param max_cursors: cursors that scripts may hold at a time.
    """

    def __init__(
        self, now: Callable[[], int], collected: Callable[[], list[bytes]], *, max_cursors: int
    ) -> None:
        self._now = now
        self._collected = collected
        self._max_cursors = max_cursors
        self._cursors: WeakSet[Cursor] = WeakSet()
        self._own: WeakSet[Database] = WeakSet()  # opened by scripts
        self._transactions: dict[Database, AbstractContextManager[object]] = {}

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the functions by the names that the Lua code knows them by."""
        return {
            name: getattr(self, f"_{name}")
            for name in (
                *("set", "add", "replace", "append", "get", "check", "seize", "remove", "cas"),
                *("increment", "increment_double", "set_bulk", "remove_bulk", "get_bulk"),
                *("match_prefix", "match_regex", "match_similar", "write", "delete"),
                *("begin", "finish", "clear", "count", "size", "path", "status", "synchronize"),
                *("open_cursor", "close_cursor", "jump", "jump_back", "step", "step_back"),
                *("read", "take", "set_value", "open", "close", "no_database"),
            )
        }

    def abort_transactions(self) -> bool:
        """Undo the transactions that a call left open; return whether there was one."""
        if not self._transactions:
            return False
        for database in tuple(self._transactions):
            self._finish(database, commit=False)
        return True

    # ------------------------------------------------------------ single records

    def _expiry(self, given: float | None) -> int:
        if given is None or math.isnan(given) or math.isinf(given):
            return NEVER
        return resolve_expiry(int(max(-_FURTHEST, min(given, _FURTHEST))), self._now())

    def _set(self, database: Database, key: bytes, value: bytes, xt: float | None) -> bool:
        database.set(key, value, self._expiry(xt))
        return True

    def _add(self, database: Database, key: bytes, value: bytes, xt: float | None) -> bool:
        if not database.add(key, value, self._expiry(xt), self._now()):
            raise DatabaseFailure(ErrorCode.DUPLICATE)
        return True

    def _replace(self, database: Database, key: bytes, value: bytes, xt: float | None) -> bool:
        if not database.replace(key, value, self._expiry(xt), self._now()):
            raise DatabaseFailure(ErrorCode.NO_RECORD)
        return True

    def _append(self, database: Database, key: bytes, value: bytes, xt: float | None) -> bool:
        database.append(key, value, self._expiry(xt), self._now())
        return True

    def _get(self, database: Database, key: bytes) -> Stored:
        return _found(database.get(key, self._now()))

    def _check(self, database: Database, key: bytes) -> int:
        return len(self._get(database, key)[0])

    def _seize(self, database: Database, key: bytes) -> Stored:
        return _found(database.seize(key, self._now()))

    def _remove(self, database: Database, key: bytes) -> bool:
        if not database.remove(key, self._now()):
            raise DatabaseFailure(ErrorCode.NO_RECORD)
        return True

    def _cas(
        self,
        database: Database,
        key: bytes,
        old: bytes | None,
        new: bytes | None,
        xt: float | None = None,
    ) -> bool:
        if not database.cas(key, old, new, self._expiry(xt), self._now()):
            raise DatabaseFailure(ErrorCode.LOGIC, b"status conflict")
        return True

    def _increment(
        self, database: Database, key: bytes, amount: float, origin: float, xt: float | None
    ) -> int:
        if origin in (math.inf, -math.inf):
            start = INTEGER.overwrite if origin > 0 else INTEGER.only_existing
        else:
            start = _whole(origin)
        total = database.increment(key, _whole(amount), start, self._expiry(xt), self._now())
        if total is None:
            raise DatabaseFailure(ErrorCode.LOGIC)
        return total

    def _increment_double(
        self, database: Database, key: bytes, amount: float, origin: float, xt: float | None
    ) -> float:
        total = database.increment_double(
            key, float(amount), float(origin), self._expiry(xt), self._now()
        )
        if total is None:
            raise DatabaseFailure(ErrorCode.LOGIC)
        return total

    # ------------------------------------------------------------ many records

    def _set_bulk(self, database: Database, xt: float | None, *items: bytes) -> int:
        stored_xt = self._expiry(xt)
        items = (*self._collected(), *items)
        return database.set_bulk(
            (key, value, stored_xt) for key, value in zip(items[::2], items[1::2], strict=True)
        )

    def _remove_bulk(self, database: Database, *keys: bytes) -> int:
        return database.remove_bulk((*self._collected(), *keys), self._now())

    def _get_bulk(self, database: Database, *keys: bytes) -> list[bytes]:
        found = database.get_bulk((*self._collected(), *keys), self._now())
        return [item for key, value, _ in found for item in (key, value)]

    def _match_prefix(self, database: Database, prefix: bytes, most: float) -> list[bytes]:
        return database.match_prefix(prefix, int(most))

    def _match_regex(self, database: Database, pattern: bytes, most: float) -> list[bytes]:
        try:
            return database.match_regex(pattern, int(most))
        except ConfigError as error:
            raise DatabaseFailure(ErrorCode.LOGIC, b"compilation failed") from error

    def _match_similar(
        self, database: Database, origin: bytes, distance: float, characters: bool, most: float
    ) -> list[bytes]:
        if distance < 0:  # over the network it stands for 1, here for any distance
            return first(database.keys(), int(most))
        return database.match_similar(origin, int(distance), int(most), characters=bool(characters))

    # ------------------------------------------------------------ for visitors

    def _write(
        self, database: Database, key: bytes, value: bytes, xt: float | None, old_xt: int | None
    ) -> bool:
        """Store what a visitor returned; without a time the record keeps the one it has."""
        stored = self._expiry(xt) if xt is not None else NEVER if old_xt is None else old_xt
        database.write(key, value, int(stored))
        return True

    def _delete(self, database: Database, key: bytes) -> bool:
        database.delete(key)
        return True

    # ------------------------------------------------------------ the whole database

    def _begin(self, database: Database) -> bool:
        if database in self._transactions:
            raise DatabaseFailure(ErrorCode.LOGIC, b"a transaction is under way")
        transaction = database.transaction()
        transaction.__enter__()
        self._transactions[database] = transaction
        return True

    def _finish(self, database: Database, commit: bool) -> bool:
        transaction = self._transactions.pop(database, None)
        if transaction is None:
            raise DatabaseFailure(ErrorCode.INVALID, b"not in transaction")
        if commit:
            transaction.__exit__(None, None, None)
        else:
            with suppress(Rollback):
                transaction.__exit__(Rollback, Rollback(), None)
        return True

    def _clear(self, database: Database) -> bool:
        database.clear()
        return True

    def _count(self, database: Database) -> int:
        return database.count()

    def _size(self, database: Database) -> int:
        return database.size()

    def _path(self, database: Database) -> bytes:
        return database.path.encode()

    def _status(self, database: Database) -> list[bytes]:
        return [text.encode() for row in database.status().items() for text in row]

    def _synchronize(self, database: Database, hard: bool) -> bool:
        database.synchronize(hard=bool(hard))
        return True

    def _no_database(self) -> NoDatabase:
        return NoDatabase()

    def _open(self, handle: Database | NoDatabase, name: bytes) -> Database:
        """Open a database in memory; files are not for scripts to open."""
        if not isinstance(handle, NoDatabase):
            raise DatabaseFailure(ErrorCode.INVALID, b"already opened")
        if name.partition(b"#")[0] not in _IN_MEMORY:
            raise DatabaseFailure(
                ErrorCode.NO_PERMISSION,
                b"scripts open no files; name them when starting the server",
            )
        try:
            database = open_database(name.decode("latin-1"))
        except KTError as error:
            raise DatabaseFailure(ErrorCode.INVALID, error.message.encode()) from error
        self._own.add(database)
        return database

    def _close(self, handle: Database | NoDatabase) -> NoDatabase:
        if isinstance(handle, NoDatabase):
            raise DatabaseFailure(ErrorCode.INVALID, b"not opened")
        if handle not in self._own:
            raise DatabaseFailure(ErrorCode.NO_PERMISSION, b"the server needs this database")
        self._own.discard(handle)
        handle.close()
        return NoDatabase()

    # ------------------------------------------------------------ cursors

    def _open_cursor(self, database: Database) -> Cursor:
        if len(self._cursors) >= self._max_cursors:
            raise DatabaseFailure(ErrorCode.LOGIC, b"too many cursors; disable those not needed")
        cursor = open_cursor(database)
        self._cursors.add(cursor)
        return cursor

    def _close_cursor(self, cursor: Cursor) -> None:
        self._cursors.discard(cursor)

    def _jump(self, cursor: Cursor, key: bytes | None = None) -> bool:
        return _moved(cursor.jump(key))

    def _jump_back(self, cursor: Cursor, key: bytes | None = None) -> bool:
        return _moved(cursor.jump_back(key))

    def _step(self, cursor: Cursor) -> bool:
        return _moved(cursor.step())

    def _step_back(self, cursor: Cursor) -> bool:
        return _moved(cursor.step_back())

    def _read(self, cursor: Cursor, step: bool | None = None) -> Entry:
        entry = cursor.get(self._now(), step=bool(step))
        if entry is None:
            raise DatabaseFailure(ErrorCode.NO_RECORD)
        return entry

    def _take(self, cursor: Cursor) -> Entry:
        entry = cursor.seize(self._now())
        if entry is None:
            raise DatabaseFailure(ErrorCode.NO_RECORD)
        return entry

    def _set_value(self, cursor: Cursor, value: bytes, xt: float, step: bool) -> bool:
        return _moved(cursor.set_value(value, self._expiry(xt), self._now(), step=bool(step)))


def _found(record: Stored | None) -> Stored:
    if record is None:
        raise DatabaseFailure(ErrorCode.NO_RECORD)
    return record


def _moved(done: bool) -> bool:
    if not done:
        raise DatabaseFailure(ErrorCode.NO_RECORD)
    return True


def _whole(number: float) -> int:
    """Return a number cut to signed 64 bits, as the reference server's machine does it."""
    if math.isnan(number) or not -(2.0**63) <= number < 2.0**63:
        return -(2**63)
    return int(number)
