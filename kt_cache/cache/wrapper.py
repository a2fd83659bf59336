"""A store around another one: every call comes by one place, where more can be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

from kt_cache.cache.store import Place, Store

__all__ = ["StoreWrapper"]

T = TypeVar("T")


class StoreWrapper:
    """Passes calls on to another store, each through :meth:`_run` or :meth:`_arun`.

    :param store: the other one.
    """

    strict: Store
    """The same store, with no error ignored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def raising(self, kind: type[Exception]) -> Store:  # noqa: ARG002 - it ignores none
        """Return the same store, with no error of a kind ignored."""
        return self.strict

    def _run(self, operation: str, call: Callable[..., T], *args: Any) -> T:
        """Carry out a call.

        :param operation: name of the store's method, that of the blocking one.
        :param call: the other store's method.
        :param args: for it.
        """
        raise NotImplementedError

    async def _arun(self, operation: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Carry out a call on the running event loop; see :meth:`_run`."""
        raise NotImplementedError

    @property
    def config(self) -> Place:
        """What stores share the knowledge of failures by."""
        return self._store.config

    @property
    def client(self) -> Any:
        """A direct client of the engine, which knows nothing of all this."""
        return self._store.client

    # ------------------------------------------------------------ the calls of a store
    # Nothing asked for is nothing sent, and must not pass for an answer of the server.

    def get(self, key: bytes) -> bytes | None:
        """Return a payload; ``None`` if there is none."""
        return self._run("get", self._store.get, key)

    async def aget(self, key: bytes) -> bytes | None:
        """See :meth:`get`."""
        return await self._arun("get", self._store.aget, key)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the payloads found."""
        return self._run("get_many", self._store.get_many, keys) if keys else {}

    async def aget_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """See :meth:`get_many`."""
        return await self._arun("get_many", self._store.aget_many, keys) if keys else {}

    def get_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """Return a payload and the seconds it has left."""
        return self._run("get_with_ttl", self._store.get_with_ttl, key)

    async def aget_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """See :meth:`get_with_ttl`."""
        return await self._arun("get_with_ttl", self._store.aget_with_ttl, key)

    def get_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """Return the payloads found and the seconds they have left."""
        if not keys:
            return {}
        return self._run("get_many_with_ttl", self._store.get_many_with_ttl, keys)

    async def aget_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """See :meth:`get_many_with_ttl`."""
        if not keys:
            return {}
        return await self._arun("get_many_with_ttl", self._store.aget_many_with_ttl, keys)

    def set(self, key: bytes, payload: bytes, ttl: float | None) -> bool | None:
        """Store a payload."""
        return self._run("set", self._store.set, key, payload, ttl)

    async def aset(self, key: bytes, payload: bytes, ttl: float | None) -> bool | None:
        """See :meth:`set`."""
        return await self._arun("set", self._store.aset, key, payload, ttl)

    def set_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> bool | None:
        """Store payloads."""
        if not payloads:
            return None
        return self._run("set_many", self._store.set_many, payloads, ttl)

    async def aset_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> bool | None:
        """See :meth:`set_many`."""
        if not payloads:
            return None
        return await self._arun("set_many", self._store.aset_many, payloads, ttl)

    def add(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload unless there is one."""
        return self._run("add", self._store.add, key, payload, ttl)

    async def aadd(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`add`."""
        return await self._arun("add", self._store.aadd, key, payload, ttl)

    def replace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload only if there is one."""
        return self._run("replace", self._store.replace, key, payload, ttl)

    async def areplace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`replace`."""
        return await self._arun("replace", self._store.areplace, key, payload, ttl)

    def swap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """Store a payload only if there is a certain other one."""
        return self._run("swap", self._store.swap, key, old, new, ttl)

    async def aswap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """See :meth:`swap`."""
        return await self._arun("swap", self._store.aswap, key, old, new, ttl)

    def get_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """Return a payload, a token of its record and the seconds it has left."""
        return self._run("get_record", self._store.get_record, key)

    async def aget_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """See :meth:`get_record`."""
        return await self._arun("get_record", self._store.aget_record, key)

    def swap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """Store a payload only if the record is still the one of a token."""
        return self._run("swap_record", self._store.swap_record, key, token, payload, ttl)

    async def aswap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """See :meth:`swap_record`."""
        return await self._arun("swap_record", self._store.aswap_record, key, token, payload, ttl)

    def touch(self, key: bytes, ttl: float | None) -> bool:
        """Give a record a new time to live."""
        return self._run("touch", self._store.touch, key, ttl)

    async def atouch(self, key: bytes, ttl: float | None) -> bool:
        """See :meth:`touch`."""
        return await self._arun("touch", self._store.atouch, key, ttl)

    def incr(self, key: bytes, delta: int) -> int | None:
        """Add to a counter."""
        return self._run("incr", self._store.incr, key, delta)

    async def aincr(self, key: bytes, delta: int) -> int | None:
        """See :meth:`incr`."""
        return await self._arun("incr", self._store.aincr, key, delta)

    def pop(self, key: bytes) -> bytes | None:
        """Remove a record and return its payload."""
        return self._run("pop", self._store.pop, key)

    async def apop(self, key: bytes) -> bytes | None:
        """See :meth:`pop`."""
        return await self._arun("pop", self._store.apop, key)

    def remove(self, key: bytes) -> bool | None:
        """Remove a record."""
        return self._run("remove", self._store.remove, key)

    async def aremove(self, key: bytes) -> bool | None:
        """See :meth:`remove`."""
        return await self._arun("remove", self._store.aremove, key)

    def remove_many(self, keys: Collection[bytes]) -> int | None:
        """Remove records."""
        return self._run("remove_many", self._store.remove_many, keys) if keys else 0

    async def aremove_many(self, keys: Collection[bytes]) -> int | None:
        """See :meth:`remove_many`."""
        return await self._arun("remove_many", self._store.aremove_many, keys) if keys else 0

    def keys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """List the keys that begin with a prefix, or some of them."""
        return self._run("keys", self._store.keys, prefix, most)

    async def akeys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """See :meth:`keys`."""
        return await self._arun("keys", self._store.akeys, prefix, most)

    def page(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """List some of the keys that begin with a prefix."""
        return self._run("page", self._store.page, prefix, after, limit)

    async def apage(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """See :meth:`page`."""
        return await self._arun("page", self._store.apage, prefix, after, limit)

    def flush(self) -> None:
        """Remove every record."""
        self._run("flush", self._store.flush)

    async def aflush(self) -> None:
        """See :meth:`flush`."""
        await self._arun("flush", self._store.aflush)
