"""Cursors: a place in a database that moves, written over what every engine provides.

A cursor stands on a key, not on a record: it may stand on a dead record, and when its record is
removed it stands on the next one. It has a direction, that of its last successful jump or step,
in which it moves when an operation asks for a step and when it skips dead records.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeAlias

from kt_cache.errors import NotSupported
from kt_cache.protocol.expiry import is_dead
from kt_cache.storage.database import Database

__all__ = ["Cursor", "Entry", "open_cursor"]

Entry: TypeAlias = tuple[bytes, bytes, int]
"""A record's key, value and absolute expiration time."""


def open_cursor(database: Database) -> Cursor:
    """Return a new cursor on a database; it stands nowhere until it jumps."""
    return _OrderedCursor(database) if database.ordered else _SnapshotCursor(database)


class Cursor(ABC):
    """A place in a database. Everything that fails answers ``None`` or ``False``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._backward = False
        self._generation = database.generation

    # ------------------------------------------------------------ moving

    def jump(self, key: bytes | None = None) -> bool:
        """Go to the first record, or to a key: the first at or behind it, if keys have an order."""
        return self._turn(self._place(key, backward=False), backward=False)

    def jump_back(self, key: bytes | None = None) -> bool:
        """Go to the last record, or to the last key at or before the one given.

        :raises NotSupported: in a database without order.
        """
        self._check_order()
        return self._turn(self._place(key, backward=True), backward=True)

    def step(self) -> bool:
        """Go to the next record; at the end, the cursor stands nowhere."""
        return self._turn(self._move(backward=False), backward=False)

    def step_back(self) -> bool:
        """Go to the previous record.

        :raises NotSupported: in a database without order.
        """
        self._check_order()
        return self._turn(self._move(backward=True), backward=True)

    def _turn(self, moved: bool, *, backward: bool) -> bool:
        if moved:
            self._backward = backward
        return moved

    def _check_order(self) -> None:
        if not self._database.ordered:
            raise NotSupported("a database without order cannot be walked backward")

    # ------------------------------------------------------------ reading and changing

    def get(self, now: int, *, step: bool = False) -> Entry | None:
        """Return the record the cursor stands on, and go on if asked to."""
        entry = self._settle(now)
        if entry and step:
            self._move(backward=self._backward)
        return entry

    def set_value(self, value: bytes, xt: int, now: int, *, step: bool = False) -> bool:
        """Change the record the cursor stands on, and go on if asked to."""
        with self._database.atomic():
            entry = self._settle(now)
            if not entry:
                return False
            self._database.write(entry[0], value, xt)
        if step:
            self._move(backward=self._backward)
        return True

    def seize(self, now: int) -> Entry | None:
        """Remove the record the cursor stands on, return it, and go on."""
        with self._database.atomic():
            entry = self._settle(now)
            if not entry:
                return None
            self._move(backward=self._backward)
            self._database.delete(entry[0])
            return entry

    def _settle(self, now: int) -> Entry | None:
        """Go on, if need be, to a record that is alive and return it."""
        while True:
            key = self._key()
            record = None if key is None else self._database.read(key)
            if key is None or record is None:
                return None
            if not is_dead(record[1], now):
                return (key, *record)
            self._move(backward=self._backward)

    def _key(self) -> bytes | None:
        """Return the stored key the cursor stands on, ``None`` if it stands nowhere."""
        self._check_generation()
        return self._current()

    def _check_generation(self) -> None:
        """Stand nowhere if the database was cleared meanwhile."""
        if self._generation != self._database.generation:
            self._generation = self._database.generation
            self._leave()

    # ------------------------------------------------------------ what a kind of cursor provides

    @abstractmethod
    def _place(self, key: bytes | None, *, backward: bool) -> bool:
        """Stand on a key (``None`` for the edge), or nowhere if there is none."""

    @abstractmethod
    def _move(self, *, backward: bool) -> bool:
        """Stand on the key next to the present one, or nowhere if there is none."""

    @abstractmethod
    def _current(self) -> bytes | None:
        """Return the present key, the next stored one if it was removed meanwhile."""

    @abstractmethod
    def _leave(self) -> None:
        """Stand nowhere."""


class _OrderedCursor(Cursor):
    """Remembers nothing but a key and asks the engine for its neighbours."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._at: bytes | None = None

    def _place(self, key: bytes | None, *, backward: bool) -> bool:
        self._generation = self._database.generation
        self._at = self._database.key_from(key, backward=backward, past=False)
        return self._at is not None

    def _move(self, *, backward: bool) -> bool:
        # Forward from the record that took a removed one's place, backward from where that was.
        self._check_generation()
        start = self._at if backward else self._current()
        if start is None:
            return False
        self._at = self._database.key_from(start, backward=backward, past=True)
        return self._at is not None

    def _current(self) -> bytes | None:
        if self._at is not None:
            self._at = self._database.key_from(self._at, backward=False, past=False)
        return self._at

    def _leave(self) -> None:
        self._at = None


class _SnapshotCursor(Cursor):
    """Walks along a list of the keys as they were at the last jump, without those gone since."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._keys: list[bytes] = []
        self._index = 0

    def _place(self, key: bytes | None, *, backward: bool) -> bool:  # noqa: ARG002
        self._leave()
        self._generation = self._database.generation
        self._keys = list(self._database.keys())
        if key is not None:
            try:
                self._index = self._keys.index(key)
            except ValueError:
                self._leave()
        return bool(self._keys)

    def _move(self, *, backward: bool) -> bool:  # noqa: ARG002 - always forward
        if self._key() is None:
            return False
        self._index += 1
        return self._key() is not None

    def _current(self) -> bytes | None:
        keys = self._keys
        while self._index < len(keys):
            if self._database.read(keys[self._index]) is not None:
                return keys[self._index]
            self._index += 1
        self._leave()
        return None

    def _leave(self) -> None:
        self._keys = []
        self._index = 0
