"""The blocking client's atomic operations on one record, which go over TSV-RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kt_cache.client import procedures
from kt_cache.client.base import ClientBase
from kt_cache.client.call import Signals, patience_of
from kt_cache.client.command import Command
from kt_cache.client.executor import Executor
from kt_cache.client.readable import origin
from kt_cache.protocol.expiry import ExpireTime, to_wire
from kt_cache.serializers import encode_key

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ProcedureMethods"]

Key = str | bytes
T = TypeVar("T")


class ProcedureMethods(ClientBase):
    """Atomic operations on one record.

    Errors are those of :class:`~kt_cache.client.sync_records.RecordMethods`. A connection that
    breaks in the middle of a call that changes something raises
    :class:`~kt_cache.errors.OutcomeUnknown`.

    All of them take three more options. With ``signal="name", wait=SECONDS`` the server carries the
    call out when that signal is sent, or raises :class:`~kt_cache.errors.SignalTimeout`; with
    ``signal="name", send=True`` it sends the signal, to all who wait for it, afterwards. A
    waiting call occupies its connection, and a thread of the server, for as long.
    """

    _executor: Executor

    def _call(self, command: Command[T], signals: Signals) -> T:
        if not signals:
            return self._executor.run(command)
        return self._executor.run(command, patience=patience_of(signals))

    def add(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> bool:
        """Store a record unless there is one already.

        :param expire_time: as for :meth:`set`.
        :return: whether it was stored.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        where = self._where(db, signals)
        return self._call(procedures.add(where, encode_key(key), data, xt), signals)

    def replace(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> bool:
        """Store a record only if there is one already.

        :param expire_time: as for :meth:`set`; the old record's time is not kept.
        :return: whether it was stored.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        where = self._where(db, signals)
        return self._call(procedures.replace(where, encode_key(key), data, xt), signals)

    def append(
        self,
        key: Key,
        value: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> bool:
        """Add to the end of a record's value; without a record, store one.

        :param value: serialized like any other, so useful for text and bytes only.
        :param expire_time: as for :meth:`set`; the old record's time is not kept.
        :return: ``True``.
        """
        data, xt = self._encoded(key, value, encode_value), to_wire(expire_time)
        where = self._where(db, signals)
        return self._call(procedures.append(where, encode_key(key), data, xt), signals)

    def cas(
        self,
        key: Key,
        old_val: Any,
        new_val: Any,
        db: int | None = None,
        expire_time: ExpireTime = None,
        encode_value: bool = True,
        **signals: Unpack[Signals],
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
        where, xt = self._where(db, signals), to_wire(expire_time)
        return self._call(procedures.cas(where, encode_key(key), old, new, xt), signals)

    def increment(
        self,
        key: Key,
        n: int = 1,
        orig: int | str | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
        **signals: Unpack[Signals],
    ) -> int:
        """Add to a counter that the server keeps as eight big-endian bytes.

        :param n: what to add, negative to subtract.
        :param orig: for a missing record, the number to start from (default 0) or ``"try"`` to
            fail; ``"set"`` stores ``n`` itself in any case.
        :param expire_time: as for :meth:`set`; without it the counter never expires.
        :return: the new number.
        :raises ServerError: if the record is not such a counter, or missing with ``"try"``.
        :raises ConfigError: if ``n`` or ``orig`` is not a whole number of at most 64 bits.
        """
        where, xt = self._where(db, signals), to_wire(expire_time)
        command = procedures.increment(where, encode_key(key), n, origin(orig, whole=True), xt)
        return self._call(command, signals)

    def increment_double(
        self,
        key: Key,
        n: float = 1.0,
        orig: float | str | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
        **signals: Unpack[Signals],
    ) -> float:
        """Add to a real number that the server keeps in a form of its own (15 decimal places).

        The sum comes back rounded to six places.

        :param n: what to add, negative to subtract.
        :param orig: as for :meth:`increment`.
        :param expire_time: as for :meth:`set`; without it the record never expires.
        :return: the new number.
        :raises ServerError: if the record is not such a number, or missing with ``"try"``.
        :raises ConfigError: if ``n`` is not a number below 2**63 or infinite, or ``orig`` is not
            finite.
        """
        where, xt = self._where(db, signals), to_wire(expire_time)
        start = origin(orig, whole=False)
        command = procedures.increment_double(where, encode_key(key), n, start, xt)
        return self._call(command, signals)

    def exists(self, key: Key, db: int | None = None, **signals: Unpack[Signals]) -> bool:
        """Tell whether there is a record."""
        return self.length(key, db, **signals) is not None

    def length(self, key: Key, db: int | None = None, **signals: Unpack[Signals]) -> int | None:
        """Return the size of a record's value in bytes, or ``None`` if there is no record."""
        where = self._where(db, signals)
        return self._call(procedures.check(where, encode_key(key)), signals)

    def seize(
        self,
        key: Key,
        db: int | None = None,
        decode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> Any:
        """Remove a record and return the value it had, or ``None`` if there was none."""
        where = self._where(db, signals)
        value = self._call(procedures.seize(where, encode_key(key)), signals)
        return value if value is None or not decode_value else self._decoded(key, value)

    def pop(
        self,
        key: Key,
        db: int | None = None,
        decode_value: bool = True,
        **signals: Unpack[Signals],
    ) -> Any:
        """Do what :meth:`seize` does."""
        return self.seize(key, db, decode_value, **signals)
