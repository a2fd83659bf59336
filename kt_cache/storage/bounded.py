"""Databases in memory that give records up when they hold too much."""
# ruff: noqa: D102 - Database describes the methods

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass

from kt_cache.storage.database import Stored
from kt_cache.storage.memory import HashDatabase, MemoryDatabase, TreeDatabase

__all__ = ["BoundedHashDatabase", "BoundedTreeDatabase", "Capacity"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a database may hold; ``None`` is no limit.

    :param records: records, dead ones included.
    :param size: bytes of keys and values together.
    """

    records: int | None = None
    size: int | None = None

    def is_exceeded(self, records: int, size: int) -> bool:
        """Tell whether that is too much. One record is never too much, however big."""
        too_many = self.records is not None and records > self.records
        too_big = self.size is not None and size > self.size
        return records > 1 and (too_many or too_big)


class _Bounded(MemoryDatabase):
    """Makes room after every write."""

    _capacity: Capacity

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        super().write(key, value, xt)
        while self._capacity.is_exceeded(self.count(), self.size()):
            self.delete(self._choose_victim())

    def status(self) -> dict[str, str]:
        limits = {"ktcapcnt": self._capacity.records, "ktcapsiz": self._capacity.size}
        given = {name: str(limit) for name, limit in limits.items() if limit is not None}
        return super().status() | given

    @abstractmethod
    def _choose_victim(self) -> bytes:
        """Return the key of the record to give up; there are at least two."""


class BoundedHashDatabase(_Bounded, HashDatabase):
    """A hash that gives up the least recently used records."""

    def __init__(self, path: str, type_code: int, capacity: Capacity) -> None:
        self._by_use: OrderedDict[bytes, Stored] = OrderedDict()
        super().__init__(path, type_code, self._by_use)
        self._capacity = capacity

    def read(self, key: bytes) -> Stored | None:
        record = self._by_use.get(key)
        if record is not None:
            self._by_use.move_to_end(key)
        return record

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        if key in self._by_use:
            self._by_use.move_to_end(key)
        super().write(key, value, xt)

    def _choose_victim(self) -> bytes:
        return next(iter(self._by_use))


class BoundedTreeDatabase(_Bounded, TreeDatabase):
    """A tree that gives records up in turn, whatever their age: its order is that of the keys."""

    def __init__(self, path: str, type_code: int, capacity: Capacity) -> None:
        super().__init__(path, type_code)
        self._capacity = capacity
        self._last_victim = b""

    def _choose_victim(self) -> bytes:
        key = self.key_from(self._last_victim, backward=False, past=True)
        self._last_victim = next(self.keys()) if key is None else key
        return self._last_victim
