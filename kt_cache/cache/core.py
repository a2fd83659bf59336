"""The cache: keys, versions and prefixes, timeouts, values; on any store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from operator import index
from typing import Any, TypeAlias

from kt_cache.cache.codec import Codec
from kt_cache.cache.store import Store
from kt_cache.errors import DecodeError
from kt_cache.serializers import encode_key

__all__ = ["PROTECTED_PREFIX", "Cache", "KeyFunction", "default_key"]

logger = logging.getLogger("kt_cache.cache")

KeyFunction: TypeAlias = Callable[[Any, str, int], str]

_BATCH = 1000  # records that clear() removes per request, so that no request takes long

PROTECTED_PREFIX = b"kt-session-"
"""Records under this prefix are not the cache's; :meth:`Cache.clear` leaves them alone.

It has no colon, so that no ``KEY_PREFIX:`` can be the beginning of it.
"""


def default_key(key: Any, prefix: str, version: int) -> str:
    """Return ``prefix:version:key``."""
    return f"{prefix}:{version}:{key}"


class Cache:
    """Stores any value under a key, for a time.

    A timeout is seconds, whole or not; ``None`` is for ever; zero and below means gone at once.
    A stored ``None`` is a value, not a miss. A record that cannot be read back with the configured
    codec is a miss, and one line in the log.

    :param store: where the records are.
    :param codec: how values become payloads.
    :param prefix: of every key.
    :param version: of keys where a call names none.
    :param key_function: makes the stored key from key, prefix and version; ``None`` for
        :func:`default_key`.
    :param check_key: called with every stored key; may warn or raise.
    """

    def __init__(
        self,
        store: Store,
        codec: Codec,
        *,
        prefix: str = "",
        version: int = 1,
        key_function: KeyFunction | None = None,
        check_key: Callable[[str], None] | None = None,
    ) -> None:
        self.store = store
        self.codec = codec
        self.prefix = prefix
        self.version = version
        self.key_function: KeyFunction = key_function or default_key
        self._check_key = check_key

    def make_key(self, key: Any, version: int | None = None) -> bytes:
        """Return the stored key."""
        text = self.key_function(key, self.prefix, self.version if version is None else version)
        if self._check_key is not None:
            self._check_key(text)
        return encode_key(text)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value, or ``default`` if there is none."""
        payload = self.store.get(self.make_key(key, version))
        return default if payload is None else self._decode(key, payload, default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return key -> value of those found."""
        stored = {self.make_key(key, version): key for key in keys}
        values = {}
        for raw, payload in self.store.get_many(stored).items():
            if raw not in stored:
                continue  # nobody asked for it
            key = stored[raw]
            value = self._decode(key, payload, _MISSING)
            if value is not _MISSING:
                values[key] = value
        return values

    def has(self, key: Any, version: int | None = None) -> bool:
        """Tell whether there is a value."""
        return self.get(key, _MISSING, version) is not _MISSING

    def set(self, key: Any, value: Any, timeout: float | None, version: int | None = None) -> None:
        """Store a value.

        :raises EncodeError: if the codec cannot encode it; what was stored before stays.
        """
        payload = self.codec.encode(value)
        raw = self.make_key(key, version)
        if timeout is not None and timeout <= 0:
            self.store.remove(raw)
        else:
            self.store.set(raw, payload, timeout)

    def set_many(
        self, values: Mapping[Any, Any], timeout: float | None, version: int | None = None
    ) -> None:
        """Store many values.

        :raises EncodeError: if the codec cannot encode one; nothing is stored then.
        """
        payloads = {
            self.make_key(key, version): self.codec.encode(value) for key, value in values.items()
        }
        if timeout is not None and timeout <= 0:
            self.store.remove_many(payloads)
        else:
            self.store.set_many(payloads, timeout)

    def add(self, key: Any, value: Any, timeout: float | None, version: int | None = None) -> bool:
        """Store a value atomically unless there is one.

        :return: whether there was none.
        """
        payload = self.codec.encode(value)
        raw = self.make_key(key, version)
        if timeout is not None and timeout <= 0:
            return self.store.get(raw) is None
        return self.store.add(raw, payload, timeout)

    def touch(self, key: Any, timeout: float | None, version: int | None = None) -> bool:
        """Give a value a new timeout.

        :return: whether there is one.
        """
        raw = self.make_key(key, version)
        if timeout is not None and timeout <= 0:
            # The engine may hold a record past its time, which its remove would count.
            return self.store.get(raw) is not None and self.store.remove(raw)
        return self.store.touch(raw, timeout)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int | None:
        """Add to a stored ``int`` atomically; its timeout stays.

        :return: the new number, or ``None`` if there is no value.
        :raises DecodeError: if the value is not an ``int``.
        :raises TypeError: if ``delta`` is not.
        """
        return self.store.incr(self.make_key(key, version), index(delta))

    def count(self, key: Any, delta: int, timeout: float | None, version: int | None = None) -> int:
        """Add to a stored ``int`` atomically; a missing one counts as 0.

        :param timeout: of a number that was missing; that of an existing one stays.
        :return: the new number.
        :raises DecodeError: if the value is not an ``int``.
        :raises TypeError: if ``delta`` is not.
        """
        delta = int(index(delta))  # another kind of integer would be stored as another kind
        while True:
            number = self.incr(key, delta, version)
            if number is not None:
                return number
            if self.add(key, delta, timeout, version):
                return delta

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Remove a value.

        :return: whether there was one.
        """
        return self.store.remove(self.make_key(key, version))

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> int:
        """Remove values.

        :return: how many there were.
        """
        return self.store.remove_many([self.make_key(key, version) for key in keys])

    def clear(self) -> int:
        """Remove this cache's values, all versions of them.

        These are the keys under ``PREFIX:``, so also those of a cache whose prefix begins with
        this one and a colon. A custom key function may put keys anywhere, so with
        one it is every record of the database but the sessions.

        :return: how many there were.
        """
        if self.key_function is default_key:
            keys = self.store.keys(encode_key(f"{self.prefix}:"))
        else:
            keys = [key for key in self.store.keys(b"") if not key.startswith(PROTECTED_PREFIX)]
        batches = (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
        return sum(self.store.remove_many(batch) for batch in batches)

    def flush(self) -> None:
        """Remove every record of the database, other prefixes' and sessions included."""
        self.store.flush()

    def _decode(self, key: Any, payload: bytes, default: Any) -> Any:
        try:
            return self.codec.decode(payload)
        except DecodeError as error:
            logger.warning("unreadable value under %r counts as missing: %s", key, error.message)
            return default


_MISSING = object()
