"""What every part of the cache needs: stored keys, and values out of payloads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from kt_cache.cache.codec import Codec
from kt_cache.cache.guard import no_answer
from kt_cache.cache.log_limit import warn
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict
from kt_cache.errors import ConfigError, DecodeError, KTError
from kt_cache.serializers import encode_key

__all__ = [
    "MISSING",
    "PROTECTED_PREFIX",
    "PROTECTED_PREFIXES",
    "TAG_PREFIX",
    "USER_PREFIX",
    "CacheBase",
    "KeyFunction",
    "ReverseKeyFunction",
    "default_key",
    "is_over",
    "warn_of",
]

KeyFunction: TypeAlias = Callable[[Any, str, int], str]
ReverseKeyFunction: TypeAlias = Callable[[str], Any]

MISSING: Any = object()
"""Stands for "no value" where ``None`` is one."""

PROTECTED_PREFIX = b"kt-session-"
"""Sessions are under this prefix; they are not the cache's.

It has no colon, so that no ``KEY_PREFIX:`` can be the beginning of it.
"""

USER_PREFIX = b"kt-user-"
"""Under this prefix is written which sessions each user has."""

_BESIDE = {kind: f"kt-{kind}-".encode() for kind in ("lock", "leader", "tag")}

TAG_PREFIX = _BESIDE["tag"]
"""Under this prefix are the records of tags."""

PROTECTED_PREFIXES = (PROTECTED_PREFIX, USER_PREFIX, *_BESIDE.values())
"""Of all records that are no values, such as locks: the cache neither lists nor clears them."""


def default_key(key: Any, prefix: str, version: int) -> str:
    """Return ``prefix:version:key``."""
    return f"{prefix}:{version}:{key}"


def is_over(timeout: float | None) -> bool:
    """Tell whether a timeout means "gone at once"."""
    return timeout is not None and timeout <= 0


def warn_of(error: DecodeError) -> None:
    """Log that a value cannot be read, and why; not of every one, nor under which key."""
    warn(error.message, "an unreadable value counts as missing: %s", error.message)


class CacheBase:
    """Holds the store and the settings; see :class:`~kt_cache.cache.core.Cache`.

    :param store: where the records are.
    :param codec: how values become payloads.
    :param prefix: of every key.
    :param version: of keys where a call names none.
    :param key_function: makes the stored key from key, prefix and version; ``None`` for
        :func:`default_key`.
    :param reverse_key: the way back, for listing keys that ``key_function`` made: a stored key ->
        the caller's. For a key that is not one of its own it may raise ValueError or LookupError.
    :param check_key: called with every stored key; may warn or raise.
    :param check_keys: called with the stored keys instead where a call has many.
    :param clock: Unix time in seconds, for what is kept beside values.
    :raises ConfigError: for a prefix that begins like those of sessions or locks.
    """

    def __init__(
        self,
        store: Store,
        codec: Codec,
        *,
        prefix: str = "",
        version: int = 1,
        key_function: KeyFunction | None = None,
        reverse_key: ReverseKeyFunction | None = None,
        check_key: Callable[[str], None] | None = None,
        check_keys: Callable[[Sequence[str]], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if encode_key(prefix).startswith(PROTECTED_PREFIXES):
            raise ConfigError(
                f"the key prefix {prefix!r} is that of records which are no values, such as locks "
                "and sessions; choose another one"
            )
        self.store = store
        self.codec = codec
        self.prefix = prefix
        self.version = version
        self.key_function: KeyFunction = key_function or default_key
        self.reverse_key = reverse_key
        self._check_key = check_key
        self._check_keys = check_keys
        self._clock = clock
        self._ignores_errors = strict(store) is not store

    def _ignores(self, error: KTError) -> bool:
        """Tell whether a call that failed with an error counts as one that found nothing."""
        return self._ignores_errors and no_answer(error)

    def make_key(self, key: Any, version: int | None = None) -> bytes:
        """Return the stored key."""
        text = self.key_function(key, self.prefix, self.version if version is None else version)
        if self._check_key is not None:
            self._check_key(text)
        return encode_key(text)

    def make_keys(self, keys: Iterable[Any], version: int | None = None) -> list[bytes]:
        """Return the stored key of each, as :meth:`make_key` makes it but in less time."""
        make, prefix = self.key_function, self.prefix
        if version is None:
            version = self.version
        if make is default_key:
            beginning = default_key("", prefix, version)
            texts = [f"{beginning}{key}" for key in keys]
        else:
            texts = [make(key, prefix, version) for key in keys]
        if self._check_keys is not None:
            self._check_keys(texts)
        elif self._check_key is not None:
            for text in texts:
                self._check_key(text)
        try:
            return [text.encode() for text in texts]
        except (AttributeError, UnicodeEncodeError):
            return [encode_key(text) for text in texts]  # which takes bytes, and says what is wrong

    def _key_beside(self, kind: str, name: Any, version: int | None) -> bytes:
        """Return the stored key of a lock, a leader or a tag, which no value's is."""
        text = self.key_function(name, self.prefix, self.version if version is None else version)
        return _BESIDE[kind] + encode_key(text)

    def _stored_keys(self, keys: Iterable[Any], version: int | None) -> dict[bytes, Any]:
        keys = list(keys)
        return dict(zip(self.make_keys(keys, version), keys, strict=True))

    def _payloads_of(self, values: Mapping[Any, Any], version: int | None) -> dict[bytes, bytes]:
        encode = self.codec.encode
        raws = dict(zip(self.make_keys(values, version), values.values(), strict=True))
        return {raw: encode(value, raw) for raw, value in raws.items()}

    def _values_of(
        self, stored: Mapping[bytes, Any], payloads: Mapping[bytes, bytes]
    ) -> dict[Any, Any]:
        values, decode = {}, self.codec.decode
        for raw, payload in payloads.items():
            if raw not in stored:
                continue  # nobody asked for it
            try:
                values[stored[raw]] = decode(payload, raw)
            except DecodeError as error:
                warn_of(error)
        return values

    def _decode(self, raw: bytes, payload: bytes, default: Any) -> Any:
        try:
            return self.codec.decode(payload, raw)
        except DecodeError as error:
            warn_of(error)
            return default
