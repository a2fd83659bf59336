"""The asyncio client's questions about, and care for, whole databases and the server."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from kt_cache.client import administration, bulk_procedures
from kt_cache.client.aio_procedures import AsyncProcedureMethods
from kt_cache.client.call import Signals
from kt_cache.client.readable import (
    LogFile,
    database_paths,
    figure,
    log_files,
    nanoseconds,
    numbers,
)
from kt_cache.serializers import encode_key

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncDatabaseMethods"]

Key = str | bytes


class AsyncDatabaseMethods(AsyncProcedureMethods):
    """Lists of keys, statistics, maintenance, update log and replication.

    The options ``signal``, ``wait`` and ``send`` are those of
    :class:`~kt_cache.client.aio_procedures.AsyncProcedureMethods`.
    """

    # ------------------------------------------------------------ lists of keys

    async def match_prefix(
        self,
        prefix: Key,
        max_keys: int | None = None,
        db: int | None = None,
        **signals: Unpack[Signals],
    ) -> list[Any]:
        """List the keys that begin with a prefix, in the server's order.

        :param max_keys: most keys to return; ``None`` for all.
        :return: keys, those of expired records that the server has not swept yet included.
        """
        where = self._where(db, signals)
        command = bulk_procedures.match_prefix(where, encode_key(prefix), max_keys)
        return [self._shown_key(key) for key in await self._call(command, signals)]

    async def match_regex(
        self,
        regex: Key,
        max_keys: int | None = None,
        db: int | None = None,
        **signals: Unpack[Signals],
    ) -> list[Any]:
        """List the keys in which a regular expression is found; else as :meth:`match_prefix`.

        :param regex: a POSIX extended regular expression.
        :raises ServerError: if it is not one.
        """
        where = self._where(db, signals)
        command = bulk_procedures.match_regex(where, encode_key(regex), max_keys)
        return [self._shown_key(key) for key in await self._call(command, signals)]

    async def match_similar(
        self,
        origin: Key,
        distance: int | None = None,
        max_keys: int | None = None,
        db: int | None = None,
        **signals: Unpack[Signals],
    ) -> list[Any]:
        """List the keys similar to a text, the nearest first; else as :meth:`match_prefix`.

        :param distance: how many characters may be inserted, removed or changed; 1 if ``None``.
        """
        where = self._where(db, signals)
        command = bulk_procedures.match_similar(where, encode_key(origin), distance, max_keys)
        return [self._shown_key(key) for key in await self._call(command, signals)]

    async def keys_nonlazy(self, db: int | None = None) -> list[Any]:
        """List all keys at once, expired ones that the server has not swept yet included."""
        return await self.match_prefix(b"", db=db)

    # ------------------------------------------------------------ statistics

    async def status(self, db: int | None = None, **signals: Unpack[Signals]) -> dict[str, Any]:
        """Return what the server says about a database, such as ``count``, ``size``, ``path``.

        :return: field -> ``int``, ``float`` or ``str``.
        """
        where = self._where(db, signals)
        return numbers(await self._call(administration.status(where), signals))

    async def report(self, **signals: Unpack[Signals]) -> dict[str, Any]:
        """Return what the server says about itself: counters, versions, databases, memory.

        :return: field -> ``int``, ``float`` or ``str``.
        """
        where = self._where(None, signals)
        return numbers(await self._call(administration.report(where), signals))

    async def count(self, db: int | None = None, **signals: Unpack[Signals]) -> int:
        """Return the number of records, expired ones not yet swept included."""
        return figure(await self.status(db, **signals), "count")

    async def size(self, db: int | None = None) -> int:
        """Return the size of a database in bytes."""
        return figure(await self.status(db), "size")

    async def list_databases(self) -> list[tuple[str, dict[str, Any]]]:
        """Return ``(path, status)`` of every database, in the order of their indexes."""
        paths = database_paths(await self.report())
        return [(path, await self.status(db)) for db, path in enumerate(paths)]

    async def databases(self) -> list[str]:
        """The paths of the server's databases, in the order of their indexes. Asks the server."""
        return database_paths(await self.report())

    async def path(self) -> str:
        """The path of the default database. Asks the server."""
        return str((await self.status())["path"])

    # ------------------------------------------------------------ maintenance

    async def clear(self, db: int | None = None, **signals: Unpack[Signals]) -> bool:
        """Remove all records of a database.

        :return: ``True``.
        """
        return await self._call(administration.clear(self._where(db, signals)), signals)

    async def synchronize(
        self,
        hard: bool = False,
        command: str | None = None,
        db: int | None = None,
        **signals: Unpack[Signals],
    ) -> bool:
        """Write a database to its file.

        :param hard: to the disk itself, not only to the operating system.
        :param command: a program in the server's command directory to call afterwards.
        :return: ``True``.
        :raises ServerError: if that failed.
        """
        where = self._where(db, signals)
        name = None if command is None else encode_key(command)
        return await self._call(administration.synchronize(where, hard=hard, command=name), signals)

    async def vacuum(
        self, step: int = 0, db: int | None = None, **signals: Unpack[Signals]
    ) -> bool:
        """Remove expired records now, which the server otherwise does bit by bit.

        :param step: look at about so many records; 0 for all.
        :return: ``True``.
        """
        where = self._where(db, signals)
        return await self._call(administration.vacuum(where, step if step > 0 else None), signals)

    # ------------------------------------------------------------ update log and replication

    async def ulog_list(self) -> list[LogFile]:
        """List the files of the server's update log, the oldest first.

        :return: ``(path, size in bytes, local time of the last entry)``. That is a naive
            ``datetime``, in 1970 if there is no entry yet.
        :raises ServerError: if the server keeps no update log.
        """
        return log_files(await self._executor.run(administration.ulog_list()))

    async def ulog_remove(self, max_dt: datetime | None = None) -> bool:
        """Remove old files of the update log; the newest one always stays.

        :param max_dt: those whose last entry is not later; now if ``None``. A naive one is local
            time.
        :return: ``True``.
        :raises ServerError: if the server keeps no update log.
        """
        return await self._executor.run(administration.ulog_remove(nanoseconds(max_dt)))

    async def tune_replication(
        self,
        host: str | None = None,
        port: int | None = None,
        timestamp: int | str | None = None,
        interval: float | None = None,
    ) -> bool:
        """Change which server this one follows.

        :param host: of the server to follow; ``None`` to follow none any more.
        :param port: its port; 1978 if ``None``.
        :param timestamp: from which entry of its update log on, in nanoseconds, or ``"now"``; where
            it was if ``None``.
        :param interval: milliseconds to rest per entry; unchanged if ``None``.
        :return: ``True``.
        :raises ServerError: if the server was not started to follow another.
        """
        return await self._executor.run(
            administration.tune_replication(host, port, timestamp, interval)
        )
