"""A hash, for the blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kt_cache.containers import hash_operations as operations
from kt_cache.containers.base import BlockingContainer, Container
from kt_cache.containers.place import Key

if TYPE_CHECKING:
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["Hash"]


class Hash(BlockingContainer):
    """A dictionary in one record. Made by ``client.Hash(key)``; needs the script ``kt.lua``.

    Every change reads and writes the whole record on the server, and no other comes in between;
    the record keeps its time to live.

    :param kt: the client.
    :param key: of the record.
    :param encode_values: whether to serialize values; if not they must be bytes, text or numbers.
    :param decode_values: whether to deserialize values; if not they come as bytes.
    :param db: database index; the client's default if ``None``.
    """

    _key_input = b"table_key"

    def __init__(
        self,
        kt: RecordMethods,
        key: Key,
        encode_values: bool = True,
        decode_values: bool = True,
        db: int | None = None,
    ) -> None:
        super().__init__(kt, key, encode_values, decode_values, db)

    def set(self, key: Key, value: Any) -> int:
        """Set a value: 1."""
        return self._run(operations.set_one(self._place, key, value))

    def setnx(self, key: Key, value: Any) -> int:
        """Set a value unless there is one: 1 if it was set, else 0."""
        return self._run(operations.setnx(self._place, key, value))

    def get(self, key: Key) -> Any:
        """Return a value, or ``None`` if there is none."""
        return self._run(operations.get(self._place, key))

    def remove(self, key: Key) -> int:
        """Remove a value: 1 if there was one, else 0."""
        return self._run(operations.remove(self._place, key))

    def contains(self, key: Key) -> bool:
        """Tell whether there is a value."""
        return self._run(operations.contains(self._place, key))

    def length(self) -> int:
        """Return the number of values."""
        return self._run(operations.length(self._place))

    def set_bulk(self, data: Mapping[Any, Any] | None = None, /, **kwargs: Any) -> int:
        """Set many values.

        :param data: key -> value.
        :param kwargs: further values.
        :return: how many. All are set in one step, but for the keys ``db`` and ``table_key``.
        """
        return self._run(operations.set_bulk(self._place, {**kwargs, **(data or {})}))

    def update(self, data: Mapping[Any, Any] | None = None, /, **kwargs: Any) -> int:
        """Set many values; see :meth:`set_bulk`."""
        return self.set_bulk(data, **kwargs)

    def get_bulk(self, keys: Iterable[Key]) -> dict[Any, Any]:
        """Return the values found among ``keys``: key -> value, without the missing ones."""
        return self._run(operations.get_bulk(self._place, keys))

    def remove_bulk(self, keys: Iterable[Key]) -> int:
        """Remove many values: how many there were."""
        return self._run(operations.remove_bulk(self._place, keys))

    def get_all(self) -> dict[Any, Any]:
        """Return all values: key -> value. The server's script is not needed for that."""
        return self._run(operations.get_all(self._place))

    def clear(self) -> None:
        """Remove the record."""
        self._run(self._place.remove())

    def unpack(self, prefix: Key | None = None) -> int:
        """Store each value in a record of its own, which never expires.

        :param prefix: what the records' keys begin with; ``None`` for the hash's key and a colon.
        :return: how many.
        """
        return self._run(operations.unpack(self._place, prefix))

    def pack(
        self, start: Key | None = None, stop: Key | None = None, count: int | None = None
    ) -> int:
        """Set values from records of the database, which should be an ordered one.

        :param start: the first key; ``None`` for the database's first.
        :param stop: the key before which to stop; ``None`` for no end.
        :param count: most records to take.
        :return: how many.
        """
        return self._run(operations.pack(self._place, start, stop, count))

    def pack_keys(self, key: Container | Key) -> int:
        """Replace a list by the hash's keys, unless it has none; they are not serialized.

        :param key: of the list, or the list.
        :return: how many.
        """
        return self._run(operations.pack_into(self._place, "hpackkeys", self._beside(key)))

    def pack_values(self, key: Container | Key) -> int:
        """Replace a list by the hash's values, unless it has none; see :meth:`pack_keys`."""
        return self._run(operations.pack_into(self._place, "hpackvalues", self._beside(key)))

    def get_raw(self) -> dict[Any, Any] | None:
        """Return all values, or ``None`` if there is no record."""
        return self._run(operations.get_raw(self._place))

    def set_raw(self, d: Mapping[Any, Any]) -> int:
        """Replace the record by these values; it never expires then. No script is needed.

        :param d: key -> value.
        :return: 1.
        """
        return self._run(operations.set_raw(self._place, d))

    # ------------------------------------------------------------ as Python's own

    def __len__(self) -> int:
        """Return the number of values."""
        return self.length()

    def __contains__(self, key: Key) -> bool:
        """Tell whether there is a value."""
        return self.contains(key)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the keys there are now."""
        return iter(self.get_all())

    def __getitem__(self, key: Key) -> Any:
        """Return a value, or ``None`` if there is none."""
        return self.get(key)

    def __setitem__(self, key: Key, value: Any) -> None:
        """Set a value."""
        self.set(key, value)

    def __delitem__(self, key: Key) -> None:
        """Remove a value if there is one."""
        self.remove(key)
