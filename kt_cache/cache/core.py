"""The cache: keys, versions and prefixes, timeouts, values; on any store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any

from kt_cache.cache.base import MISSING, PROTECTED_PREFIXES, default_key, is_over
from kt_cache.cache.changes import ChangeMethods
from kt_cache.cache.generations import without_notes
from kt_cache.cache.listing import KeyMethods
from kt_cache.cache.locks import LockMethods
from kt_cache.cache.notes import NOTED, any_noted
from kt_cache.cache.stampede import StampedeMethods
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.times import TimeMethods
from kt_cache.cache.tolerant import strict
from kt_cache.serializers import encode_key

__all__ = ["Cache"]

_BATCH = 1000  # records that clear() removes per request, so that no request takes long


class Cache(TimeMethods, ChangeMethods, KeyMethods, LockMethods, StampedeMethods):
    """Stores any value under a key, for a time.

    A timeout is seconds, whole or not; ``None`` is for ever; zero and below means gone at once.
    A stored ``None`` is a value, not a miss. A record that cannot be read back with the configured
    codec is a miss, and one line in the log.

    Every method has a twin for event loops, its name with an ``a`` before it, on the same store.

    :param store: where the records are.
    :param codec: how values become payloads.
    :param prefix: of every key.
    :param version: of keys where a call names none.
    :param key_function: makes the stored key from key, prefix and version; ``None`` for
        :func:`default_key`.
    :param reverse_key: the way back, for listing keys.
    :param check_key: called with every stored key; may warn or raise.
    :param check_keys: called with the stored keys instead where a call has many.
    """

    # ------------------------------------------------------------ reading

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value, or ``default`` if there is none."""
        raw = self.make_key(key, version)
        payload = self.store.get(raw)
        if payload is not None and payload[:1] == NOTED:
            payload = run(self.store, without_notes({raw: payload})).get(raw)
        return default if payload is None else self._decode(raw, payload, default)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See :meth:`get`."""
        raw = self.make_key(key, version)
        payload = await self.store.aget(raw)
        if payload is not None and payload[:1] == NOTED:
            payload = (await arun(self.store, without_notes({raw: payload}))).get(raw)
        return default if payload is None else self._decode(raw, payload, default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return key -> value of those found."""
        stored = self._stored_keys(keys, version)
        payloads = self.store.get_many(stored)
        if any_noted(payloads):
            payloads = run(self.store, without_notes(payloads))
        return self._values_of(stored, payloads)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """See :meth:`get_many`."""
        stored = self._stored_keys(keys, version)
        payloads = await self.store.aget_many(stored)
        if any_noted(payloads):
            payloads = await arun(self.store, without_notes(payloads))
        return self._values_of(stored, payloads)

    def has(self, key: Any, version: int | None = None) -> bool:
        """Tell whether there is a value."""
        return self.get(key, MISSING, version) is not MISSING

    async def ahas(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`has`."""
        return await self.aget(key, MISSING, version) is not MISSING

    # ------------------------------------------------------------ writing

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store a value.

        :param tags: names by any of which :meth:`delete_tag` deletes it.
        :return: ``True``, or ``False`` if that was not done because errors are ignored.
        :raises EncodeError: if the codec cannot encode it; what was stored before stays.
        """
        raw = self.make_key(key, version)
        payload = self.codec.encode(value, raw)
        if is_over(timeout):
            return self.store.remove(raw) is not None
        if tags:
            payload = run(self.store, self._tagging(payload, tags, timeout, version))
        return self.store.set(raw, payload, timeout) is not False

    async def aset(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`set`."""
        raw = self.make_key(key, version)
        payload = self.codec.encode(value, raw)
        if is_over(timeout):
            return await self.store.aremove(raw) is not None
        if tags:
            payload = await arun(self.store, self._tagging(payload, tags, timeout, version))
        return await self.store.aset(raw, payload, timeout) is not False

    def set_many(
        self,
        values: Mapping[Any, Any],
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store many values.

        :param tags: of each of them.
        :return: as of :meth:`set`.
        :raises EncodeError: if the codec cannot encode one; nothing is stored then.
        """
        payloads = self._payloads_of(values, version)
        if is_over(timeout):
            return self.store.remove_many(payloads) is not None
        if tags:
            payloads = run(self.store, self._tagging_many(payloads, tags, timeout, version))
        return self.store.set_many(payloads, timeout) is not False

    async def aset_many(
        self,
        values: Mapping[Any, Any],
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`set_many`."""
        payloads = self._payloads_of(values, version)
        if is_over(timeout):
            return await self.store.aremove_many(payloads) is not None
        if tags:
            payloads = await arun(self.store, self._tagging_many(payloads, tags, timeout, version))
        return await self.store.aset_many(payloads, timeout) is not False

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store a value atomically unless there is one.

        :param tags: of the value. With tags, one whose own were deleted does not count as there;
            without, nobody looks.
        :return: whether there was none.
        """
        raw = self.make_key(key, version)
        payload = self.codec.encode(value, raw)
        if is_over(timeout):
            return strict(self.store).get(raw) is None
        if tags:
            steps = self._adding_tagged(raw, payload, tags, timeout, version)
            return run(strict(self.store), steps)
        return self.store.add(raw, payload, timeout)

    async def aadd(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`add`."""
        raw = self.make_key(key, version)
        payload = self.codec.encode(value, raw)
        if is_over(timeout):
            return await strict(self.store).aget(raw) is None
        if tags:
            steps = self._adding_tagged(raw, payload, tags, timeout, version)
            return await arun(strict(self.store), steps)
        return await self.store.aadd(raw, payload, timeout)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int | None:
        """Add to a stored ``int`` atomically; its timeout stays.

        :return: the new number, or ``None`` if there is no value.
        :raises DecodeError: if the value is not an ``int``.
        :raises TypeError: if ``delta`` is not.
        """
        return self.store.incr(self.make_key(key, version), index(delta))

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int | None:
        """See :meth:`incr`."""
        return await self.store.aincr(self.make_key(key, version), index(delta))

    def count(self, key: Any, delta: int, timeout: float | None, version: int | None = None) -> int:
        """Add to a stored ``int`` atomically; a missing one counts as 0.

        :param timeout: of a number that was missing; that of an existing one stays.
        :return: the new number.
        :raises DecodeError: if the value is not an ``int``.
        :raises TypeError: if ``delta`` is not.
        """
        return run(self.store, self._counting(key, delta, timeout, version))

    async def acount(
        self, key: Any, delta: int, timeout: float | None, version: int | None = None
    ) -> int:
        """See :meth:`count`."""
        return await arun(self.store, self._counting(key, delta, timeout, version))

    # ------------------------------------------------------------ removing

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Remove a value.

        :return: whether there was one.
        """
        return bool(self.store.remove(self.make_key(key, version)))

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`delete`."""
        return bool(await self.store.aremove(self.make_key(key, version)))

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> int:
        """Remove values.

        :return: how many there were.
        """
        return self.store.remove_many(self.make_keys(keys, version)) or 0

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> int:
        """See :meth:`delete_many`."""
        return await self.store.aremove_many(self.make_keys(keys, version)) or 0

    def clear(self) -> int:
        """Remove this cache's values, all versions of them.

        These are the keys under ``PREFIX:``, so also those of a cache whose prefix begins with
        this one and a colon. A custom key function may put keys anywhere, so with
        one it is every record of the database but sessions and locks.

        :return: how many there were.
        """
        return run(strict(self.store), self._clearing())

    async def aclear(self) -> int:
        """See :meth:`clear`."""
        return await arun(strict(self.store), self._clearing())

    def flush(self) -> None:
        """Remove every record of the database, other prefixes' and sessions included."""
        self.store.flush()

    async def aflush(self) -> None:
        """See :meth:`flush`."""
        await self.store.aflush()

    # ------------------------------------------------------------ in steps

    def _counting(
        self, key: Any, delta: int, timeout: float | None, version: int | None
    ) -> Steps[int]:
        delta = int(index(delta))  # another kind of integer would be stored as another kind
        raw = self.make_key(key, version)
        while True:
            number: int | None = yield Ask("incr", raw, delta)
            if number is not None:
                return number
            if is_over(timeout) or (yield Ask("add", raw, self.codec.encode(delta, raw), timeout)):
                return delta

    def _clearing(self) -> Steps[int]:
        if self.key_function is not default_key:
            return (yield from self._clearing_all_but(PROTECTED_PREFIXES))
        prefix, removed = encode_key(f"{self.prefix}:"), 0
        while True:
            keys = yield Ask("keys", prefix, _BATCH)
            count = (yield Ask("remove_many", keys)) if keys else 0
            removed += count
            if len(keys) < _BATCH:
                return removed
            if not count:  # all are past their time, and the engine lists them until it sweeps them
                return removed + (yield from self._removing((yield Ask("keys", prefix))))

    def _clearing_all_but(self, prefixes: tuple[bytes, ...]) -> Steps[int]:
        after, removed = None, 0
        while True:
            listed, after = yield Ask("page", b"", after, _BATCH)
            keys = [key for key in listed if not key.startswith(prefixes)]
            removed += yield from self._removing(keys)
            if after is None:
                return removed

    def _removing(self, keys: Sequence[bytes]) -> Steps[int]:
        removed = 0
        for start in range(0, len(keys), _BATCH):
            removed += yield Ask("remove_many", keys[start : start + _BATCH])
        return removed
