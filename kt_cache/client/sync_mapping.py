"""The blocking client as a mapping, its cursors, and the names that earlier clients use."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from kt_cache.client.cursor import Cursor
from kt_cache.client.sync_databases import DatabaseMethods
from kt_cache.client.sync_scripts import ScriptMethods
from kt_cache.protocol.expiry import ExpireTime

__all__ = ["MappingMethods"]

Key = str | bytes

_cursor_numbers = itertools.count(1)


class MappingMethods(ScriptMethods, DatabaseMethods):
    """``client[key]``, iteration, and cursors.

    ``client[key, db]`` names a database, ``client[key] = value, expire_time`` a time: a tuple to
    be stored as such goes through :meth:`set`. A missing record is ``None``, not an error.
    """

    def __getitem__(self, key_or_keydb: Any) -> Any:
        """Return a record's value, or ``None`` if there is no record."""
        key, db = self._key_and_db(key_or_keydb)
        return self.get(key, db)

    def __setitem__(self, key_or_keydb: Any, value_or_valueexpire: Any) -> None:
        """Store a record: a value, or ``(value, expire_time)``."""
        key, db = self._key_and_db(key_or_keydb)
        value, expire_time = self._value_and_time(value_or_valueexpire)
        self.set(key, value, db, expire_time)

    def __delitem__(self, key_or_keydb: Any) -> None:
        """Remove a record if there is one."""
        key, db = self._key_and_db(key_or_keydb)
        self.remove(key, db)

    def __contains__(self, key_or_keydb: Any) -> bool:
        """Tell whether there is a record."""
        key, db = self._key_and_db(key_or_keydb)
        return self.exists(key, db)

    def __len__(self) -> int:
        """Return the number of records in the default database."""
        return self.count()

    def __bool__(self) -> bool:
        """A client is never false, however empty its database."""
        return True

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the keys of the default database."""
        return self.keys()

    def update(
        self,
        data: Mapping[Any, Any] | None = None,
        /,
        db: int | None = None,
        expire_time: ExpireTime = None,
        **kwargs: Any,
    ) -> int | None:
        """Store many records, as :meth:`set_bulk`.

        :param data: key -> value.
        :param kwargs: further records.
        """
        return self.set_bulk({**(data or {}), **kwargs}, db, expire_time)

    # ------------------------------------------------------------ one record after the other

    def cursor(
        self,
        db: int | None = None,
        cursor_id: int | None = None,
        decode_values: bool = True,
        encode_values: bool = True,
    ) -> Cursor:
        """Return a cursor, which is nowhere yet.

        :param cursor_id: a number to tell cursors apart by.
        :param decode_values: whether to deserialize values that are read.
        :param encode_values: whether to serialize values that are written.
        """
        number = next(_cursor_numbers) if cursor_id is None else cursor_id
        return Cursor(self, number, db, decode_values, encode_values)

    # A generator that is left early may be ended by the garbage collector, at any moment and in any
    # thread. So it only drops its cursor then: closing one would talk to the server and the pool.

    def keys(self, db: int | None = None) -> Iterator[Any]:
        """Iterate over the keys, one round trip each. :meth:`match_prefix` is faster."""
        cursor = self.cursor(db)
        cursor.jump()
        while (key := cursor.key(step=True)) is not None:
            yield key

    def values(self, db: int | None = None) -> Iterator[Any]:
        """Iterate over the values, one round trip each."""
        return (value for _, value in self.items(db))

    def items(self, db: int | None = None) -> Iterator[tuple[Any, Any]]:
        """Iterate over ``(key, value)`` pairs, one round trip each."""
        cursor = self.cursor(db)
        cursor.jump()
        while (found := cursor.get(step=True)) is not None:
            yield found
