"""Commands of TSV-RPC about a database as a whole, or about the server."""

from __future__ import annotations

from kt_cache.client.call import Rows, Where, call, done, params_of, rows_of
from kt_cache.client.command import Command

__all__ = [
    "clear",
    "report",
    "status",
    "synchronize",
    "tune_replication",
    "ulog_list",
    "ulog_remove",
    "vacuum",
]


def clear(where: Where) -> Command[bool]:
    """Remove all records of a database."""
    return call("clear", params_of(where), done, repeatable=False)


def status(where: Where) -> Command[Rows]:
    """Return the fields that describe a database."""
    return call("status", params_of(where), rows_of, repeatable=True)


def report(where: Where = 0) -> Command[Rows]:
    """Return the fields that describe the server.

    :param where: only for the signals in it.
    """
    return call("report", params_of(where), rows_of, repeatable=True)


def synchronize(where: Where, *, hard: bool, command: bytes | None) -> Command[bool]:
    """Write a database to its file.

    :param hard: to the disk itself, not only to the operating system.
    :param command: name of a program in the server's command directory to call afterwards.
    """
    params = params_of(where, (b"hard", b"" if hard else None), (b"command", command))
    return call("synchronize", params, done, repeatable=command is None)


def vacuum(where: Where, step: int | None) -> Command[bool]:
    """Remove expired records from ``step`` places of a database, or from all of it."""
    return call("vacuum", params_of(where, (b"step", step)), done, repeatable=True)


def ulog_list() -> Command[Rows]:
    """Return the files of the update log: path -> ``SIZE:TIMESTAMP``."""
    return call("ulog_list", [], rows_of, repeatable=True)


def ulog_remove(latest: int) -> Command[bool]:
    """Remove the update log's files whose last entry is not after a time in nanoseconds."""
    return call("ulog_remove", [(b"ts", b"%d" % latest)], done, repeatable=True)


def tune_replication(
    host: str | None, port: int | None, timestamp: int | str | None, interval: float | None
) -> Command[bool]:
    """Change whom a server follows; what is ``None`` is left out."""
    pairs = [(b"host", host), (b"port", port), (b"ts", timestamp), (b"iv", interval)]
    params = [(name, str(value).encode()) for name, value in pairs if value is not None]
    return call("tune_replication", params, done, repeatable=True)
