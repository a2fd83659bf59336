"""The blocking client's methods that force HTTP where the binary protocol is the usual way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kt_cache.client import bulk_procedures, procedures
from kt_cache.client.call import Signals
from kt_cache.client.sync_procedures import ProcedureMethods
from kt_cache.protocol.expiry import ExpireTime, to_wire
from kt_cache.serializers import encode_key

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["HttpMethods"]

Key = str | bytes


class HttpMethods(ProcedureMethods):
    """Get, set and remove over HTTP: slower, but with signals, and atomic in bulk.

    The options ``signal``, ``wait`` and ``send`` are those of
    :class:`~kt_cache.client.sync_procedures.ProcedureMethods`.
    """

    def get_http(
        self,
        key: Key,
        db: int | None = None,
        decode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> Any:
        """Return a record's value, or ``None`` if there is no record."""
        where = self._where(db, signals)
        value = self._call(procedures.get(where, encode_key(key)), signals)
        return value if value is None or not decode_value else self._decoded(key, value)

    def set_http(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> bool:
        """Store one record; ``expire_time`` is as for :meth:`set`.

        :return: ``True``.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        where = self._where(db, signals)
        return self._call(procedures.set_one(where, encode_key(key), data, xt), signals)

    def remove_http(self, key: Key, db: int | None = None, **signals: Unpack[Signals]) -> int:
        """Remove one record.

        :return: 1 if there was one, else 0.
        """
        where = self._where(db, signals)
        return int(self._call(procedures.remove(where, encode_key(key)), signals))

    def get_bulk_http(
        self,
        keys: Iterable[Key],
        db: int | None = None,
        decode_values: bool = True,
        atomic: bool = True,
        **signals: Unpack[Signals],
    ) -> dict[Any, Any]:
        """Return the records found among ``keys``.

        :param atomic: whether no other client's write may come in between.
        :return: key -> value, without the missing ones.
        """
        where, wanted = self._where(db, signals), map(encode_key, keys)
        found = self._call(bulk_procedures.get_bulk(where, wanted, atomic=atomic), signals)
        return self._decoded_pairs(found.items(), decode_values)

    def set_bulk_http(
        self,
        data: Mapping[Any, Any],
        db: int | None = None,
        expire_time: ExpireTime = None,
        atomic: bool = True,
        encode_values: bool = True,
        **signals: Unpack[Signals],
    ) -> int:
        """Store many records with one expiration time.

        :param data: key -> value.
        :param atomic: whether nobody may see, or a failure leave, a part of them.
        :return: number of records stored.
        """
        where, xt = self._where(db, signals), to_wire(expire_time)
        pairs = [
            (encode_key(key), self._encoded(key, value, encode_values))
            for key, value in data.items()
        ]
        return self._call(bulk_procedures.set_bulk(where, pairs, xt, atomic=atomic), signals)

    def remove_bulk_http(
        self,
        keys: Iterable[Key],
        db: int | None = None,
        atomic: bool = True,
        **signals: Unpack[Signals],
    ) -> int:
        """Remove many records.

        :param atomic: whether nobody may see a part of them removed.
        :return: number of records that existed.
        """
        where, unwanted = self._where(db, signals), map(encode_key, keys)
        return self._call(bulk_procedures.remove_bulk(where, unwanted, atomic=atomic), signals)
