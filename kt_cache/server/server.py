"""The server's life: open the databases, listen, stop cleanly."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from kt_cache.errors import ConnectError
from kt_cache.lua import SCRIPT
from kt_cache.server.connection import Connection
from kt_cache.server.lua import ScriptHost, ScriptLimits, has_lua, load_scripts
from kt_cache.server.options import ServerOptions
from kt_cache.server.service import Service
from kt_cache.server.watch import Watch
from kt_cache.storage import Database, open_database

__all__ = ["Server"]

_log = logging.getLogger(__name__)

_BACKLOG = 1024


class Server:
    """The included server, run on the event loop that calls :meth:`start`.

    :param clock: the Unix time, by which records expire.
    """

    def __init__(self, options: ServerOptions, *, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self._databases = ExitStack()
        self._listener: asyncio.Server | None = None
        self._service: Service | None = None
        self._watch: Watch | None = None

    @property
    def address(self) -> str:
        """Where the server listens, as ``host:port``."""
        port = self._service.port if self._service else self._options.port
        host = self._options.host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Open the databases and listen.

        :raises ConfigError: for a name that is no database's, or a script that fails.
        :raises NotSupported: for a database or a script without the package it needs.
        :raises StorageError: if a database cannot be opened.
        :raises ConnectError: if the port cannot be listened on.
        """
        try:
            await self._start()
        except BaseException:
            self._databases.close()
            raise

    async def _start(self) -> None:
        opened = []
        for name in self._options.databases:
            database = open_database(name)
            self._databases.callback(database.close)
            opened.append(database)
        scripts = _load_scripts(self._options, opened, self._clock)
        service = Service(self._options, opened, scripts=scripts, clock=self._clock)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: Connection(service),
                self._options.host or None,
                self._options.port,
                backlog=_BACKLOG,
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise ConnectError(f"cannot listen on {self.address}: {reason}") from error
        service.port = self._listener.sockets[0].getsockname()[1]
        self._service = service
        self._watch = Watch(service)
        self._watch.start()

    async def stop(self) -> None:
        """Answer what was received, close every connection and the databases."""
        if not self._service or not self._listener or not self._watch:
            return
        self._listener.close()
        self._watch.stop()
        await _let_loop_pass()
        self._service.signals.close()
        if self._service.scripts:
            self._service.scripts.close()
        connections = self._service.connections
        for connection in tuple(connections):
            connection.finish()
        await self._wait_for_connections()
        for connection in tuple(connections):
            connection.abort()
        await self._wait_for_connections()
        self._databases.close()
        _log.info("stopped")

    async def _wait_for_connections(self) -> None:
        if self._service:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._service.wait_until_alone(), self._options.grace)


def _load_scripts(
    options: ServerOptions, databases: Sequence[Database], clock: Callable[[], float]
) -> ScriptHost | None:
    ours = [str(SCRIPT)] if options.cache_script else []
    if ours and not options.scripts and not has_lua():
        _log.info(
            "no scripts: incr and touch of the caches take more round trips, no containers work; "
            'what is missing comes with: pip install "kt-cache[server]"'
        )
        return None
    if not ours and not options.scripts:
        return None
    limits = ScriptLimits(
        time=options.script_timeout,
        sleep=options.script_sleep,
        memory=options.script_memory,
        output=options.max_reply,
        cursors=options.max_cursors,
        files=options.script_io,
    )
    host = load_scripts([*ours, *options.scripts], databases, limits, clock=clock)
    if options.scripts:
        host.begin()  # what is wrong with them is to be told now
    return host


async def _let_loop_pass() -> None:
    """Let the loop handle what has arrived by now."""
    for _ in range(2):
        await asyncio.sleep(0)
