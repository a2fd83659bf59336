"""A schedule, for the blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kt_cache.containers import queue_operations as operations
from kt_cache.containers.base import BlockingContainer
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["Schedule"]


class Schedule(BlockingContainer):
    """Items in the order of their scores, the lowest first; a score is the time they are due.

    Made by ``client.Schedule(key)``. Needs the script ``kt.lua`` and an ordered database (``%``,
    ``*.kct``, ``*.sqlite``), where every item is a record whose key begins with the schedule's.
    Any number of clients may add and read items at the same time; each item is read once.

    :param client: the client.
    :param key: the schedule's.
    :param db: database index; the client's default if ``None``.
    """

    def __init__(self, client: RecordMethods, key: Key, db: int | None = None) -> None:
        super().__init__(client, key, True, True, db)

    def add(self, item: Any, score: float = 0) -> bytes:
        """Add an item.

        :param score: a whole number such as a Unix time. Negative ones come in no order.
        :return: the key of its record.
        :raises ConfigError: if the score has more than twelve digits (eleven, if it is negative).
        """
        return self._run(operations.schedule(self._place, item, score))

    def read(self, score: float | None = None, n: int | None = None) -> list[Any]:
        """Remove the items that are due and return them.

        :param score: the highest score wanted, such as the time now; ``None`` for all.
        :param n: most items to read; ``None`` for all.
        """
        return self._run(operations.read_schedule(self._place, score, n))

    def items(self, n: int | None = None) -> list[Any]:
        """Return items, which stay. The server's script is not needed for that.

        :param n: most items to return; ``None`` for all.
        """
        return self._run(operations.peek_scheduled(self._place, n))

    def count(self) -> int:
        """Return the number of items. The server's script is not needed for that."""
        return self._run(operations.count_scheduled(self._place))

    def clear(self) -> int:
        """Remove all items, and begin to number them anew.

        :return: how many records were removed: one for each item, and one for the numbers.
        """
        return self._run(operations.clear_schedule(self._place))

    def __len__(self) -> int:
        """Return the number of items."""
        return self.count()
