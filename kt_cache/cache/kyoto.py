"""The store on a Kyoto Tycoon server."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from kt_cache.cache import operations
from kt_cache.cache.envelope import is_past, relative_xt, time_left, unwrap, unwrap_living, wrap
from kt_cache.cache.script import ADD, INCREMENT, SCRIPT, TOUCH, Atomic
from kt_cache.client import KyotoTycoon, administration, bulk_procedures, procedures, records
from kt_cache.client.aio_executor import AsyncExecutor
from kt_cache.client.cache_functions import NoAnswer
from kt_cache.client.command import Command
from kt_cache.client.executor import Executor
from kt_cache.protocol.binary import Found
from kt_cache.serializers import KT_NONE
from kt_cache.transport import PoolConfig, get_pool

__all__ = ["KyotoStore"]

T = TypeVar("T")


class KyotoStore:
    """A :class:`~kt_cache.cache.store.Store` on one database of one server.

    :param config: where the server is, and the limits on waiting for it.
    :param db: database index.
    :param clock: Unix time in seconds, for deadlines finer than the server's.
    """

    def __init__(
        self, config: PoolConfig, *, db: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config
        self.db = db
        self._clock = clock
        self._executor = Executor(get_pool(config))
        self._async_executor = AsyncExecutor(config)

    @property
    def client(self) -> KyotoTycoon:
        """A direct client of the same server and database, sharing the connections."""
        return KyotoTycoon(config=self.config, default_db=self.db, serializer=KT_NONE)

    # ------------------------------------------------------------ reading

    def get(self, key: bytes) -> bytes | None:
        """Return a payload, or ``None``. One round trip."""
        found = self._executor.run(records.get(self.db, key))
        return None if found is None else self._live_payload(*found)

    async def aget(self, key: bytes) -> bytes | None:
        """See :meth:`get`."""
        found = await self._async_executor.run(records.get(self.db, key))
        return None if found is None else self._live_payload(*found)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the payloads found. One round trip."""
        if not keys:
            return {}
        return unwrap_living(self._executor.run(self._read(keys)), self._clock())

    async def aget_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """See :meth:`get_many`."""
        if not keys:
            return {}
        return unwrap_living(await self._async_executor.run(self._read(keys)), self._clock())

    def get_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """Return a payload and the seconds it has left. One round trip."""
        return self._payload_and_ttl(self._executor.run(records.get(self.db, key)))

    async def aget_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """See :meth:`get_with_ttl`."""
        return self._payload_and_ttl(await self._async_executor.run(records.get(self.db, key)))

    def get_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """Return a payload, a token of its record and the seconds it has left. One round trip."""
        return self._payload_and_token(self._executor.run(records.get(self.db, key)))

    async def aget_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """See :meth:`get_record`."""
        return self._payload_and_token(await self._async_executor.run(records.get(self.db, key)))

    def get_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """Return the payloads found and the seconds they have left. One round trip."""
        return self._payloads_and_ttls(self._executor.run(self._read(keys))) if keys else {}

    async def aget_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """See :meth:`get_many_with_ttl`."""
        if not keys:
            return {}
        return self._payloads_and_ttls(await self._async_executor.run(self._read(keys)))

    def keys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """List the keys that begin with a prefix, or the first so many, in one round trip.

        Expired records that the server has not swept yet are among them.
        """
        return self._executor.run(bulk_procedures.match_prefix(self.db, prefix, most))

    async def akeys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """See :meth:`keys`."""
        return await self._async_executor.run(bulk_procedures.match_prefix(self.db, prefix, most))

    def page(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """List some of the keys that begin with a prefix. One round trip, the first one to three.

        An unordered database lists all of them at once.
        """
        return self._executor.drive(operations.page(self.db, prefix, after, limit))

    async def apage(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """See :meth:`page`."""
        return await self._async_executor.drive(operations.page(self.db, prefix, after, limit))

    # ------------------------------------------------------------ writing

    def set(self, key: bytes, payload: bytes, ttl: float | None) -> None:
        """Store a payload. One round trip."""
        self._executor.run(self._write(key, payload, ttl))

    async def aset(self, key: bytes, payload: bytes, ttl: float | None) -> None:
        """See :meth:`set`."""
        await self._async_executor.run(self._write(key, payload, ttl))

    def set_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> None:
        """Store payloads. One round trip."""
        if payloads:
            self._executor.run(self._write_many(payloads, ttl))

    async def aset_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> None:
        """See :meth:`set_many`."""
        if payloads:
            await self._async_executor.run(self._write_many(payloads, ttl))

    def add(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload unless there is one. One round trip with the script, and as a rule."""
        return self._do(ADD, self.db, key, payload, ttl, self._clock)

    async def aadd(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`add`."""
        return await self._ado(ADD, self.db, key, payload, ttl, self._clock)

    def replace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload only if the server still holds one. One round trip."""
        record = wrap(payload, self._deadline(ttl))
        return self._executor.run(procedures.replace(self.db, key, record, relative_xt(ttl)))

    async def areplace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`replace`."""
        record = wrap(payload, self._deadline(ttl))
        command = procedures.replace(self.db, key, record, relative_xt(ttl))
        return await self._async_executor.run(command)

    def swap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """Store a payload if there is a certain other one. Two round trips; one if a counter."""
        operation = operations.swap(self.db, key, old, new, ttl, self._clock)
        return self._executor.drive(operation)

    async def aswap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """See :meth:`swap`."""
        operation = operations.swap(self.db, key, old, new, ttl, self._clock)
        return await self._async_executor.drive(operation)

    def swap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """Store a payload if the record is still the one of a token. One round trip."""
        record = wrap(payload, self._deadline(ttl))
        command = procedures.cas(self.db, key, token, record, relative_xt(ttl))
        return record if self._executor.run(command) else None

    async def aswap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """See :meth:`swap_record`."""
        record = wrap(payload, self._deadline(ttl))
        command = procedures.cas(self.db, key, token, record, relative_xt(ttl))
        return record if await self._async_executor.run(command) else None

    def touch(self, key: bytes, ttl: float | None) -> bool:
        """Give a record a new time to live. One round trip with the script, two without."""
        return self._do(TOUCH, self.db, key, ttl, self._clock)

    async def atouch(self, key: bytes, ttl: float | None) -> bool:
        """See :meth:`touch`."""
        return await self._ado(TOUCH, self.db, key, ttl, self._clock)

    def incr(self, key: bytes, delta: int) -> int | None:
        """Add to a counter and keep its time to live.

        One round trip with the script; two without, or past 14 digits.
        """
        return self._do(INCREMENT, self.db, key, delta, self._clock)

    async def aincr(self, key: bytes, delta: int) -> int | None:
        """See :meth:`incr`."""
        return await self._ado(INCREMENT, self.db, key, delta, self._clock)

    # ------------------------------------------------------------ removing

    def pop(self, key: bytes) -> bytes | None:
        """Remove a record and return its payload. One round trip."""
        found = self._executor.run(procedures.take(self.db, key))
        return None if found is None else self._live_payload(*found)

    async def apop(self, key: bytes) -> bytes | None:
        """See :meth:`pop`."""
        found = await self._async_executor.run(procedures.take(self.db, key))
        return None if found is None else self._live_payload(*found)

    def remove(self, key: bytes) -> bool:
        """Remove a record. One round trip."""
        return bool(self._executor.run(records.remove(self.db, key)))

    async def aremove(self, key: bytes) -> bool:
        """See :meth:`remove`."""
        return bool(await self._async_executor.run(records.remove(self.db, key)))

    def remove_many(self, keys: Collection[bytes]) -> int:
        """Remove records. One round trip."""
        removed = self._executor.run(self._removal(keys)) if keys else 0
        return removed or 0

    async def aremove_many(self, keys: Collection[bytes]) -> int:
        """See :meth:`remove_many`."""
        removed = await self._async_executor.run(self._removal(keys)) if keys else 0
        return removed or 0

    def flush(self) -> None:
        """Remove every record of the database."""
        self._executor.run(administration.clear(self.db))

    async def aflush(self) -> None:
        """See :meth:`flush`."""
        await self._async_executor.run(administration.clear(self.db))

    # ------------------------------------------------------------ what both ways share

    def _do(self, atomic: Atomic[T], *what: Any) -> T:
        """Call the script if it is known to be there, as it nearly always is; else find a way."""
        executor, answer = self._executor, NoAnswer.NOT_ASKED
        if executor.pool.findings.get(SCRIPT):
            result: T | NoAnswer = executor.run(atomic.call(*what))
            if not isinstance(result, NoAnswer):
                return result
            answer = result
        return executor.drive(atomic.find_way(what, executor.pool, answer))

    async def _ado(self, atomic: Atomic[T], *what: Any) -> T:
        """See :meth:`_do`."""
        executor, answer = self._async_executor, NoAnswer.NOT_ASKED
        pool = executor.pool
        if pool.findings.get(SCRIPT):
            result: T | NoAnswer = await executor.run(atomic.call(*what))
            if not isinstance(result, NoAnswer):
                return result
            answer = result
        return await executor.drive(atomic.find_way(what, pool, answer))

    def _read(self, keys: Collection[bytes]) -> Command[list[Found]]:
        return records.get_bulk([(self.db, key) for key in keys])

    def _write(self, key: bytes, payload: bytes, ttl: float | None) -> Command[int | None]:
        record = wrap(payload, self._deadline(ttl))
        return records.set_one(self.db, key, record, relative_xt(ttl))

    def _write_many(
        self, payloads: Mapping[bytes, bytes], ttl: float | None
    ) -> Command[int | None]:
        deadline = self._deadline(ttl)
        return records.set_many(
            self.db,
            payloads.items(),
            len(payloads),
            relative_xt(ttl),
            bytes,
            lambda payload: wrap(payload, deadline),
        )

    def _removal(self, keys: Collection[bytes]) -> Command[int | None]:
        return records.remove_bulk([(self.db, key) for key in keys])

    def _deadline(self, ttl: float | None) -> float | None:
        return None if ttl is None else self._clock() + ttl

    def _live_payload(self, record: bytes, stored: int) -> bytes | None:
        payload, deadline = unwrap(record)
        if deadline is not None and is_past(deadline, stored, self._clock()):
            return None
        return payload

    def _payload_and_ttl(self, found: tuple[bytes, int] | None) -> tuple[bytes, float] | None:
        if found is None:
            return None
        record, stored = found
        payload, deadline = unwrap(record)
        now = self._clock()
        if is_past(deadline, stored, now):
            return None
        return payload, time_left(deadline, stored, now)

    def _payload_and_token(
        self, found: tuple[bytes, int] | None
    ) -> tuple[bytes, bytes, float] | None:
        payload_and_ttl = self._payload_and_ttl(found)
        if found is None or payload_and_ttl is None:
            return None
        payload, left = payload_and_ttl
        return payload, found[0], left

    def _payloads_and_ttls(self, found: list[Found]) -> dict[bytes, tuple[bytes, float]]:
        read = {key: self._payload_and_ttl((record, stored)) for _, key, record, stored in found}
        return {key: value for key, value in read.items() if value is not None}
