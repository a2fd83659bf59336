"""What the blocking and the asyncio client have in common: configuration and conversions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from kt_cache.client import records
from kt_cache.client.call import Signals, Where, common
from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, KTError
from kt_cache.protocol.binary import Found
from kt_cache.protocol.expiry import NEVER_GIVEN, ExpireTime, to_wire
from kt_cache.serializers import KT_NONE, decode_key, encode_key, get_serializer
from kt_cache.transport.config import LONGEST_LIFE, PoolConfig, check_seconds

__all__ = ["ClientBase", "as_bytes", "make_config"]


def make_config(host: str, port: int, timeout: float | None, max_age: float) -> PoolConfig:
    """Return the pool configuration for the earlier clients' constructor arguments.

    :param timeout: seconds for a call as a whole, and for each part of it but connecting, which
        has its usual limit at most; ``None`` for the defaults.
    :param max_age: seconds a connection may stay unused.
    """
    check_seconds("max_age", max_age, LONGEST_LIFE)
    if timeout is None:
        return PoolConfig(host=host, port=port, max_idle=max_age)
    check_seconds("timeout", timeout)
    return PoolConfig(
        host=host,
        port=port,
        max_idle=max_age,
        connect_timeout=min(timeout, PoolConfig().connect_timeout),
        read_timeout=timeout,
        call_timeout=timeout,
    )


def as_bytes(value: Any) -> bytes:
    """Return the bytes of a value that is not to be serialized: bytes, text, or a number."""
    return _raw.encode(value)


_raw = get_serializer(KT_NONE)
_UNUSUAL = (TypeError, UnicodeError, KTError)  # of what is not of the usual kind, or plainly wrong


class ClientBase:
    """Holds a client's settings and turns values and keys into bytes and back.

    :param default_db: database index used where a call names none.
    :param decode_keys: whether keys in results are ``str`` (where they are UTF-8) or bytes.
    :param serializer: one of the ``KT_`` constants or a ``Serializer``; ``None`` is ``KT_BINARY``.
    :param encode_value: replaces the serializer's encoder.
    :param decode_value: replaces the serializer's decoder.
    """

    def __init__(
        self,
        *,
        default_db: int,
        decode_keys: bool,
        serializer: Any,
        encode_value: Callable[[Any], bytes] | None,
        decode_value: Callable[[bytes], Any] | None,
    ) -> None:
        chosen = get_serializer(serializer)
        self.serializer = chosen
        self.encode_value = encode_value or chosen.encode
        self.decode_value = decode_value or chosen.decode
        self.decode_keys = decode_keys
        # For many at once, as long as all are of the usual kind.
        self._usual_encode = encode_value or chosen.usual_encode
        self._usual_decode = decode_value or chosen.usual_decode
        self._usual_key: Callable[[bytes], str | bytes] = bytes.decode if decode_keys else bytes
        self.set_database(default_db)
        self._shown_key: Callable[[bytes], str | bytes] = decode_key if decode_keys else bytes

    def set_database(self, db: int = 0) -> None:
        """Make another database the default.

        :param db: database index.
        :raises ConfigError: if it is not a number from 0 to 65535.
        """
        if not isinstance(db, int) or not 0 <= db <= 0xFFFF:
            raise ConfigError(f"default_db must be a database index from 0 to 65535, not {db!r}")
        self.default_db = db

    def _db(self, db: int | None) -> int:
        return self.default_db if db is None else db

    def _where(self, db: int | None, signals: Signals) -> Where:
        """Return the parameters that every procedure takes, as :func:`common` makes them."""
        index = self.default_db if db is None else db
        if not signals and isinstance(index, int):
            return index  # as nearly always
        return common(index, signals)

    def _key_and_db(self, item: Any) -> tuple[str | bytes, int | None]:
        """Return key and database of ``client[item]``: a key, or a ``(key, db)`` tuple."""
        if not isinstance(item, tuple):
            return item, None
        try:
            key, db = item
        except ValueError:
            raise ConfigError(f"expected a key or (key, db), not {len(item)} things") from None
        return key, db

    @staticmethod
    def _given(data: Mapping[Any, Any] | None, named: Mapping[str, Any]) -> Mapping[Any, Any]:
        """Return the records given as a mapping or by name; both would hide misspelt options."""
        if data is None:
            return named
        if not hasattr(data, "items"):
            raise TypeError(f"expected a mapping of keys to values, not {type(data).__name__}")
        if named:
            raise TypeError(
                f"unexpected keyword argument {next(iter(named))!r}: "
                "give records as a mapping or by name, not both"
            )
        return data

    @staticmethod
    def _value_and_time(given: Any) -> tuple[Any, ExpireTime]:
        """Return value and time of ``client[key] = given``: a value, or a tuple of both."""
        if not isinstance(given, tuple):
            return given, None
        try:
            value, expire_time = given
        except ValueError:
            raise ConfigError(
                f"expected a value or (value, expire_time), not {len(given)} things; "
                "use set() to store a tuple"
            ) from None
        return value, expire_time

    def _encoded(self, key: str | bytes, value: Any, encode_value: bool) -> bytes:
        encode = self.encode_value if encode_value else as_bytes
        try:
            return encode(value)
        except KTError as error:
            error.add_context(key=key)
            raise

    def _decoded(self, key: str | bytes, value: bytes) -> Any:
        decode = self.decode_value
        try:
            return decode(value)
        except KTError as error:
            error.add_context(key=key)
            raise

    @staticmethod
    def _listed(keys: Iterable[str | bytes]) -> list[str | bytes]:
        if isinstance(keys, str | bytes):
            raise TypeError("expected several keys, not one: give a list")
        return list(keys)

    def _get_many(
        self, keys: Collection[str | bytes], db: int | None
    ) -> Command[tuple[Sequence[bytes], Sequence[bytes]]]:
        """Return the command that reads keys of one database."""
        index = self.default_db if db is None else db
        try:
            return records.get_many(index, keys, len(keys), str.encode)  # type: ignore[arg-type]
        except _UNUSUAL:
            return records.get_many(index, keys, len(keys), encode_key)

    def _set_many(
        self,
        data: Mapping[Any, Any],
        db: int | None,
        expire_time: ExpireTime,
        *,
        no_reply: bool,
        encode_values: bool,
    ) -> Command[int | None]:
        """Return the command that stores keys and values in one database."""
        index, count = self.default_db if db is None else db, len(data)
        xt = NEVER_GIVEN if expire_time is None else to_wire(expire_time)
        encode = self._usual_encode if encode_values else str.encode
        try:
            return records.set_many(
                index, data.items(), count, xt, str.encode, encode, no_reply=no_reply
            )
        except _UNUSUAL:
            checked = (
                (encode_key(key), self._encoded(key, value, encode_values))
                for key, value in data.items()
            )
            return records.set_many(index, checked, count, xt, bytes, bytes, no_reply=no_reply)

    def _decoded_pairs(
        self, pairs: Collection[tuple[bytes, bytes]], decode_values: bool
    ) -> dict[Any, Any]:
        """Return a dictionary of keys and values."""
        if not pairs:
            return {}
        keys, values = zip(*pairs, strict=True)
        return self._decoded_all(keys, values, decode_values)

    def _decoded_all(
        self, keys: Sequence[bytes], values: Sequence[bytes], decode_values: bool
    ) -> dict[Any, Any]:
        shown = map(self._usual_key, keys)
        try:
            decoded = map(self._usual_decode, values) if decode_values else values
            return dict(zip(shown, decoded, strict=True))
        except _UNUSUAL:
            decoded = map(self._decoded, keys, values) if decode_values else values
            return dict(zip(map(self._shown_key, keys), decoded, strict=True))

    def _decoded_records(self, records: Iterable[Found], decode_values: bool) -> list[Any]:
        shown = self._shown_key
        return [
            (db, shown(key), self._decoded(key, value) if decode_values else value, xt)
            for db, key, value, xt in records
        ]
