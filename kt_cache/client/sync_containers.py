"""The blocking client's containers."""

from __future__ import annotations

from kt_cache.client.dumps import DumpMethods
from kt_cache.client.sync_records import RecordMethods
from kt_cache.containers.hash import Hash
from kt_cache.containers.list import List
from kt_cache.containers.queue import Queue
from kt_cache.containers.schedule import Schedule
from kt_cache.containers.set import Set
from kt_cache.containers.signal_queue import SignalQueue

__all__ = ["ContainerMethods"]

Key = str | bytes


class ContainerMethods(RecordMethods, DumpMethods):
    """Makes containers, which need the script ``kt.lua`` on the server. No call goes out."""

    def Hash(  # noqa: N802 - it is called as the class is
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> Hash:
        """Return the dictionary of that key."""
        return Hash(self, key, encode_values, decode_values, db)

    def List(  # noqa: N802
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> List:
        """Return the list of that key."""
        return List(self, key, encode_values, decode_values, db)

    def Set(  # noqa: N802
        self,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> Set:
        """Return the set of that key."""
        return Set(self, key, encode_values, decode_values, db)

    def Queue(self, key: Key, db: int | None = None) -> Queue:  # noqa: N802
        """Return the queue of that key."""
        return Queue(self, key, db)

    def Schedule(self, key: Key, db: int | None = None) -> Schedule:  # noqa: N802
        """Return the schedule of that key."""
        return Schedule(self, key, db)

    def SignalQueue(  # noqa: N802
        self,
        key: Key,
        signal: Key = "q",
        db: int | None = None,
        wait: float = 10,
        cursor: int | None = None,
    ) -> SignalQueue:
        """Return the queue with signals of that key, which needs no script."""
        return SignalQueue(self, key, signal, db, wait, cursor)
