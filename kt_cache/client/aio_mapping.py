"""The asyncio client's cursors and iteration."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from kt_cache.client.aio_cursor import AsyncCursor
from kt_cache.client.aio_databases import AsyncDatabaseMethods
from kt_cache.client.aio_scripts import AsyncScriptMethods
from kt_cache.protocol.expiry import ExpireTime

__all__ = ["AsyncMappingMethods"]

Key = str | bytes

_cursor_numbers = itertools.count(1)


class AsyncMappingMethods(AsyncScriptMethods, AsyncDatabaseMethods):
    """Iteration with ``async for``, and cursors.

    There is no ``client[key]``: what cannot be awaited cannot be offered here. Iterators give
    their connection back when they come to an end. One that is left early does so as soon as it
    is closed: use ``contextlib.aclosing``.
    """

    def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the keys of the default database."""
        return self.keys()

    async def update(
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
        return await self.set_bulk({**(data or {}), **kwargs}, db, expire_time)

    # ------------------------------------------------------------ one record after the other

    def cursor(
        self,
        db: int | None = None,
        cursor_id: int | None = None,
        decode_values: bool = True,
        encode_values: bool = True,
    ) -> AsyncCursor:
        """Return a cursor, which is nowhere yet.

        :param cursor_id: a number to tell cursors apart by.
        :param decode_values: whether to deserialize values that are read.
        :param encode_values: whether to serialize values that are written.
        """
        number = next(_cursor_numbers) if cursor_id is None else cursor_id
        return AsyncCursor(self, number, db, decode_values, encode_values)

    async def keys(self, db: int | None = None) -> AsyncGenerator[Any, None]:
        """Iterate over the keys, one round trip each. :meth:`match_prefix` is faster."""
        async with self.cursor(db) as cursor:
            await cursor.jump()
            while (key := await cursor.key(step=True)) is not None:
                yield key

    async def values(self, db: int | None = None) -> AsyncGenerator[Any, None]:
        """Iterate over the values, one round trip each."""
        async with aclosing(self.items(db)) as items:
            async for _, value in items:
                yield value

    async def items(self, db: int | None = None) -> AsyncGenerator[tuple[Any, Any], None]:
        """Iterate over ``(key, value)`` pairs, one round trip each."""
        async with self.cursor(db) as cursor:
            await cursor.jump()
            while (found := await cursor.get(step=True)) is not None:
                yield found
