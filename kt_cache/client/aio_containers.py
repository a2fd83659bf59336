"""The asyncio client's containers."""

from __future__ import annotations

from kt_cache.client.aio_records import AsyncRecordMethods
from kt_cache.client.dumps import DumpMethods
from kt_cache.containers.aio_hash import AsyncHash
from kt_cache.containers.aio_list import AsyncList
from kt_cache.containers.aio_queue import AsyncQueue
from kt_cache.containers.aio_schedule import AsyncSchedule
from kt_cache.containers.aio_set import AsyncSet
from kt_cache.containers.aio_signal_queue import AsyncSignalQueue

__all__ = ["AsyncContainerMethods"]

Key = str | bytes


class AsyncContainerMethods(AsyncRecordMethods, DumpMethods):
    """Makes containers, which need the script ``kt.lua`` on the server. No call goes out."""

    def Hash(  # noqa: N802 - it is called as the class is
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> AsyncHash:
        """Return the dictionary of that key."""
        return AsyncHash(self, key, encode_values, decode_values, db)

    def List(  # noqa: N802
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> AsyncList:
        """Return the list of that key."""
        return AsyncList(self, key, encode_values, decode_values, db)

    def Set(  # noqa: N802
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> AsyncSet:
        """Return the set of that key."""
        return AsyncSet(self, key, encode_values, decode_values, db)

    def Queue(self, key: Key, db: int | None = None) -> AsyncQueue:  # noqa: N802
        """Return the queue of that key."""
        return AsyncQueue(self, key, db)

    def Schedule(self, key: Key, db: int | None = None) -> AsyncSchedule:  # noqa: N802
        """Return the schedule of that key."""
        return AsyncSchedule(self, key, db)

    def SignalQueue(  # noqa: N802
        self,
        key: Key,
        signal: Key = "q",
        db: int | None = None,
        wait: float = 10,
        cursor: int | None = None,
    ) -> AsyncSignalQueue:
        """Return the queue with signals of that key, which needs no script."""
        return AsyncSignalQueue(self, key, signal, db, wait, cursor)
