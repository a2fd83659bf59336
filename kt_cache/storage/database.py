"""What a database can do, written once on top of what an engine provides.

An engine (:mod:`~kt_cache.storage.memory`, :mod:`~kt_cache.storage.sqlite`) fills in the primitives
in the second half of :class:`Database`. They know nothing of time: a dead record is a record to
them until it is swept. The operations in the first half do: to them a dead record is missing.

Invariants:

* ``xt`` is always the absolute time a record is stored with, ``now`` the current Unix second.
* Every write replaces value and time together.
* An operation that reads and then writes does both inside :meth:`Database.atomic`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import takewhile
from typing import TypeAlias, TypeVar

from kt_cache.errors import NotSupported
from kt_cache.protocol.expiry import is_dead
from kt_cache.storage.matching import EditDistance, first
from kt_cache.storage.numbers import INTEGER, REAL, NumberFormat
from kt_cache.storage.patterns import compile_pattern

__all__ = ["Database", "Rollback", "Stored"]

Stored: TypeAlias = tuple[bytes, int]
"""A record's value and its absolute expiration time."""

N = TypeVar("N", int, float)

_ALWAYS_ATOMIC = nullcontext()


class Rollback(Exception):
    """Leaves a transaction so that nothing of it remains."""


class Database(ABC):
    """A set of records with byte-string keys, values and expiration times.

    :param path: where the data is, or the name of a type that lives in memory.
    :param type_code: the number that ``status`` shows for this type.
    """

    ordered = False
    """Whether records have an order, that of their keys' bytes."""

    def __init__(self, path: str, type_code: int) -> None:
        self.path = path
        self.type_code = type_code
        self.generation = 0
        """Counts the times the database was cleared; cursors of an earlier one are invalid."""

    @property
    def name(self) -> str:
        """The last component of the path, by which clients may call the database."""
        return self.path.rsplit("/", 1)[-1]

    # ------------------------------------------------------------ single records

    def get(self, key: bytes, now: int) -> Stored | None:
        """Return a record's value and time, or ``None`` if it is missing."""
        record = self.read(key)
        if record is None or is_dead(record[1], now):
            return None
        return record

    def set(self, key: bytes, value: bytes, xt: int) -> None:
        """Store a record, whether there was one or not."""
        self.write(key, value, xt)

    def add(self, key: bytes, value: bytes, xt: int, now: int) -> bool:
        """Store a record unless there is one; return whether it was stored."""
        with self.atomic():
            if self.get(key, now) is not None:
                return False
            self.write(key, value, xt)
            return True

    def replace(self, key: bytes, value: bytes, xt: int, now: int) -> bool:
        """Store a record only if there is one; return whether it was stored."""
        with self.atomic():
            if self.get(key, now) is None:
                return False
            self.write(key, value, xt)
            return True

    def append(self, key: bytes, value: bytes, xt: int, now: int) -> None:
        """Put a value behind the existing one; a missing record counts as empty."""
        with self.atomic():
            record = self.get(key, now)
            self.write(key, value if record is None else record[0] + value, xt)

    def cas(self, key: bytes, old: bytes | None, new: bytes | None, xt: int, now: int) -> bool:
        """Change a record only if its value is as expected; return whether it was.

        :param old: the value expected; ``None`` for a missing record.
        :param new: the value to store; ``None`` to remove the record.
        """
        with self.atomic():
            record = self.get(key, now)
            if (None if record is None else record[0]) != old:
                return False
            if new is not None:
                self.write(key, new, xt)
            elif record is not None:
                self.delete(key)
            return True

    def remove(self, key: bytes, now: int) -> bool:
        """Remove a record; return whether there was one."""
        return self.seize(key, now) is not None

    def seize(self, key: bytes, now: int) -> Stored | None:
        """Remove a record and return what it was, or ``None`` if it is missing."""
        with self.atomic():
            record = self.get(key, now)
            if record is not None:
                self.delete(key)
            return record

    def increment(self, key: bytes, amount: int, origin: int, xt: int, now: int) -> int | None:
        """Add to a 64-bit integer; it wraps around.

        An amount of zero only reads an existing record and leaves its time alone.

        :param origin: what a missing record counts as. -2**63 makes a missing record fail,
            2**63 - 1 stores the amount itself whether there is a record or not.
        :return: the sum, or ``None`` if the record is no integer or the sum is the smallest one,
            which is stored all the same.
        """
        return self._increment(INTEGER, key, amount, origin, xt, now)

    def increment_double(
        self, key: bytes, amount: float, origin: float, xt: int, now: int
    ) -> float | None:
        """Add to a fixed-point number, as :meth:`increment` does to an integer.

        :param origin: as there; minus infinity makes a missing record fail, infinity overwrites.
        :return: the sum, or ``None`` if the record is no such number or the sum is not a number.
        """
        return self._increment(REAL, key, amount, origin, xt, now)

    def _increment(
        self, form: NumberFormat[N], key: bytes, amount: N, origin: N, xt: int, now: int
    ) -> N | None:
        with self.atomic():
            record = self.get(key, now)
            if record is None:
                if origin == form.only_existing:
                    return None
                value = form.encode(amount if origin == form.overwrite else origin + amount)
            elif len(record[0]) != form.size:
                return None
            elif origin == form.overwrite:
                value = form.encode(amount)
            elif amount == 0:
                return form.decode(record[0])
            else:
                value = form.add(record[0], amount)
            self.write(key, value, xt)
            return form.decode(value)

    # ------------------------------------------------------------ many records

    def set_bulk(self, records: Iterable[tuple[bytes, bytes, int]]) -> int:
        """Store ``(key, value, xt)`` records all together; return how many were given."""
        count = 0
        with self.atomic():
            for key, value, xt in records:
                self.write(key, value, xt)
                count += 1
        return count

    def remove_bulk(self, keys: Iterable[bytes], now: int) -> int:
        """Remove records all together; return how many there were."""
        with self.atomic():
            return sum(self.remove(key, now) for key in keys)

    def get_bulk(self, keys: Iterable[bytes], now: int) -> list[tuple[bytes, bytes, int]]:
        """Return key, value and time of the records that exist, in the order asked for."""
        found = []
        for key in keys:
            record = self.get(key, now)
            if record is not None:
                found.append((key, *record))
        return found

    def match_prefix(self, prefix: bytes, limit: int = -1) -> list[bytes]:
        """Return the keys that begin with a prefix, dead records' included.

        :param limit: the most to return; below zero for all.
        """
        keys = self.keys(prefix)
        select = takewhile if self.ordered else filter
        return first(select(lambda key: key.startswith(prefix), keys), limit)

    def match_regex(self, pattern: bytes, limit: int = -1) -> list[bytes]:
        """Return the keys in which a POSIX extended regular expression is found.

        :raises ConfigError: if it is not one.
        """
        search = compile_pattern(pattern).search
        return first(filter(search, self.keys()), limit)

    def match_similar(
        self, origin: bytes, distance: int, limit: int = -1, *, characters: bool = False
    ) -> list[bytes]:
        """Return the keys within an edit distance, the nearest first.

        :param characters: compare UTF-8 characters, not bytes.
        """
        if limit == 0:
            return []
        distance_to = EditDistance(origin, distance, characters=characters)
        found = []
        for key in self.keys():
            measured = distance_to(key)
            if measured is not None:
                found.append((measured, key))
        found.sort()
        return first((key for _, key in found), limit)

    # ------------------------------------------------------------ the whole database

    def clear(self) -> None:
        """Remove every record and make cursors invalid."""
        self.generation += 1
        self.wipe()

    def status(self) -> dict[str, str]:
        """Return what there is to know about the database, by field name."""
        return {
            "count": str(self.count()),
            "size": str(self.size()),
            "path": self.path,
            "type": str(self.type_code),
            "realtype": str(self.type_code),
            "ktopts": "0",
            "ktcapcnt": "-1",
            "ktcapsiz": "-1",
        }

    def vacuum(self, now: int) -> None:
        """Remove every dead record and give their space back."""
        while self.sweep(now, 10_000):
            pass

    # ------------------------------------------------------------ what an engine provides

    def atomic(self) -> AbstractContextManager[object]:
        """Return a context in which everything happens at once or, on an error, not at all.

        Contexts may be nested. An engine that nobody else can reach meanwhile, and that does not
        fail half-way, need not do anything.
        """
        return _ALWAYS_ATOMIC

    def transaction(self) -> AbstractContextManager[object]:
        """Return a context of which nothing remains if an exception leaves it.

        Unlike :meth:`atomic` it undoes what its body has written on every engine.
        """
        return self.atomic()

    @abstractmethod
    def read(self, key: bytes) -> Stored | None:
        """Return a stored record, dead or alive."""

    @abstractmethod
    def write(self, key: bytes, value: bytes, xt: int) -> None:
        """Store a record."""

    @abstractmethod
    def delete(self, key: bytes) -> None:
        """Delete a stored record if there is one."""

    @abstractmethod
    def wipe(self) -> None:
        """Delete all records."""

    @abstractmethod
    def keys(self, start: bytes = b"") -> Iterator[bytes]:
        """Iterate over the stored keys; nothing may be written meanwhile.

        :param start: in an ordered database, where to begin.
        """

    def key_from(self, key: bytes | None, *, backward: bool, past: bool) -> bytes | None:  # noqa: ARG002
        """Return the stored key next to a given one.

        :param key: ``None`` for the first or, going backward, the last one.
        :param past: do not return ``key`` itself.
        :raises NotSupported: in a database without order.
        """
        raise NotSupported("this database has no order")

    @abstractmethod
    def sweep(self, now: int, limit: int) -> int:
        """Delete up to ``limit`` dead records, the longest dead first; return how many.

        It takes no time for records that are alive.
        """

    @abstractmethod
    def count(self) -> int:
        """Return how many records are stored, dead ones included."""

    @abstractmethod
    def size(self) -> int:
        """Return how many bytes the records take up."""

    @abstractmethod
    def synchronize(self, *, hard: bool) -> None:
        """Bring what was written to disk; with ``hard``, wait until it is there."""

    @abstractmethod
    def close(self) -> None:
        """Release what the engine holds; the database cannot be used after."""
