"""The asyncio client's methods on records that go over the binary protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kt_cache.client import records
from kt_cache.client.aio_executor import AsyncExecutor
from kt_cache.client.base import ClientBase, as_bytes
from kt_cache.errors import KTError
from kt_cache.protocol.expiry import NEVER_GIVEN, ExpireTime, to_wire
from kt_cache.serializers import encode_key

__all__ = ["AsyncRecordMethods"]

Key = str | bytes


class AsyncRecordMethods(ClientBase):
    """Get, set and remove one or many records. One round trip each.

    All of them raise :class:`~kt_cache.errors.TransportError` (timeouts included) when the server
    cannot be reached or does not answer, and :class:`~kt_cache.errors.ServerError` when it refuses.
    """

    _executor: AsyncExecutor

    async def get(self, key: Key, db: int | None = None, decode_value: bool = True) -> Any:
        """Return a record's value, or ``None`` if there is no record.

        :param key: ``str`` (sent as UTF-8) or bytes.
        :param db: database index.
        :param decode_value: whether to deserialize the value.
        :raises DecodeError: if the stored bytes are not what the serializer writes.
        """
        index = self.default_db if db is None else db
        found = await self._executor.run(records.get(index, encode_key(key)))
        if found is None:
            return None
        value, _ = found
        if not decode_value:
            return value
        decode = self.decode_value  # as _decoded does, without one more call
        try:
            return decode(value)
        except KTError as error:
            error.add_context(key=key)
            raise

    async def get_bytes(self, key: Key, db: int | None = None) -> bytes | None:
        """Return a record's value as the bytes stored, or ``None`` if there is no record."""
        index = self.default_db if db is None else db
        found = await self._executor.run(records.get(index, encode_key(key)))
        return None if found is None else found[0]

    async def expire_time(self, key: Key, db: int | None = None) -> int | None:
        """Return when a record expires, or ``None`` if there is no record.

        :return: Unix time in seconds; ``kt_cache.NEVER`` (2**40 - 1) for a record that never does.
            The server keeps a record until that second is over.
        """
        index = self.default_db if db is None else db
        found = await self._executor.run(records.get(index, encode_key(key)))
        return None if found is None else found[1]

    async def get_bulk(
        self, keys: Iterable[Key], db: int | None = None, decode_values: bool = True
    ) -> dict[Any, Any]:
        """Return the records found among ``keys``.

        :return: key -> value, without the missing ones.
        """
        wanted = keys if isinstance(keys, (list, tuple, dict)) else self._listed(keys)
        if not wanted:
            return {}
        found, values = await self._executor.run(self._get_many(wanted, db))
        return self._decoded_all(found, values, decode_values)

    async def get_bulk_details(
        self, db_key_list: Iterable[tuple[int, Key]], decode_values: bool = True
    ) -> list[Any]:
        """Return the records found among ``(db, key)`` pairs.

        :return: ``(db, key, value, expire_time)`` tuples; the time as in :meth:`expire_time`.
        """
        pairs = [(db, encode_key(key)) for db, key in db_key_list]
        if not pairs:
            return []
        return self._decoded_records(
            await self._executor.run(records.get_bulk(pairs)), decode_values
        )

    async def set(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        no_reply: bool = False,
        encode_value: bool = True,
    ) -> int | None:
        """Store one record, replacing any there is.

        :param expire_time: seconds to live (below 10**9), a Unix time (from 10**9), a ``datetime``
            or ``timedelta``; ``None`` for never.
        :param no_reply: send without waiting for, or learning of, the outcome.
        :param encode_value: whether to serialize the value; if not it must be bytes or ``str``.
        :return: 1, or ``None`` with ``no_reply``.
        :raises NoSuchDatabase: if the server has no database of that index.
        :raises EncodeError: if the serializer cannot encode the value.
        """
        encode = self.encode_value if encode_value else as_bytes  # as _encoded does
        try:
            data = encode(value)
        except KTError as error:
            error.add_context(key=key)
            raise
        index = self.default_db if db is None else db
        xt = NEVER_GIVEN if expire_time is None else to_wire(expire_time)
        return await self._executor.run(
            records.set_one(index, encode_key(key), data, xt, no_reply=no_reply)
        )

    async def set_bytes(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        no_reply: bool = False,
    ) -> int | None:
        """Store one record without serializing it; see :meth:`set`."""
        return await self.set(key, value, db, expire_time, no_reply, False)

    async def set_bulk(
        self,
        data: Mapping[Any, Any] | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
        no_reply: bool = False,
        encode_values: bool = True,
        **kwargs: Any,
    ) -> int | None:
        """Store many records with one expiration time; not atomic as a whole.

        :param data: key -> value.
        :param kwargs: the records, instead of ``data``.
        :return: number of records stored, or ``None`` with ``no_reply``.
        :raises NoSuchDatabase: if the server has no database of that index.
        """
        data = self._given(data, kwargs)
        if not data:
            return None if no_reply else 0
        command = self._set_many(
            data, db, expire_time, no_reply=no_reply, encode_values=encode_values
        )
        return await self._executor.run(command)

    async def set_bulk_details(
        self,
        data: Iterable[tuple[int, Key, Any, ExpireTime]],
        no_reply: bool = False,
        encode_values: bool = True,
    ) -> int | None:
        """Store ``(db, key, value, expire_time)`` records; see :meth:`set_bulk`."""
        rows = [
            (db, encode_key(key), self._encoded(key, value, encode_values), to_wire(expire_time))
            for db, key, value, expire_time in data
        ]
        return await self._set_rows(rows, no_reply)

    async def _set_rows(
        self, rows: Collection[tuple[int, bytes, bytes, int]], no_reply: bool
    ) -> int | None:
        if not rows:
            return None if no_reply else 0
        return await self._executor.run(records.set_bulk(rows, no_reply=no_reply))

    async def remove(self, key: Key, db: int | None = None, no_reply: bool = False) -> int | None:
        """Remove one record.

        :return: 1 if there was one, else 0; ``None`` with ``no_reply``.
        """
        index = self.default_db if db is None else db
        return await self._executor.run(records.remove(index, encode_key(key), no_reply=no_reply))

    async def remove_bulk(
        self, keys: Iterable[Key], db: int | None = None, no_reply: bool = False
    ) -> int | None:
        """Remove many records; not atomic as a whole.

        :return: number of records that existed, or ``None`` with ``no_reply``.
        """
        return await self._remove_pairs([(self._db(db), encode_key(key)) for key in keys], no_reply)

    async def remove_bulk_details(
        self, db_key_list: Iterable[tuple[int, Key]], no_reply: bool = False
    ) -> int | None:
        """Remove the records of ``(db, key)`` pairs; see :meth:`remove_bulk`."""
        return await self._remove_pairs(
            [(db, encode_key(key)) for db, key in db_key_list], no_reply
        )

    async def _remove_pairs(
        self, pairs: Collection[tuple[int, bytes]], no_reply: bool
    ) -> int | None:
        if not pairs:
            return None if no_reply else 0
        return await self._executor.run(records.remove_bulk(pairs, no_reply=no_reply))
