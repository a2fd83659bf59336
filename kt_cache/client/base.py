"""What the blocking and the asyncio client have in common: configuration and conversions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from kt_cache.errors import ConfigError, KTError
from kt_cache.protocol.binary import Found
from kt_cache.protocol.expiry import ExpireTime
from kt_cache.serializers import (
    KT_NONE,
    Serializer,
    decode_key,
    decode_keys,
    encode_keys,
    get_serializer,
)
from kt_cache.transport.config import LONGEST_LIFE, PoolConfig, check_seconds

__all__ = ["ClientBase", "as_bytes", "make_config"]


def make_config(host: str, port: int, timeout: float | None, max_age: float) -> PoolConfig:
    """Return the pool configuration for the earlier clients' constructor arguments.

    :param timeout: seconds for a call as a whole; ``None`` for the defaults.
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
        read_timeout=min(timeout, PoolConfig().read_timeout),
        call_timeout=timeout,
    )


def as_bytes(value: Any) -> bytes:
    """Return the bytes of a value that is not to be serialized: bytes, text, or a number."""
    return _raw.encode(value)


_raw = get_serializer(KT_NONE)


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
        # What does the same for many values at once.
        self._values = chosen
        if encode_value or decode_value:
            self._values = Serializer("custom", self.encode_value, self.decode_value)
        self.decode_keys = decode_keys
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

    def _encoded_all(
        self, keys: Iterable[str | bytes], values: Collection[Any], encode_values: bool
    ) -> list[bytes]:
        """Return the bytes of many values.

        :param keys: theirs, for the message if one cannot be encoded.
        """
        try:
            return (self._values if encode_values else _raw).encode_all(values)
        except KTError:
            return [
                self._encoded(key, value, encode_values)
                for key, value in zip(keys, values, strict=True)
            ]

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
        decoded: Sequence[Any] = values
        if decode_values:
            try:
                decoded = self._values.decode_all(values)
            except KTError:  # whose is it?
                decoded = list(map(self._decoded, keys, values))
        shown = decode_keys(keys) if self.decode_keys else keys
        return dict(zip(shown, decoded, strict=True))

    def _decoded_records(self, records: Iterable[Found], decode_values: bool) -> list[Any]:
        shown = self._shown_key
        return [
            (db, shown(key), self._decoded(key, value) if decode_values else value, xt)
            for db, key, value, xt in records
        ]

    @staticmethod
    def _keys(keys: Iterable[str | bytes]) -> list[bytes]:
        # Those that can be gone through twice as they are.
        return encode_keys(keys if isinstance(keys, (list, tuple, dict)) else list(keys))
