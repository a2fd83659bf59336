"""One call of a TSV-RPC procedure: its parameters, read as the procedures need them."""

from __future__ import annotations

import logging
from typing import TypeAlias

from kt_cache.errors import StorageError
from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN, resolve_expiry
from kt_cache.server.parameters import parse_integer
from kt_cache.server.service import Counts, Service
from kt_cache.storage import Cursor, Database, open_cursor

__all__ = ["Call", "Failure", "Rows", "expiry_row", "report_failure"]

_log = logging.getLogger(__name__)

Rows: TypeAlias = dict[bytes, bytes]


class Failure(Exception):
    """A call's negative end.

    :param status: HTTP status.
    :param text: what the ERROR row says.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @classmethod
    def no_record(cls, status: int = 450) -> Failure:
        """The record is missing, or the cursor stands nowhere."""
        return cls(status, "DB: 7: no record: no record")

    @classmethod
    def not_implemented(cls, name: str) -> Failure:
        """There is no such procedure."""
        return cls(501, f"not implemented: {name}")

    @classmethod
    def unordered(cls) -> Failure:
        """The database has no order to go back in."""
        return cls(501, "DB: 1: not implemented: not implemented")

    @classmethod
    def duplicate(cls) -> Failure:
        """The record exists."""
        return cls(450, "DB: 6: record duplication: record duplication")

    @classmethod
    def inconsistent(cls, detail: str = "logical inconsistency") -> Failure:
        """The record is not what the operation needs."""
        return cls(450, f"DB: 8: logical inconsistency: {detail}")


class Call:
    """One call.

    :param params: the input map.
    :param cursors: the connection's cursors by number.
    :param now: current Unix second.
    """

    __slots__ = ("cursors", "name", "new_cursor", "now", "params", "service")

    def __init__(
        self,
        service: Service,
        cursors: dict[int, Cursor],
        name: bytes,
        params: dict[bytes, bytes],
        now: int,
    ) -> None:
        self.service = service
        self.cursors = cursors
        self.name = name
        self.params = params
        self.now = now
        self.new_cursor = self._make_cursor()

    @property
    def counts(self) -> Counts:
        """The server's counts of operations."""
        return self.service.counts

    # ------------------------------------------------------------ parameters

    def required(self, name: bytes) -> bytes:
        """Return a parameter that must be present."""
        value = self.params.get(name)
        if value is None:
            raise Failure(400, "invalid parameters")
        return value

    def integer(self, name: bytes, default: int) -> int:
        """Return a parameter as an integer."""
        value = self.params.get(name)
        return default if value is None else parse_integer(value)

    def flag(self, name: bytes) -> bool:
        """Tell whether a parameter is present, whatever it says."""
        return name in self.params

    @property
    def xt(self) -> int:
        """The absolute expiration time of what is to be written."""
        return resolve_expiry(self.integer(b"xt", NEVER_GIVEN), self.now)

    @property
    def database(self) -> Database:
        """The database that the call names."""
        database = self.service.find_database(self.params.get(b"DB", b""))
        if database is None:
            raise Failure(400, "no such database")
        return database

    def underscored(self) -> Rows:
        """Return the parameters whose names begin with an underscore, without it."""
        return {name[1:]: value for name, value in self.params.items() if name[:1] == b"_"}

    # ------------------------------------------------------------ cursors

    @property
    def cursor_number(self) -> int | None:
        """The number of the cursor that the call names."""
        text = self.params.get(b"CUR", b"")
        return parse_integer(text) if text[:1].isdigit() else None

    @property
    def cursor(self) -> Cursor:
        """The cursor that the call names."""
        number = self.cursor_number
        cursor = None if number is None else self.cursors.get(number)
        if cursor is None:
            raise Failure(400, "no such cursor")
        return cursor

    def _make_cursor(self) -> bool:
        """Make the cursor that the call names, whatever the procedure, unless there is one."""
        number = self.cursor_number
        if number is None or number in self.cursors:
            return False
        database = self.service.find_database(self.params.get(b"DB", b""))
        if database is None or len(self.cursors) >= self.service.options.max_cursors:
            return False
        self.cursors[number] = open_cursor(database)
        return True


def expiry_row(xt: int) -> Rows:
    """Return the row that shows an expiration time: none for a record that has none."""
    return {} if xt >= NEVER else {b"xt": b"%d" % xt}


def report_failure(error: StorageError) -> Failure:
    """Log what a storage engine could not do, and return what the client is told."""
    _log.error("a request failed: %s", error.message)
    return Failure(500, "DB: 9: system error: the server's log says why")
