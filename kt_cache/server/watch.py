"""What a server does without being asked: ends silent connections, sweeps dead records."""

from __future__ import annotations

import asyncio
import logging

from kt_cache.errors import StorageError
from kt_cache.server.service import Service
from kt_cache.storage import Database

__all__ = ["Watch"]

_log = logging.getLogger(__name__)

_TICK = 0.25  # seconds between looks at the connections
_SWEEP_WITHIN = 1.0  # seconds; sooner when nothing else is to do
_SWEEP_STEP = 200  # records a database gives up at once, a matter of a millisecond
_SWEEP_PAUSE = 4  # times as long as a step took, so that sweeping takes a fifth of the time


class Watch:
    """Looks after a running server's connections and databases."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._sweep_due = 0.0
        self._sweeping = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Begin, and go on until :meth:`stop`."""
        self._service.tick = self._loop.time()
        self._sweep_due = self._service.tick + _SWEEP_WITHIN
        self._timers["tick"] = self._loop.call_later(_TICK, self._on_tick)

    def stop(self) -> None:
        """Stop looking after anything."""
        for timer in self._timers.values():
            timer.cancel()

    def _on_tick(self) -> None:
        last, tick = self._service.tick, self._loop.time()
        self._service.tick = tick
        busy = False
        for connection in tuple(self._service.connections):
            busy = busy or connection.heard >= last
            connection.check(tick)
        if not self._sweeping and (not busy or tick >= self._sweep_due):
            self._sweep()
        self._timers["tick"] = self._loop.call_later(_TICK, self._on_tick)

    def _sweep(self) -> None:
        """Take a step in every database, and further ones as long as there is much to sweep."""
        started, now = self._loop.time(), self._service.now()
        swept = [_sweep_database(database, now) for database in self._service.databases]
        ended = self._loop.time()
        self._sweeping = _SWEEP_STEP in swept
        if self._sweeping:
            pause = _SWEEP_PAUSE * (ended - started)
            self._timers["sweep"] = self._loop.call_later(pause, self._sweep)
        else:
            self._sweep_due = ended + _SWEEP_WITHIN


def _sweep_database(database: Database, now: int) -> int:
    try:
        return database.sweep(now, _SWEEP_STEP)
    except StorageError as error:
        _log.error("sweeping failed: %s", error.message)
        return 0
