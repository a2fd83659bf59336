"""What the server says about itself, made readable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kt_cache.errors import ConfigError, ServerError
from kt_cache.protocol.expiry import NEVER

__all__ = [
    "LogFile",
    "as_moment",
    "counter",
    "database_paths",
    "figure",
    "log_files",
    "nanoseconds",
    "numbers",
    "origin",
]

LogFile = tuple[str, int, datetime]

_FARTHEST = 2**63 - 1

_whole = re.compile(rb"-?\d{1,20}").fullmatch
_real = re.compile(rb"-?\d{1,20}\.\d{1,20}").fullmatch
_database_field = re.compile(r"db_(\d{1,5})").fullmatch


def numbers(rows: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return the fields of a status or report, numbers as such."""
    return {name.decode(errors="replace"): _as_number(value) for name, value in rows.items()}


def _as_number(value: bytes) -> int | float | str:
    # Not what else Python takes for a number: a path may be called "nan" or "1_0".
    if _whole(value):
        return int(value)
    return float(value) if _real(value) else value.decode(errors="replace")


def figure(status: Mapping[str, Any], name: str) -> int:
    """Return a whole number out of a status.

    :raises ServerError: if it is not there; some kinds of databases do not count their records.
    """
    value = status.get(name)
    if not isinstance(value, int):
        raise ServerError(
            f"the server does not say the {name} of this database", connection_ok=True
        )
    return value


def database_paths(report: Mapping[str, Any]) -> list[str]:
    """Return the paths of the databases in a report, in the order of their indexes.

    Their fields read ``count=... size=... path=...``.
    """
    found = {}
    for name, value in report.items():
        if index := _database_field(name):
            found[int(index[1])] = str(value).partition("path=")[2]
    return [found[index] for index in sorted(found)]


def log_files(rows: Mapping[bytes, bytes]) -> list[LogFile]:
    """Return ``(path, bytes, time of the last entry)`` of the update log's files, the oldest first.

    The files' names are numbers of ten digits.
    """
    files = []
    for path, said in rows.items():
        size, _, stamp = said.partition(b":")
        try:
            moment = datetime.fromtimestamp(int(stamp) / 1e9)  # noqa: DTZ006 - as documented
            files.append((path.decode(errors="replace"), int(size), moment))
        except (ValueError, OverflowError, OSError) as error:
            raise ServerError("the list of update logs is not readable") from error
    return sorted(files)


def nanoseconds(moment: datetime | None) -> int:
    """Return a moment as the update log's time stamps are, now if ``None``."""
    moment = datetime.now() if moment is None else moment  # noqa: DTZ005 - only its timestamp
    return int(moment.timestamp() * 1e9)


def as_moment(expire_time: int | None) -> datetime | None:
    """Return an expiration time as local time, ``datetime.max`` for never."""
    if expire_time is None:
        return None
    if expire_time >= NEVER:
        return datetime.max  # noqa: DTZ901 - as the earlier clients do
    try:
        return datetime.fromtimestamp(expire_time)  # noqa: DTZ006 - as documented
    except (ValueError, OverflowError, OSError):
        return datetime.max  # noqa: DTZ901 - beyond the calendar


def counter(key: str | bytes, value: bytes | None) -> int | None:
    """Return the number in a record that ``increment`` made."""
    if value is None:
        return None
    if len(value) != 8:
        raise ServerError("the record is not a counter of eight bytes", key=key, connection_ok=True)
    return int.from_bytes(value, "big", signed=True)


def origin(orig: float | str | None, *, whole: bool) -> bytes | None:
    """Return what to send for the ``orig`` of an increment.

    :param whole: whether it must be a whole number.
    """
    if orig is None:
        return None
    if orig in ("try", "set"):
        return str(orig).encode()
    # The numbers at either end of the range mean "try" and "set" to the server.
    if not isinstance(orig, bool):
        if whole and isinstance(orig, int) and -_FARTHEST < orig < _FARTHEST:
            return b"%d" % orig
        if not whole and isinstance(orig, int | float) and abs(orig) < _FARTHEST:
            return str(float(orig)).encode()
    kind = "whole number of 64 bits" if whole else "finite number"
    raise ConfigError(f'orig must be a {kind}, "try" or "set", not {orig!r}')
