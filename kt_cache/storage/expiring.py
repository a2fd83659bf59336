"""Which records are due to expire, found without looking at those that are not."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import islice

from kt_cache.protocol.expiry import NEVER, is_dead

__all__ = ["ExpiryIndex"]

_SLACK = 64  # stale seconds tolerated before the heap is rebuilt


class ExpiryIndex:
    """Keys grouped by the second in which their records expire.

    Adding and forgetting a key take constant time; the heap holds seconds, not keys, and a second
    whose keys were all forgotten is dropped from it in bulk, so memory follows the number of
    records that expire.
    """

    __slots__ = ("_by_second", "_seconds")

    def __init__(self) -> None:
        self._by_second: dict[int, set[bytes]] = {}
        self._seconds: list[int] = []  # a heap; may name seconds that are empty by now

    def move(self, key: bytes, old: int, new: int) -> None:
        """Note that a record's time changes; :data:`NEVER` stands for "no record" as well."""
        if old != NEVER:
            self._forget(key, old)
        if new != NEVER:
            keys = self._by_second.get(new)
            if keys is None:
                keys = self._by_second[new] = set()
                heappush(self._seconds, new)
            keys.add(key)

    def _forget(self, key: bytes, second: int) -> None:
        keys = self._by_second[second]
        keys.remove(key)
        if keys:
            return
        del self._by_second[second]
        if len(self._seconds) > 2 * len(self._by_second) + _SLACK:
            self._seconds = list(self._by_second)
            heapify(self._seconds)

    def due(self, now: int, limit: int) -> list[bytes]:
        """Return keys of dead records, the longest dead first.

        They are those of one second, at most ``limit`` of them; none means that nothing is dead.
        """
        seconds = self._seconds
        while seconds and is_dead(seconds[0], now):
            keys = self._by_second.get(seconds[0])
            if keys:
                return list(islice(keys, limit))
            heappop(seconds)
        return []

    def clear(self) -> None:
        """Forget everything."""
        self._by_second.clear()
        self._seconds.clear()
