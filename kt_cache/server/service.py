"""What all connections of a server share: the databases, the time, the counts."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from kt_cache._version import __version__
from kt_cache.server.lua import ScriptHost
from kt_cache.server.options import ServerOptions
from kt_cache.server.signals import Signals
from kt_cache.storage import Database

__all__ = ["SERVER_NAME", "Counts", "Service", "Watched"]

SERVER_NAME = f"kt_cache/{__version__}"

_RECEIVE = 2**18  # bytes taken in at a time

_leading_digits = re.compile(rb"[0-9]{1,9}").match


@dataclass(slots=True)
class Counts:
    """Operations since the start, by all protocols; bulk ones count per record."""

    get: int = 0
    get_misses: int = 0
    set: int = 0
    set_misses: int = 0
    remove: int = 0
    remove_misses: int = 0
    script: int = 0
    misc: int = 0

    def count_get(self, given: int, found: int) -> None:
        """Count reads."""
        self.get += given
        self.get_misses += given - found

    def count_set(self, given: int, stored: int) -> None:
        """Count writes that store something, or were to."""
        self.set += given
        self.set_misses += given - stored

    def count_remove(self, given: int, removed: int) -> None:
        """Count removals."""
        self.remove += given
        self.remove_misses += given - removed


class Watched(Protocol):
    """A connection, as those see it who look after all of them.

    :ivar heard: :attr:`Service.tick` when something last came from the client.
    """

    heard: float

    def check(self, tick: float) -> None:
        """End the connection if it was silent, or busy with one request, for too long."""

    def finish(self) -> None:
        """Carry out what was received and end the connection when its replies are read."""

    def abort(self) -> None:
        """End the connection at once."""


class Service:
    """The shared state of one server.

    :param databases: open databases; closing them is up to who opened them.
    :param scripts: what plays the scripts, if the server has any.
    :param clock: the Unix time. Nothing else in the server asks what time it is.
    """

    def __init__(
        self,
        options: ServerOptions,
        databases: Sequence[Database],
        *,
        scripts: ScriptHost | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.scripts = scripts
        self.databases = tuple(databases)
        self.counts = Counts()
        self.signals = Signals(max_waiting=options.max_waiting, max_wait=options.max_wait)
        self.connections: set[Watched] = set()
        self.incoming = memoryview(bytearray(_RECEIVE))
        """Where every connection's bytes arrive, to be taken out before the next ones do."""
        self.port = options.port
        """The port in fact listened on."""
        self.tick = 0.0
        """The event loop's time, advanced a few times a second."""
        self.clock = clock
        self.started = clock()
        self._by_name = {database.name.encode(): database for database in self.databases}
        self._date = (0, "")
        self._alone = asyncio.Event()
        self._alone.set()

    def join(self, connection: Watched) -> None:
        """Take a connection in."""
        self.connections.add(connection)
        self._alone.clear()

    def leave(self, connection: Watched) -> None:
        """Forget a connection, if it was taken in."""
        self.connections.discard(connection)
        if not self.connections:
            self._alone.set()

    async def wait_until_alone(self) -> None:
        """Wait until the last connection has left."""
        await self._alone.wait()

    def now(self) -> int:
        """Return the current Unix second."""
        return int(self.clock())

    def find_database(self, name: bytes) -> Database | None:
        """Return the database with that index or name; the empty name is index 0."""
        if not name:
            return self.databases[0]
        digits = _leading_digits(name)
        if not digits:
            return self._by_name.get(name)
        index = int(digits[0])
        return self.databases[index] if index < len(self.databases) else None

    def http_date(self, now: int) -> str:
        """Return the time as HTTP wants it."""
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]
