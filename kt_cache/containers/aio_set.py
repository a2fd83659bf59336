"""A set, for the asyncio client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kt_cache.containers import set_operations as operations
from kt_cache.containers.base import AsyncContainer, Container
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.aio_records import AsyncRecordMethods

__all__ = ["AsyncSet"]


class AsyncSet(AsyncContainer):
    """A set in one record. Made by ``client.Set(key)``; needs the script ``kt.lua``.

    Values are the same if the serializer makes the same bytes of them. Every change reads and
    writes the whole record on the server, and no other comes in between; the record keeps its time
    to live.

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

    async def add(self, *values: Any) -> int:
        """Add values: how many are new."""
        return await self.add_bulk(values)

    async def add_bulk(self, values: Iterable[Any]) -> int:
        """Add values: how many are new."""
        return await self._run(operations.add_bulk(self._place, values))

    async def remove(self, *values: Any) -> int:
        """Remove values: how many there were."""
        return await self.remove_bulk(values)

    async def remove_bulk(self, values: Iterable[Any]) -> int:
        """Remove values: how many there were."""
        return await self._run(operations.remove_bulk(self._place, values))

    async def pop(self) -> Any:
        """Remove any value and return it, or ``None`` if the set is empty."""
        return await self._run(operations.pop(self._place))

    async def contains(self, value: Any) -> bool:
        """Tell whether a value is in the set."""
        return await self._run(operations.contains(self._place, value))

    async def count(self) -> int:
        """Return the number of values."""
        return await self._run(operations.count(self._place))

    async def members(self) -> set[Any]:
        """Return all values. The server's script is not needed for that."""
        return await self._run(operations.members(self._place))

    async def clear(self) -> None:
        """Remove the record."""
        await self._run(self._place.remove())

    async def intersection(
        self, other: Container | Key, dest: Container | Key | None = None
    ) -> set[Any]:
        """Return the values that are in both sets.

        :param other: the other set, or its key; in the same database.
        :param dest: the set to replace by the result, or its key.
        """
        return await self._combine("sinter", other, dest)

    async def union(self, other: Container | Key, dest: Container | Key | None = None) -> set[Any]:
        """Return the values that are in either set; see :meth:`intersection`."""
        return await self._combine("sunion", other, dest)

    async def difference(
        self, other: Container | Key, dest: Container | Key | None = None
    ) -> set[Any]:
        """Return the values that are not in the other set; see :meth:`intersection`."""
        return await self._combine("sdiff", other, dest)

    async def _combine(
        self, function: str, other: Container | Key, dest: Container | Key | None
    ) -> set[Any]:
        to = None if dest is None else self._beside(dest)
        return await self._run(operations.combine(self._place, function, self._beside(other), to))
