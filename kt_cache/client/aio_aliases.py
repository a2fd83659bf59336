"""Names by which earlier clients know the asyncio client's methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kt_cache.client.aio_mapping import AsyncMappingMethods
from kt_cache.client.readable import counter
from kt_cache.protocol.expiry import ExpireTime

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from kt_cache.client.call import Signals

__all__ = ["AsyncAliasMethods"]

Key = str | bytes


class AsyncAliasMethods(AsyncMappingMethods):
    """The same calls under the names of the clients kt and python-kyototycoon-ng."""

    async def get_raw(self, key: Key, db: int | None = None) -> bytes | None:
        """Do what :meth:`get_bytes` does."""
        return await self.get_bytes(key, db)

    async def get_bulk_raw(self, keys: Iterable[Key], db: int | None = None) -> dict[Any, bytes]:
        """Do what :meth:`get_bulk` does, without deserializing the values."""
        return await self.get_bulk(keys, db, False)

    async def get_int(self, key: Key, db: int | None = None) -> int | None:
        """Return the number in a counter made by :meth:`increment`, without changing it.

        :return: ``None`` if there is no record.
        :raises ServerError: if the record is not such a counter.
        """
        return counter(key, await self.get_bytes(key, db))

    async def incr(
        self,
        key: Key,
        n: int = 1,
        orig: int | str | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
    ) -> int:
        """Do what :meth:`increment` does."""
        return await self.increment(key, n, orig, db, expire_time)

    async def incr_double(
        self,
        key: Key,
        n: float = 1.0,
        orig: float | str | None = None,
        db: int | None = None,
        expire_time: ExpireTime = None,
    ) -> float:
        """Do what :meth:`increment_double` does."""
        return await self.increment_double(key, n, orig, db, expire_time)

    async def check(self, key: Key, db: int | None = None, **signals: Unpack[Signals]) -> bool:
        """Do what :meth:`exists` does."""
        return await self.exists(key, db, **signals)

    async def play_script(
        self, name: Key, kv_dict: Mapping[Any, Any] | None = None
    ) -> dict[Any, bytes] | None:
        """Call a Lua function; inputs and outputs are not serialized.

        :param kv_dict: input names and values: bytes, text or numbers.
        """
        return await self.script(name, kv_dict, encode_values=False, decode_values=False)
