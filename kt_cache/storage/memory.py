"""Databases in memory: a hash without order, and a tree ordered by key.

They hold their records in one dictionary and are lost with the process. They belong to one thread.
"""
# ruff: noqa: D102 - Database describes the methods

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from kt_cache.errors import NotSupported
from kt_cache.protocol.expiry import NEVER
from kt_cache.storage.database import Database, Stored
from kt_cache.storage.expiring import ExpiryIndex

__all__ = ["HashDatabase", "MemoryDatabase", "TreeDatabase"]


class MemoryDatabase(Database):
    """What both kinds share: records in a mapping, and an index of those that expire."""

    def __init__(self, path: str, type_code: int, records: MutableMapping[bytes, Stored]) -> None:
        super().__init__(path, type_code)
        self._records = records
        self._expiring = ExpiryIndex()
        self._size = 0
        self._before: dict[bytes, Stored | None] | None = None  # the transaction, if there is one

    def transaction(self) -> AbstractContextManager[object]:
        return self._undo_on_error()

    @contextmanager
    def _undo_on_error(self) -> Iterator[None]:
        if self._before is not None:  # the outer one undoes all
            yield
            return
        before: dict[bytes, Stored | None] = {}
        self._before = before
        try:
            yield
        except BaseException:
            self._before = None
            for key, record in before.items():
                if record is None:
                    self.delete(key)
                else:
                    self.write(key, *record)
            raise
        finally:
            self._before = None

    def read(self, key: bytes) -> Stored | None:
        return self._records.get(key)

    def write(self, key: bytes, value: bytes, xt: int) -> None:
        old = self._records.get(key)
        if self._before is not None:
            self._before.setdefault(key, old)
        if old is None:
            self._size += len(key) + len(value)
            old_xt = NEVER
        else:
            self._size += len(value) - len(old[0])
            old_xt = old[1]
        if xt != old_xt:
            self._expiring.move(key, old_xt, xt)
        self._records[key] = (value, xt)

    def delete(self, key: bytes) -> None:
        record = self._records.pop(key, None)
        if record is None:
            return
        if self._before is not None:
            self._before.setdefault(key, record)
        self._size -= len(key) + len(record[0])
        if record[1] != NEVER:
            self._expiring.move(key, record[1], NEVER)

    def wipe(self) -> None:
        if self._before is not None:
            self._before.update({**self._records, **self._before})
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

    def synchronize(self, *, hard: bool) -> None:
        """Do nothing: there is no disk to bring anything to."""

    def close(self) -> None:
        self.wipe()


class HashDatabase(MemoryDatabase):
    """Records without order."""

    def __init__(
        self,
        path: str = "*",
        type_code: int = 32,
        records: MutableMapping[bytes, Stored] | None = None,
    ) -> None:
        super().__init__(path, type_code, {} if records is None else records)

    def keys(self, start: bytes = b"") -> Iterator[bytes]:  # noqa: ARG002 - there is no order
        return iter(self._records)


class TreeDatabase(MemoryDatabase):
    """Records ordered by key.

    :raises NotSupported: without the package sortedcontainers.
    """

    ordered = True

    def __init__(self, path: str = "%", type_code: int = 33) -> None:
        self._sorted: Any = _sorted_dict()
        super().__init__(path, type_code, self._sorted)

    def keys(self, start: bytes = b"") -> Iterator[bytes]:
        keys: Iterator[bytes] = self._sorted.irange(start)
        return keys

    def key_from(self, key: bytes | None, *, backward: bool, past: bool) -> bytes | None:
        if backward:
            keys = self._sorted.irange(None, key, (True, not past), reverse=True)
        else:
            keys = self._sorted.irange(key, None, (not past, True))
        return next(keys, None)


def _sorted_dict() -> Any:
    try:
        from sortedcontainers import SortedDict  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise NotSupported(
            "a tree database needs the package sortedcontainers: "
            "install kt-cache with the extra [server]"
        ) from error
    return SortedDict()
