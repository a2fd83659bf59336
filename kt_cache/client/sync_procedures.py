"""The blocking client's methods that go over TSV-RPC."""

from __future__ import annotations

import re
from typing import Any

from kt_cache.client import procedures
from kt_cache.client.base import ClientBase
from kt_cache.client.executor import Executor
from kt_cache.errors import ConfigError
from kt_cache.protocol.expiry import ExpireTime, to_wire
from kt_cache.serializers import encode_key

__all__ = ["ProcedureMethods"]

Key = str | bytes

_whole = re.compile(rb"-?\d{1,20}").fullmatch
_real = re.compile(rb"-?\d{1,20}\.\d{1,20}").fullmatch


class ProcedureMethods(ClientBase):
    """Atomic operations on one record, and questions about a database or the server.

    Errors are those of :class:`~kt_cache.client.sync_records.RecordMethods`. A connection that
    breaks in the middle of a call that changes something raises
    :class:`~kt_cache.errors.OutcomeUnknown`.
    """

    _executor: Executor

    def add(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
    ) -> bool:
        """Store a record unless there is one already.

        :param expire_time: as for :meth:`set`.
        :return: whether it was stored.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        return self._executor.run(procedures.add(self._db(db), encode_key(key), data, xt))

    def replace(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
    ) -> bool:
        """Store a record only if there is one already.

        :param expire_time: as for :meth:`set`; the old record's time is not kept.
        :return: whether it was stored.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        return self._executor.run(procedures.replace(self._db(db), encode_key(key), data, xt))

    def cas(
        self,
        key: Key,
        old_val: Any,
        new_val: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
    ) -> bool:
        """Compare and set: change a record only if its value is the one expected.

        :param old_val: the value expected; ``None`` if there must be no record.
        :param new_val: the value to store; ``None`` to remove the record.
        :param expire_time: as for :meth:`set`; the old record's time is not kept.
        :return: whether it was changed.
        :raises ValueError: if both values are ``None``.
        """
        if old_val is None and new_val is None:
            raise ValueError("cas needs an old value, a new value, or both")
        old = None if old_val is None else self._encoded(key, old_val, encode_value)
        new = None if new_val is None else self._encoded(key, new_val, encode_value)
        xt = to_wire(expire_time)
        return self._executor.run(procedures.cas(self._db(db), encode_key(key), old, new, xt))

    def increment(
        self,
        key: Key,
        n: int = 1,
        orig: int | str | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
    ) -> int:
        """Add to a counter that the server keeps as eight big-endian bytes.

        :param n: what to add, negative to subtract.
        :param orig: for a missing record, the number to start from (default 0) or ``"try"`` to
            fail; ``"set"`` stores ``n`` itself in any case.
        :param expire_time: as for :meth:`set`; without it the counter never expires.
        :return: the new number.
        :raises ServerError: if the record is not such a counter, or missing with ``"try"``.
        """
        if isinstance(n, bool) or not isinstance(n, int):
            raise ConfigError(f"increment adds whole numbers, not {n!r}")
        origin = _origin(orig)
        xt = to_wire(expire_time)
        return self._executor.run(
            procedures.increment(self._db(db), encode_key(key), n, origin, xt)
        )

    def exists(self, key: Key, db: int | None = None) -> bool:
        """Tell whether there is a record."""
        return self._executor.run(procedures.check(self._db(db), encode_key(key))) is not None

    def length(self, key: Key, db: int | None = None) -> int | None:
        """Return the size of a record's value in bytes, or ``None`` if there is no record."""
        return self._executor.run(procedures.check(self._db(db), encode_key(key)))

    def seize(self, key: Key, db: int | None = None, decode_value: bool = True) -> Any:
        """Remove a record and return the value it had, or ``None`` if there was none."""
        value = self._executor.run(procedures.seize(self._db(db), encode_key(key)))
        if value is None or not decode_value:
            return value
        return self._decoded(key, value)

    def match_prefix(
        self, prefix: Key, max_keys: int | None = None, db: int | None = None
    ) -> list[Any]:
        """List the keys that begin with a prefix, in the server's order.

        :param max_keys: most keys to return; ``None`` for all.
        :return: keys, those of expired records that the server has not swept yet included.
        """
        keys = self._executor.run(
            procedures.match_prefix(self._db(db), encode_key(prefix), max_keys)
        )
        return [self._shown_key(key) for key in keys]

    def clear(self, db: int | None = None) -> bool:
        """Remove all records of a database.

        :return: ``True``.
        """
        return self._executor.run(procedures.clear(self._db(db)))

    def count(self, db: int | None = None) -> int:
        """Return the number of records, expired ones not yet swept included."""
        return int(self.status(db)["count"])

    def status(self, db: int | None = None) -> dict[str, Any]:
        """Return what the server says about a database, such as ``count``, ``size``, ``path``.

        :return: field -> ``int``, ``float`` or ``str``.
        """
        return _readable(self._executor.run(procedures.status(self._db(db))))

    def report(self) -> dict[str, Any]:
        """Return what the server says about itself: counters, versions, databases, memory.

        :return: field -> ``int``, ``float`` or ``str``.
        """
        return _readable(self._executor.run(procedures.report()))


def _origin(orig: int | str | None) -> bytes | None:
    if orig is None or orig in ("try", "set") or isinstance(orig, int):
        return None if orig is None else str(orig).encode()
    raise ConfigError(f'orig must be a number, "try" or "set", not {orig!r}')


def _readable(rows: dict[bytes, bytes]) -> dict[str, Any]:
    return {name.decode(errors="replace"): _as_number(value) for name, value in rows.items()}


def _as_number(value: bytes) -> int | float | str:
    # Not what else Python takes for a number: a path may be called "nan" or "1_0".
    if _whole(value):
        return int(value)
    return float(value) if _real(value) else value.decode(errors="replace")
