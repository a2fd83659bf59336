"""A queue with priorities, for the blocking client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kt_cache.containers import queue_operations as operations
from kt_cache.containers.base import BlockingContainer, Container
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["Queue"]


class Queue(BlockingContainer):
    """Items in the order of their scores, the highest first, and of their arrival.

    Made by ``client.Queue(key)``. Needs the script ``kt.lua`` and an ordered database (``%``,
    ``*.kct``, ``*.sqlite``), where every item is a record whose key begins with the queue's.
    Any number of clients may add and take items at the same time; each item is taken once.

    Where an argument ``n`` says how many items are wanted, -1 means all. Where ``min_score`` is
    given, only items of that score and above count.

    :param client: the client.
    :param key: the queue's.
    :param db: database index; the client's default if ``None``.
    """

    _key_input = b"queue"

    def __init__(self, client: RecordMethods, key: Key, db: int | None = None) -> None:
        super().__init__(client, key, True, True, db)

    def add(self, item: Any, score: float | None = None) -> int:
        """Add an item.

        :param score: its priority, a whole number; ``None`` is 0.
        :return: its number; they rise from 1 on.
        :raises ConfigError: if the score is not from -499999999999 to 500000000000.
        """
        return self._run(operations.add(self._place, item, score))

    def extend(self, items: Iterable[Any], score: float | None = None) -> int:
        """Add items with the same score; see :meth:`add`.

        :return: how many.
        """
        return self._run(operations.extend(self._place, items, score))

    def pop(self, n: int = 1, min_score: float | None = None) -> Any:
        """Remove the first items and return them.

        :return: for ``n=1`` the item, or ``None`` if there is none; else a list.
        """
        return self._run(operations.take(self._place, "queue_pop", n, min_score))

    def rpop(self, n: int = 1, min_score: float | None = None) -> Any:
        """Remove the last items and return them, the last first; see :meth:`pop`."""
        return self._run(operations.take(self._place, "queue_rpop", n, min_score))

    def bpop(self, timeout: float | None = None, min_score: float | None = None) -> Any:
        """Remove the first item and return it; wait for one if there is none.

        A thread of the server waits as well: it needs more of them (``-th``) than there are
        clients waiting.

        :param timeout: most seconds to wait; ``None`` for no end.
        :return: the item, or ``None`` when the time is over.
        """
        return self._wait(operations.bpop(self._place, timeout, min_score))

    def peek(self, n: int = 1, min_score: float | None = None) -> Any:
        """Return the first items, which stay; see :meth:`pop`."""
        return self._run(operations.look(self._place, "queue_peek", n, min_score))

    def rpeek(self, n: int = 1, min_score: float | None = None) -> Any:
        """Return the last items, which stay, the last first; see :meth:`pop`."""
        return self._run(operations.look(self._place, "queue_rpeek", n, min_score))

    def count(self) -> int:
        """Return the number of items."""
        return self._run(operations.count(self._place))

    def remove(self, data: Any, n: int | None = None, min_score: float | None = None) -> int:
        """Remove items that are equal to one, from the first on.

        :param data: the item.
        :param n: most to remove; ``None`` for all.
        :return: how many were removed.
        """
        return self._run(operations.remove(self._place, "queue_remove", data, n, min_score))

    def rremove(self, data: Any, n: int | None = None, min_score: float | None = None) -> int:
        """Remove items that are equal to one, from the last on; see :meth:`remove`."""
        return self._run(operations.remove(self._place, "queue_rremove", data, n, min_score))

    def transfer(self, dest: Container | Key, n: int = 1) -> Any:
        """Move the first items to another queue, where they keep their scores, and return them.

        :param dest: the other queue, or its key; in the same database.
        :return: as for :meth:`pop`.
        :raises ConfigError: if it is this queue.
        """
        return self._run(operations.transfer(self._place, self._beside(dest), n))

    def set_priority(self, data: Any, score: float, n: int | None = None) -> int:
        """Give items that are equal to one another score.

        :param data: the item.
        :param score: as for :meth:`add`.
        :param n: most to change; ``None`` for all.
        :return: how many had another score before.
        """
        return self._run(operations.set_priority(self._place, data, score, n))

    def clear(self) -> int:
        """Remove all items, and begin to number them anew: how many there were."""
        return self._run(operations.clear(self._place))

    def __len__(self) -> int:
        """Return the number of items."""
        return self.count()
