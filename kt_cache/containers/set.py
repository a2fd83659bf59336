"""A set, for the blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kt_cache.containers import set_operations as operations
from kt_cache.containers.base import BlockingContainer, Container
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["Set"]


class Set(BlockingContainer):
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
        kt: RecordMethods,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> None:
        super().__init__(kt, key, encode_values, decode_values, db)

    def add(self, *values: Any) -> int:
        """Add values: how many are new."""
        return self.add_bulk(values)

    def add_bulk(self, values: Iterable[Any]) -> int:
        """Add values: how many are new."""
        return self._run(operations.add_bulk(self._place, values))

    def remove(self, *values: Any) -> int:
        """Remove values: how many there were."""
        return self.remove_bulk(values)

    def remove_bulk(self, values: Iterable[Any]) -> int:
        """Remove values: how many there were."""
        return self._run(operations.remove_bulk(self._place, values))

    def pop(self) -> Any:
        """Remove any value and return it, or ``None`` if the set is empty."""
        return self._run(operations.pop(self._place))

    def contains(self, value: Any) -> bool:
        """Tell whether a value is in the set."""
        return self._run(operations.contains(self._place, value))

    def count(self) -> int:
        """Return the number of values."""
        return self._run(operations.count(self._place))

    def members(self) -> set[Any]:
        """Return all values. The server's script is not needed for that."""
        return self._run(operations.members(self._place))

    def clear(self) -> None:
        """Remove the record."""
        self._run(self._place.remove())

    def intersection(self, other: Container | Key, dest: Container | Key | None = None) -> set[Any]:
        """Return the values that are in both sets.

        :param other: the other set, or its key; in the same database.
        :param dest: the set to replace by the result, or its key.
        """
        return self._combine("sinter", other, dest)

    def union(self, other: Container | Key, dest: Container | Key | None = None) -> set[Any]:
        """Return the values that are in either set; see :meth:`intersection`."""
        return self._combine("sunion", other, dest)

    def difference(self, other: Container | Key, dest: Container | Key | None = None) -> set[Any]:
        """Return the values that are not in the other set; see :meth:`intersection`."""
        return self._combine("sdiff", other, dest)

    def _combine(
        self, function: str, other: Container | Key, dest: Container | Key | None
    ) -> set[Any]:
        to = None if dest is None else self._beside(dest)
        return self._run(operations.combine(self._place, function, self._beside(other), to))

    # ------------------------------------------------------------ as Python's own

    def __len__(self) -> int:
        """Return the number of values."""
        return self.count()

    def __contains__(self, value: Any) -> bool:
        """Tell whether a value is in the set."""
        return self.contains(value)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the values there are now."""
        return iter(self.members())

    def __delitem__(self, value: Any) -> None:
        """Remove a value if it is there."""
        self.remove(value)

    def __and__(self, other: Container | Key) -> set[Any]:
        """Return the values that are in both sets."""
        return self.intersection(other)

    def __or__(self, other: Container | Key) -> set[Any]:
        """Return the values that are in either set."""
        return self.union(other)

    def __sub__(self, other: Container | Key) -> set[Any]:
        """Return the values that are not in the other set."""
        return self.difference(other)
