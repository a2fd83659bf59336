"""Databases in memory: a hash without order, and a tree ordered by key.

They hold their records in one dictionary and are lost with the process. They belong to one thread.
"""
# ruff: noqa: D102 - Database describes the methods

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from kt_cache.errors import NotSupported
from kt_cache.protocol.expiry import NEVER
from kt_cache.storage.database import Database, Stored
from kt_cache.storage.expiring import ExpiryIndex

__all__ = ["Capacity", "HashDatabase", "TreeDatabase"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a database in memory may hold; ``None`` is no limit.

    :param records: records, dead ones included.
    :param size: bytes of keys and values together.
    """

    records: int | None = None
    size: int | None = None

    def __bool__(self) -> bool:
        return self.records is not None or self.size is not None

    def is_exceeded(self, records: int, size: int) -> bool:
        """Tell whether that is too much. One record is never too much, however big."""
        too_many = self.records is not None and records > self.records
        too_big = self.size is not None and size > self.size
        return records > 1 and (too_many or too_big)


NO_LIMIT = Capacity()


class _MemoryDatabase(Database):
    """What both kinds share: records in a mapping, and an index of those that expire."""

    def __init__(
        self,
        path: str,
        type_code: int,
        records: MutableMapping[bytes, Stored],
        capacity: Capacity,
    ) -> None:
        super().__init__(path, type_code)
        self._records = records
        self._expiring = ExpiryIndex()
        self._size = 0
        self._capacity = capacity

    def read(self, key: bytes) -> Stored | None:
        return self._records.get(key)

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        records = self._records
        old = records.get(key)
        if old is None:
            self._size += len(key) + len(value)
            old_xt = NEVER
        else:
            self._size += len(value) - len(old[0])
            old_xt = old[1]
        if xt != old_xt:
            self._expiring.move(key, old_xt, xt)
        records[key] = (value, xt)
        if self._capacity:
            self._make_room()

    def delete(self, key: bytes) -> None:
        record = self._records.pop(key, None)
        if record is None:
            return
        self._size -= len(key) + len(record[0])
        if record[1] != NEVER:
            self._expiring.move(key, record[1], NEVER)

    def wipe(self) -> None:
        self._records.clear()
        self._expiring.clear()
        self._size = 0

    def sweep(self, now: int, limit: int) -> int:
        swept = 0
        while swept < limit:
            keys = self._expiring.due(now, limit - swept)
            if not keys:
                break
            for key in keys:
                self.delete(key)
            swept += len(keys)
        return swept

    def count(self) -> int:
        return len(self._records)

    def size(self) -> int:
        return self._size

    def status(self) -> dict[str, str]:
        limits = {"ktcapcnt": self._capacity.records, "ktcapsiz": self._capacity.size}
        given = {name: str(limit) for name, limit in limits.items() if limit is not None}
        return super().status() | given

    def synchronize(self, *, hard: bool) -> None:
        """Do nothing: there is no disk to bring anything to."""

    def close(self) -> None:
        self.wipe()

    def _make_room(self) -> None:
        while self._capacity.is_exceeded(len(self._records), self._size):
            self.delete(self._victim())

    @abstractmethod
    def _victim(self) -> bytes:
        """Return the key of the record to give up next; there is at least one."""


class HashDatabase(_MemoryDatabase):
    """Records without order. Beyond its capacity, the least recently used ones go."""

    def __init__(
        self, path: str = "*", type_code: int = 32, *, capacity: Capacity = NO_LIMIT
    ) -> None:
        self._by_use: OrderedDict[bytes, Stored] | None = OrderedDict() if capacity else None
        records = {} if self._by_use is None else self._by_use
        super().__init__(path, type_code, records, capacity)

    def read(self, key: bytes) -> Stored | None:
        record = self._records.get(key)
        if self._by_use is not None and record is not None:
            self._by_use.move_to_end(key)
        return record

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        if self._by_use is not None and key in self._by_use:
            self._by_use.move_to_end(key)
        super().write(key, value, xt)

    def keys(self, start: bytes = b"") -> Iterator[bytes]:  # noqa: ARG002 - there is no order
        return iter(self._records)

    def _victim(self) -> bytes:
        return next(iter(self._records))


class TreeDatabase(_MemoryDatabase):
    """Records ordered by key. Beyond its capacity, records go in turn, whatever their age."""

    ordered = True

    def __init__(
        self, path: str = "%", type_code: int = 33, *, capacity: Capacity = NO_LIMIT
    ) -> None:
        self._sorted: Any = _sorted_dict()
        self._hand = b""
        super().__init__(path, type_code, self._sorted, capacity)

    def keys(self, start: bytes = b"") -> Iterator[bytes]:
        keys: Iterator[bytes] = self._sorted.irange(start)
        return keys

    def key_from(self, key: bytes | None, *, backward: bool, past: bool) -> bytes | None:
        if backward:
            keys = self._sorted.irange(None, key, (True, not past), reverse=True)
        else:
            keys = self._sorted.irange(key, None, (not past, True))
        return next(keys, None)

    def _victim(self) -> bytes:
        key = self.key_from(self._hand, backward=False, past=True)
        self._hand = key if key is not None else next(self.keys())
        return self._hand


def _sorted_dict() -> Any:
    try:
        from sortedcontainers import SortedDict  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise NotSupported(
            "a tree database needs the package sortedcontainers: pip install 'kt-cache[server]'"
        ) from error
    return SortedDict()
