"""What the cache asks of a storage engine."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, Protocol

__all__ = ["Place", "Store"]


class Place(Hashable, Protocol):
    """Where records are and how they are reached; a frozen configuration such as ``PoolConfig``."""

    @property
    def address(self) -> str:
        """The server, for messages."""


class Store(Protocol):
    """One engine: bytes in, bytes out, times to live in seconds.

    Keys and payloads are any bytes. A time to live is positive, or ``None`` for one that never
    ends. When it is over the record is missing for the gets, pop, add, swap, touch and incr;
    replace and the removals go by what the engine still holds, which may be a moment longer, and
    so do counters. All methods raise ``KTError`` for a failure of the engine; a missing record is
    never an exception.

    Every method has a twin for event loops, its name with an ``a`` before it.
    """

    @property
    def config(self) -> Place:
        """Where the records are; stores with equal ones reach the same server in the same way."""

    @property
    def client(self) -> Any:
        """A direct client of the engine, for what the cache has no call for."""

    def get(self, key: bytes) -> bytes | None:
        """Return a payload, or ``None`` if there is none."""

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the payloads found."""

    def get_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """Return a payload and the seconds it has left, infinite for one that never ends.

        What is found has more than zero left.
        """

    def get_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """Return the payloads found, each as :meth:`get_with_ttl` does."""

    def set(self, key: bytes, payload: bytes, ttl: float | None) -> bool | None:
        """Store a payload; ``False`` says that it is not stored and the error ignored."""

    def set_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> bool | None:
        """Store payloads with one time to live; each is stored or not on its own.

        :return: as of :meth:`set`.
        """

    def add(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload atomically unless there is one; whether it was stored."""

    def replace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """Store a payload atomically only if there is one; whether it was stored."""

    def swap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """Store a payload atomically only if there is a certain other one; whether there was.

        :param old: what must be there; may be the same as ``new``, which then gets the new time.
        :param new: ``None`` to remove the record.
        """

    def get_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """Return a payload, a token of the record as it is now, and the seconds it has left.

        The token is for :meth:`swap_record` alone. The seconds are those of :meth:`get_with_ttl`.
        """

    def swap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """Store a payload atomically if the record is still the one of a token.

        It is not if anything has been stored since, its time to live included. Where the engine
        still holds it, the record may be past its time.

        :param token: ``None`` if there must be no record.
        :return: a token of the new record, or ``None`` if the payload was not stored.
        """

    def touch(self, key: bytes, ttl: float | None) -> bool:
        """Give a record a new time to live; whether there was one."""

    def incr(self, key: bytes, delta: int) -> int | None:
        """Add to a counter atomically and keep its time to live.

        :return: the new number, or ``None`` if there is no record.
        :raises DecodeError: if the payload is not a counter.
        """

    def pop(self, key: bytes) -> bytes | None:
        """Remove a record atomically and return its payload, or ``None`` if there was none."""

    def remove(self, key: bytes) -> bool | None:
        """Remove a record; whether there was one. ``None`` says that the error is ignored."""

    def remove_many(self, keys: Collection[bytes]) -> int | None:
        """Remove records; how many there were. ``None`` says that the error is ignored."""

    def keys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """List the keys that begin with a prefix, or some of them, expired ones perhaps included.

        :param most: how many of them to list at most; ``None`` for all.
        """

    def page(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """List some of the keys that begin with a prefix, expired ones perhaps included.

        Records that are there all the time are listed once; of those that come or go meanwhile it
        is not said. Nothing is held between two pages.

        :param after: where the last page said to go on; ``None`` to begin.
        :param limit: most keys to list, if the engine can list a part of them.
        :return: the keys, and where to go on; ``None`` at the end.
        """

    def flush(self) -> None:
        """Remove every record of the engine's database."""

    async def aget(self, key: bytes) -> bytes | None:
        """See :meth:`get`."""

    async def aget_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """See :meth:`get_many`."""

    async def aget_with_ttl(self, key: bytes) -> tuple[bytes, float] | None:
        """See :meth:`get_with_ttl`."""

    async def aget_many_with_ttl(self, keys: Collection[bytes]) -> dict[bytes, tuple[bytes, float]]:
        """See :meth:`get_many_with_ttl`."""

    async def aset(self, key: bytes, payload: bytes, ttl: float | None) -> bool | None:
        """See :meth:`set`."""

    async def aset_many(self, payloads: Mapping[bytes, bytes], ttl: float | None) -> bool | None:
        """See :meth:`set_many`."""

    async def aadd(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`add`."""

    async def areplace(self, key: bytes, payload: bytes, ttl: float | None) -> bool:
        """See :meth:`replace`."""

    async def aswap(self, key: bytes, old: bytes, new: bytes | None, ttl: float | None) -> bool:
        """See :meth:`swap`."""

    async def aget_record(self, key: bytes) -> tuple[bytes, bytes, float] | None:
        """See :meth:`get_record`."""

    async def aswap_record(
        self, key: bytes, token: bytes | None, payload: bytes, ttl: float | None
    ) -> bytes | None:
        """See :meth:`swap_record`."""

    async def atouch(self, key: bytes, ttl: float | None) -> bool:
        """See :meth:`touch`."""

    async def aincr(self, key: bytes, delta: int) -> int | None:
        """See :meth:`incr`."""

    async def apop(self, key: bytes) -> bytes | None:
        """See :meth:`pop`."""

    async def aremove(self, key: bytes) -> bool | None:
        """See :meth:`remove`."""

    async def aremove_many(self, keys: Collection[bytes]) -> int | None:
        """See :meth:`remove_many`."""

    async def akeys(self, prefix: bytes, most: int | None = None) -> list[bytes]:
        """See :meth:`keys`."""

    async def apage(
        self, prefix: bytes, after: bytes | None, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """See :meth:`page`."""

    async def aflush(self) -> None:
        """See :meth:`flush`."""
