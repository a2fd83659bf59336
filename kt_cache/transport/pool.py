"""A bounded pool of connections for threads (and greenlets)."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakSet

from kt_cache.errors import ConnectionClosed
from kt_cache.protocol.framing import Decoder
from kt_cache.transport.config import PoolConfig
from kt_cache.transport.connection import Connection
from kt_cache.transport.dial import dial
from kt_cache.transport.failures import all_in_use, is_harmless, queue_full

__all__ = ["PROBE_AFTER", "Pool", "PoolStats"]

PROBE_AFTER = 1.0  # seconds idle, after which a connection is looked at before use
_LOOK_AGAIN = 0.1  # seconds after which a waiting call looks for places that got lost

T = TypeVar("T")


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


class _Place:
    """The right to open a connection."""

    __slots__ = ("__weakref__",)


class _Waiter:
    """A call that waits: it is handed a connection, or the right to open one."""

    __slots__ = ("granted", "ready")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.granted: Connection | _Place | None = None


class Pool:
    """Hands out connections, the newest first, and waits when all are in use.

    Every connection that was acquired must come back by :meth:`release` or :meth:`discard`.
    Connections are opened, probed and closed outside the lock. In a forked child the pool is
    empty; the parent's connections are untouched.

    ``_open`` holds the connections that are open and the places of those being opened. Weakly: a
    signal handler may raise between any two steps, and what a call lost that way leaves the set
    by itself; so does the connection of a cursor that nobody holds any more. That wakes nobody up
    (the garbage collector may come while the lock is held), so who waits looks again and again.
    Everything but the list of idle ones changes under the lock. That list is pushed
    and popped without it, which list operations allow; so whoever starts to wait looks at it once
    more after entering the queue, and whoever pushes looks at the queue afterwards: one of the
    two sees the other.
    """

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._open: WeakSet[Connection | _Place] = WeakSet()
        self._waiters: deque[_Waiter] = deque()
        self._probe_after = min(PROBE_AFTER, config.max_idle)
        self._generation = 0
        self.findings: dict[str, Any] = {}
        """What users found out about the server.

        It is replaced by an empty one when the server may have been restarted: with each
        generation, and when it has closed an unused connection. Whoever asks the server takes it
        before, so that an answer from before a restart is not found after it.
        """
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
                open=len(self._open),
                idle=len(self._idle),
                waiting=len(self._waiters),
                connects=self._connects,
                discards=self._discards,
                waits=self._waits,
            )

    def exchange(
        self,
        request: bytes,
        decode: Decoder[T],
        deadline: float,
        now: float,
        patience: float = 0.0,
    ) -> T:
        """Send a request on one of the connections and return its decoded reply.

        This is :meth:`acquire`, the connection's ``exchange`` and :meth:`release` in one. What it
        takes in the usual case is written out: a function more on the way of every call can be
        measured.

        :param deadline: of the call, on the monotonic clock.
        :param now: that clock's time.
        :param patience: seconds for which the server was asked to wait, beyond the read timeout.
        :raises TransportError: as these methods do.
        :raises KTError: whatever the decoder raises.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            usable = False
        else:
            usable = (
                now - connection.last_used < self._probe_after
                and now < connection.expires
                and connection.generation == self._generation
            )
            if not usable:
                self._idle.append(connection)
        if not usable:  # out here, where what fails is not shown as a consequence of IndexError
            connection, now = self.acquire(deadline, now), monotonic()
        try:
            if patience:
                result = connection.exchange_patiently(request, decode, deadline, patience)
            else:
                result = connection.exchange(request, decode, deadline, now)
        except BaseException as error:
            self.put_away(connection, error)
            raise
        if connection.closing or connection.generation != self._generation:
            self.discard(connection)
            return result
        connection.last_used = now  # when it was last seen to work, at least
        self._idle.append(connection)
        if self._waiters:
            self._serve_waiters()
        elif len(self._idle) > 1:
            self._close_oldest(now)
        return result

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
                break
            if now - connection.last_used < self._probe_after and now < connection.expires:
                if connection.generation == self._generation:
                    return connection
            elif self._is_usable(connection, now):
                return connection
            self.discard(connection)
        return self._acquire_slowly(deadline)

    def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange is complete."""
        now = connection.last_used = monotonic()
        if (
            connection.closing
            or connection.generation != self._generation
            or now >= connection.expires
        ):
            self.discard(connection)
            return
        self._idle.append(connection)
        if self._waiters:
            self._serve_waiters()
        elif len(self._idle) > 1:
            self._close_oldest(now)

    def discard(self, connection: Connection, *, broken: bool = False) -> None:
        """Close a connection instead of using it again.

        :param broken: the peer ended it: its siblings, opened before, are given up as well.
        """
        if broken:
            self.expire(connection.generation)
        connection.close()
        with self._lock:
            if connection in self._open:
                self._discards += 1
                self._give_back(connection)

    def put_away(self, connection: Connection, error: BaseException) -> None:
        """Take back a connection after an exchange that failed."""
        if is_harmless(error):
            self.release(connection)
        else:
            self.discard(connection, broken=isinstance(error, ConnectionClosed))

    def expire(self, generation: int | None = None) -> None:
        """Close all idle connections now and those in use when they come back.

        :param generation: only if this is still the pool's.
        """
        with self._lock:
            if generation not in (None, self._generation):
                return
            self._begin_generation()
        for _ in range(self.config.max_size):
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            self.discard(connection)

    def reset_after_fork(self) -> None:
        """In a forked child: forget everything that belongs to the parent."""
        self._lock = threading.Lock()
        self._begin_generation()
        for connection in self._open:
            if isinstance(connection, Connection):
                connection.close()
        self._idle, self._open, self._waiters = [], WeakSet(), deque()

    # ------------------------------------------------------------ under the lock

    def _begin_generation(self) -> None:
        self._generation += 1
        self.findings = {}

    def _join_queue(self) -> _Waiter:
        if len(self._waiters) >= self.config.max_waiting:
            raise queue_full(self.config, len(self._waiters))
        waiter = _Waiter()
        self._waiters.append(waiter)
        self._waits += 1
        return waiter

    def _hand_over(self, granted: Connection | _Place) -> None:
        waiter = self._waiters.popleft()
        waiter.granted = granted
        waiter.ready.set()

    def _reserve(self) -> _Place:
        place = _Place()
        self._open.add(place)
        return place

    def _give_back(self, used: Connection | _Place) -> None:
        self._open.discard(used)
        if self._waiters:
            self._hand_over(self._reserve())

    # ------------------------------------------------------------ outside the lock

    def _is_usable(self, connection: Connection, now: float) -> bool:
        """Look closely at a connection that was unused for a while."""
        if connection.generation != self._generation:
            return False
        if connection.is_stale():
            self.findings = {}
            return False
        return now < connection.expires and now - connection.last_used <= self.config.max_idle

    def _close_oldest(self, now: float) -> None:
        """Close the connection that was unused for longest, if that is too long."""
        try:  # others take from the list without the lock
            if now - self._idle[0].last_used <= self.config.max_idle:
                return
        except IndexError:
            return
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
        with self._lock:
            full = len(self._open) >= self.config.max_size
            got = self._join_queue() if full else self._reserve()
        if isinstance(got, _Place):
            return self._connect(got, deadline)
        self._serve_waiters()  # one may have come back before we stood in the queue
        granted = self._wait(got, deadline)
        if isinstance(granted, _Place):
            return self._connect(granted, deadline)
        if granted.generation == self._generation:
            return granted
        self.discard(granted)  # given up on its way from hand to hand
        return self.acquire(deadline, monotonic())

    def _wait(self, waiter: _Waiter, deadline: float) -> Connection | _Place:
        """Wait for a connection, or for the right to open one."""
        granted = None
        try:
            while not waiter.ready.wait(max(0.0, min(deadline - monotonic(), _LOOK_AGAIN))):
                if monotonic() >= deadline:
                    break
                self._grant_lost_places()
            granted = waiter.granted
        finally:
            if granted is None:
                self._leave_queue(waiter)
        if granted is None:
            raise all_in_use(self.config)
        return granted

    def _grant_lost_places(self) -> None:
        """Let those who wait have the places of connections that are gone unnoticed."""
        with self._lock:
            while self._waiters and len(self._open) < self.config.max_size:
                self._hand_over(self._reserve())

    def _leave_queue(self, waiter: _Waiter) -> None:
        """Stop waiting; what was granted at the last moment goes back to the others."""
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif isinstance(waiter.granted, _Place):
                self._give_back(waiter.granted)
        if isinstance(waiter.granted, Connection):
            self.release(waiter.granted)

    def _connect(self, place: _Place, deadline: float) -> Connection:
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
                self._give_back(place)
            raise
        with self._lock:
            self._open.discard(place)
            self._open.add(connection)
            self._connects += 1
        return connection
