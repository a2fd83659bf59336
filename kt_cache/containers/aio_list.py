"""A list, for the asyncio client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kt_cache.containers import list_operations as operations
from kt_cache.containers.base import AsyncContainer, Container
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.aio_records import AsyncRecordMethods

__all__ = ["AsyncList"]


class AsyncList(AsyncContainer):
    """A list in one record. Made by ``client.List(key)``; needs the script ``kt.lua``.

    Every change reads and writes the whole record on the server, and no other comes in between;
    the record keeps its time to live. Indexes may be negative. A range includes ``start`` but not
    ``stop``; unlike in Python it is empty if ``start`` lies before the list's beginning.

    :param kt: the client.
    :param key: of the record.
    :param encode_values: whether to serialize values; if not they must be bytes, text or numbers.
    :param decode_values: whether to deserialize values; if not they come as bytes.
    :param db: database index; the client's default if ``None``.
    """

    def __init__(
        self,
        kt: AsyncRecordMethods,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> None:
        super().__init__(kt, key, encode_values, decode_values, db)

    async def append(self, value: Any) -> int:
        """Add a value at the end: the new length."""
        return await self._run(operations.push(self._place, "lrpush", value))

    async def appendright(self, value: Any) -> int:
        """Add a value at the end: the new length."""
        return await self.append(value)

    async def appendleft(self, value: Any) -> int:
        """Add a value at the beginning: the new length."""
        return await self._run(operations.push(self._place, "llpush", value))

    async def extend(self, values: Iterable[Any]) -> int:
        """Add values at the end: the new length."""
        return await self._run(operations.extend(self._place, values))

    async def insert(self, index: int, value: Any) -> int:
        """Put a value before another.

        :param index: of the other; 0 or -1 in an empty list.
        :return: the new length.
        :raises IndexError: if there is no such index.
        """
        return await self._run(operations.insert(self._place, index, value))

    async def index(self, index: int) -> Any:
        """Return a value.

        :raises IndexError: if there is no such index.
        """
        return await self._run(operations.index(self._place, index))

    async def set(self, index: int, value: Any) -> None:
        """Replace a value.

        :raises IndexError: if there is no such index.
        """
        await self._run(operations.set_one(self._place, index, value))

    async def get_range(self, start: int | None = None, stop: int | None = None) -> list[Any]:
        """Return the values of a range, by default all."""
        return await self._run(operations.get_range(self._place, start, stop))

    async def remove(self, index: int) -> Any:
        """Remove a value and return it.

        :raises IndexError: if there is no such index.
        """
        return await self._run(operations.remove(self._place, index))

    async def remove_range(self, start: int | None = None, stop: int | None = None) -> int:
        """Remove the values of a range, by default all.

        :return: the new length.
        :raises ServerError: if the list has no such indexes.
        """
        return await self._run(operations.remove_range(self._place, start, stop))

    async def popleft(self) -> Any:
        """Remove the first value and return it, or ``None`` if the list is empty."""
        return await self._run(operations.pop_end(self._place, "llpop"))

    async def popright(self) -> Any:
        """Remove the last value and return it, or ``None`` if the list is empty."""
        return await self._run(operations.pop_end(self._place, "lrpop"))

    async def pop(self, index: int | None = None) -> Any:
        """Remove a value, by default the last, and return it, or ``None`` if there is none."""
        return await self._run(operations.pop_index(self._place, index))

    async def lpoprpush(self, dest: Container | Key | None = None) -> Any:
        """Move the first value to another list's end, and return it.

        :param dest: the other list, or its key; ``None`` for this one, which is turned then.
        :raises IndexError: if the list is empty.
        """
        return await self._run(operations.move(self._place, "llpoprpush", self._dest(dest)))

    async def rpoplpush(self, dest: Container | Key | None = None) -> Any:
        """Move the last value to another list's beginning; see :meth:`lpoprpush`."""
        return await self._run(operations.move(self._place, "lrpoplpush", self._dest(dest)))

    def _dest(self, dest: Container | Key | None) -> bytes:
        return self._beside(self if dest is None else dest)

    async def length(self) -> int:
        """Return the number of values."""
        return await self._run(operations.length(self._place))

    async def find(self, value: Any) -> int | None:
        """Return the first index of a value, or ``None`` if it is not there."""
        return await self._run(operations.find(self._place, "lfind", value))

    async def rfind(self, value: Any) -> int | None:
        """Return the last index of a value, or ``None`` if it is not there."""
        return await self._run(operations.find(self._place, "lrfind", value))

    async def clear(self) -> None:
        """Remove the record."""
        await self._run(self._place.remove())

    async def unpack(
        self,
        start: int | None = None,
        stop: int | None = None,
        prefix: Key | None = None,
        fmt: str | None = None,
    ) -> int:
        """Store each value of a range in a record of its own, which never expires.

        :param prefix: what the records' keys begin with; ``None`` for the list's key and a colon.
        :param fmt: for the number with which they end, from 0 on; ``None`` is ``%04d``.
        :return: how many.
        """
        return await self._run(operations.unpack(self._place, start, stop, prefix, fmt))

    async def pack(
        self, start: Key | None = None, stop: Key | None = None, count: int | None = None
    ) -> int:
        """Add the values of records of the database, which should be an ordered one, at the end.

        :param start: the first key; ``None`` for the database's first.
        :param stop: the key before which to stop; ``None`` for no end.
        :param count: most records to take.
        :return: how many.
        """
        return await self._run(operations.pack(self._place, start, stop, count))

    async def get_raw(self) -> list[Any] | None:
        """Return all values, or ``None`` if there is no record. No script is needed for that."""
        return await self._run(operations.get_raw(self._place))

    async def set_raw(self, l: Iterable[Any]) -> int:  # noqa: E741 - the earlier client's name
        """Replace the record by these values; it never expires then. No script is needed.

        :param l: the values.
        :return: 1.
        """
        return await self._run(operations.set_raw(self._place, l))
