"""A bounded pool of connections for threads (and greenlets)."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass
from time import monotonic

from kt_cache.errors import PoolTimeout
from kt_cache.transport.config import PoolConfig
from kt_cache.transport.connection import Connection
from kt_cache.transport.dial import dial

__all__ = ["Pool", "PoolStats"]

_PROBE_AFTER = 1.0  # seconds idle, after which a connection is looked at before use


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool's state and what it did so far.

    :param open: connections open or being opened now.
    :param idle: of these, the unused ones.
    :param waiting: calls that wait for a connection now.
    :param connects: connections opened since the start.
    :param discards: connections given up because they were broken, old, idle or left mid-reply.
    :param waits: calls that had to wait for a connection.
    """

    open: int
    idle: int
    waiting: int
    connects: int
    discards: int
    waits: int


class _Waiter:
    """A call that waits: it is handed a connection, or the right to open one."""

    __slots__ = ("connection", "ready")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.connection: Connection | None = None


class Pool:
    """Hands out connections, the newest first, and waits when all are in use.

    Every connection that was acquired must come back by :meth:`release` or :meth:`discard`.
    Connections are opened, probed and closed outside the lock. In a forked child the pool is
    empty; the parent's connections are untouched.

    ``_size`` counts the connections that are open or being opened. Everything but the list of
    idle ones changes under the lock. That list is pushed and popped without it, which list
    operations allow; so whoever starts to wait looks at it once more after entering the queue,
    and whoever pushes looks at the queue afterwards: one of the two sees the other.
    """

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._waiters: deque[_Waiter] = deque()
        self._size = 0
        self._generation = 0
        self._connects = 0
        self._discards = 0
        self._waits = 0

    @property
    def generation(self) -> int:
        """Grows whenever the connections at hand are given up, as after a server restart."""
        return self._generation

    @property
    def stats(self) -> PoolStats:
        """A snapshot of the pool's counters."""
        with self._lock:
            return PoolStats(
                open=self._size,
                idle=len(self._idle),
                waiting=len(self._waiters),
                connects=self._connects,
                discards=self._discards,
                waits=self._waits,
            )

    def acquire(self, deadline: float, now: float) -> Connection:
        """Return a connection for one exchange.

        :param deadline: of the call, on the monotonic clock.
        :param now: that clock's time.
        :raises PoolTimeout: all are in use and none came back in time.
        :raises ConnectError: a new one was needed and could not be made.
        """
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._acquire_slowly(deadline)
            if now - connection.last_used < _PROBE_AFTER and now < connection.expires:
                if connection.generation == self._generation:
                    return connection
            elif self._is_usable(connection, now):
                return connection
            self.discard(connection)

    def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange is complete."""
        connection.last_used = monotonic()
        if connection.closing or connection.generation != self._generation:
            self.discard(connection)
            return
        self._idle.append(connection)
        if self._waiters:
            self._serve_waiters()
        elif len(self._idle) > 1:
            self._close_oldest(connection.last_used)

    def discard(self, connection: Connection, *, broken: bool = False) -> None:
        """Close a connection instead of using it again.

        :param broken: the peer ended it: its siblings, opened before, are given up as well.
        """
        if broken and connection.generation == self._generation:
            self.expire()
        connection.close()
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)
                self._discards += 1
                self._give_back_place()

    def expire(self) -> None:
        """Close all idle connections now and those in use when they come back."""
        with self._lock:
            self._generation += 1
        for _ in range(self.config.max_size):
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            self.discard(connection)

    def reset_after_fork(self) -> None:
        """In a forked child: forget everything that belongs to the parent."""
        self._lock = threading.Lock()
        self._generation += 1
        for connection in self._open:
            connection.close()
        self._idle, self._open, self._waiters, self._size = [], set(), deque(), 0

    # ------------------------------------------------------------ under the lock

    def _join_queue(self) -> _Waiter:
        if len(self._waiters) >= self.config.max_waiting:
            raise PoolTimeout(
                f"all {self.config.max_size} connections are in use and "
                f"{len(self._waiters)} calls wait already (max_waiting)",
                host=self.config.address,
            )
        waiter = _Waiter()
        self._waiters.append(waiter)
        self._waits += 1
        return waiter

    def _hand_over(self, connection: Connection | None) -> None:
        waiter = self._waiters.popleft()
        waiter.connection = connection
        waiter.ready.set()

    def _give_back_place(self) -> None:
        if self._waiters:
            self._hand_over(None)
        else:
            self._size -= 1

    # ------------------------------------------------------------ outside the lock

    def _is_usable(self, connection: Connection, now: float) -> bool:
        """Look closely at a connection that was unused for a while."""
        if connection.generation != self._generation or now >= connection.expires:
            return False
        return now - connection.last_used <= self.config.max_idle and not connection.is_stale()

    def _close_oldest(self, now: float) -> None:
        """Close the connection that was unused for longest, if that is too long."""
        with self._lock:
            try:
                if now - self._idle[0].last_used <= self.config.max_idle:
                    return
                connection = self._idle.pop(0)
            except IndexError:  # others take from the list without the lock
                return
        self.discard(connection)

    def _serve_waiters(self) -> None:
        with self._lock:
            while self._waiters:
                try:
                    connection = self._idle.pop()
                except IndexError:
                    return
                self._hand_over(connection)

    def _acquire_slowly(self, deadline: float) -> Connection:
        """Open a connection, or wait until there is one or may be one more."""
        waiter = None
        with self._lock:
            if self._size < self.config.max_size:
                self._size += 1
            else:
                waiter = self._join_queue()
        if waiter is not None:
            self._serve_waiters()  # one may have come back before we stood in the queue
            connection = self._wait(waiter, deadline)
            if connection is not None:
                return connection
        return self._connect(deadline)

    def _wait(self, waiter: _Waiter, deadline: float) -> Connection | None:
        """Wait for a connection, or for the right to open one (``None``)."""
        granted = False
        try:
            granted = waiter.ready.wait(max(0.0, deadline - monotonic()))
        finally:
            if not granted:
                self._leave_queue(waiter)
        if granted:
            return waiter.connection
        raise PoolTimeout(
            f"all {self.config.max_size} connections stayed in use (max_size)",
            host=self.config.address,
        )

    def _leave_queue(self, waiter: _Waiter) -> None:
        """Stop waiting; what was granted at the last moment goes back to the others."""
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                return
            if waiter.connection is None:
                self._give_back_place()
                return
        self.release(waiter.connection)

    def _connect(self, deadline: float) -> Connection:
        """Open the connection that a place was reserved for."""
        try:
            generation = self._generation
            sock = dial(self.config, deadline)
            lifetime = self.config.max_lifetime * random.uniform(0.9, 1.0)  # noqa: S311
            connection = Connection(
                sock,
                read_timeout=self.config.read_timeout,
                generation=generation,
                expires=monotonic() + lifetime,
            )
        except BaseException:
            with self._lock:
                self._give_back_place()
            raise
        with self._lock:
            self._open.add(connection)
            self._connects += 1
        return connection
