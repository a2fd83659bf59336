"""A queue with signals, for the blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kt_cache.containers import signal_queue_operations as operations
from kt_cache.containers.base import BlockingContainer
from kt_cache.containers.place import Key
from kt_cache.protocol.expiry import ExpireTime, to_wire

if TYPE_CHECKING:
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["SignalQueue"]


class SignalQueue(BlockingContainer):
    """Items in the order of their arrival; a signal of the server wakes those who wait for one.

    Made by ``client.SignalQueue(key)``. Needs an ordered database (``%``, ``*.kct``,
    ``*.sqlite``), but no script. Every item is a record; its key begins with the queue's and tells
    when it came, by its producer's clock. Any number of clients may produce and consume at the
    same time; each item is consumed once.

    :param client: the client.
    :param key: the queue's.
    :param signal: the signal's name.
    :param db: database index; the client's default if ``None``.
    :param wait: seconds for which :meth:`consume` waits unless it is told otherwise.
    :param cursor: not used; earlier clients needed a number here.
    """

    def __init__(
        self,
        client: RecordMethods,
        key: Key,
        signal: Key = "q",
        db: int | None = None,
        wait: float = 10,
        cursor: int | None = None,
    ) -> None:
        super().__init__(client, key, True, True, db)
        self.signal = signal
        self.wait = wait
        self.cursor_id = cursor

    def produce(
        self, value: Any, expire_time: ExpireTime = None, encode_value: bool = True
    ) -> tuple[bool, int]:
        """Add an item.

        :param expire_time: as for the client's ``set``.
        :param encode_value: whether to serialize the value; it is deserialized in any case.
        :return: ``True``, and how many consumers were waiting.
        """
        data = self.kt._encoded(self.key, value, encode_value)
        operation = operations.produce(self._place, self.signal, data, to_wire(expire_time))
        return self._run(operation)

    def consume(self, wait: float | None = None) -> Any:
        """Remove the oldest item and return it; wait for one if there is none.

        A thread of the server waits as well: it needs more of them (``-th``) than there are
        consumers.

        :param wait: most seconds to wait; ``None`` for those of the queue.
        :return: the item, or ``None`` when the time is over.
        """
        seconds = self.wait if wait is None else wait
        return self._wait(operations.consume(self._place, self.signal, seconds))

    def flush(self) -> int:
        """Remove all items: how many there were."""
        return self._run(operations.flush(self._place))
