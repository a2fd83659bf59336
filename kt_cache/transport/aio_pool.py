"""A bounded pool of connections for the tasks of one event loop."""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import Any, TypeVar, cast

from kt_cache.errors import KTError
from kt_cache.protocol.framing import Decoder
from kt_cache.transport.aio_connection import AsyncConnection
from kt_cache.transport.aio_dial import dial_async
from kt_cache.transport.aio_queue import Waiter, WaitingLine
from kt_cache.transport.config import PoolConfig
from kt_cache.transport.pool import PROBE_AFTER, PoolStats

__all__ = ["AsyncPool"]

T = TypeVar("T")

_PLACE: Any = object()  # what a call that waited gets if it may open a connection


class AsyncPool:
    """Sends requests on the newest unused connection, and lets calls wait when all are in use.

    To be used by the tasks of one event loop only, so nothing here needs a lock. A call that waits
    leaves its request with the pool, which sends it the moment a connection has answered the call
    before: the task is woken up once, by its reply.

    :param loop: the running event loop.
    """

    def __init__(self, config: PoolConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self._loop = loop
        self._create_future = loop.create_future
        self._idle: list[AsyncConnection] = []
        self._open: set[AsyncConnection] = set()
        self._opening = 0  # places of connections that are being opened
        self._line = WaitingLine(config, loop)
        self._waiters = self._line.waiters
        self._serving = False
        self._probe_after = min(PROBE_AFTER, config.max_idle)
        self._generation = 0
        self.findings: dict[str, Any] = {}
        """As in :class:`~kt_cache.transport.pool.Pool`."""
        self._connects = 0
        self._discards = 0

    @property
    def generation(self) -> int:
        """Grows whenever the connections at hand are given up, as after a server restart."""
        return self._generation

    @property
    def stats(self) -> PoolStats:
        """A snapshot of the pool's counters."""
        return PoolStats(
            open=len(self._open) + self._opening,
            idle=len(self._idle),
            waiting=len(self._waiters),
            connects=self._connects,
            discards=self._discards,
            waits=self._line.joined,
        )

    async def exchange(
        self,
        request: bytes,
        decode: Decoder[T],
        deadline: float,
        now: float,
        patience: float = 0.0,
        connection: AsyncConnection | None = None,
    ) -> T:
        """Send a request and return its decoded reply.

        If the task is cancelled the connection is closed, for the reply may still come.

        :param decode: the reply's decoder; ``no_reply_decoder`` if none will come.
        :param deadline: of the call, on the monotonic clock.
        :param now: that clock's time.
        :param patience: seconds the server may be silent beyond the read timeout.
        :param connection: one that was acquired, and that its user keeps unless it breaks; any
            other by default.
        :raises PoolTimeout: all connections are in use and none came back in time.
        :raises ConnectError: a new one was needed and could not be made.
        :raises NothingSent: broken before a byte was sent.
        :raises ConnectionClosed: broken afterwards.
        :raises ReadTimeout: no complete reply in time.
        :raises KTError: whatever the decoder raises.
        """
        if connection is None:
            connection = self._take(now)
        if connection is None:
            if not self._is_full():
                self._opening += 1
            else:
                waiter = self._line.join(request, decode, deadline, patience)
                result = await self._wait(waiter)
                if result is not _PLACE:
                    return cast(T, result)
            connection = await self._connect(deadline)
            now = monotonic()
        reply: asyncio.Future[T] = self._create_future()
        connection.start(reply, request, decode, deadline, now, patience)
        try:
            return await reply
        except KTError:
            raise  # the connection has dealt with it
        except BaseException:
            self._forget(reply, connection)
            raise

    async def acquire(self, deadline: float, now: float) -> AsyncConnection:
        """Return a connection for the caller alone.

        It must come back by :meth:`release` or :meth:`discard`.

        :param deadline: on the monotonic clock.
        :param now: that clock's time.
        :raises PoolTimeout: all are in use and none came back in time.
        :raises ConnectError: a new one was needed and could not be made.
        """
        while True:
            connection = self._take(now)
            if connection is None:
                if not self._is_full():
                    self._opening += 1
                    connection = _PLACE
                else:
                    connection = await self._wait(self._line.join(None, None, deadline, 0.0))
                if connection is _PLACE:
                    connection = await self._connect(deadline)
            if connection.generation == self._generation and not connection.closed:
                connection.pinned = True
                return connection
            self.discard(connection)  # given up on its way from hand to hand
            now = monotonic()

    def release(self, connection: AsyncConnection) -> None:
        """Take back a connection whose exchange is complete."""
        now = connection.last_used = monotonic()
        connection.pinned = False
        if (
            connection.closing
            or connection.generation != self._generation
            or now >= connection.expires
        ):
            self.discard(connection)
            return
        idle = self._idle
        idle.append(connection)
        if self._waiters:
            self._serve_waiters(now)
        elif len(idle) > 1 and now - idle[0].last_used > self.config.max_idle:
            self.discard(idle[0])

    def discard(self, connection: AsyncConnection, *, broken: bool = False) -> None:
        """Close a connection instead of using it again.

        :param broken: the peer ended it: its siblings, opened before, are given up as well.
        """
        if broken:
            self.expire(connection.generation)
        connection.close()
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._discards += 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._pass_place_on()

    def lose(self, connection: AsyncConnection) -> None:
        """Discard a connection that the server closed while it was unused."""
        self.findings = {}
        self.discard(connection)

    def expire(self, generation: int | None = None) -> None:
        """Close all idle connections now and those in use when they come back.

        :param generation: only if this is still the pool's.
        """
        if generation not in (None, self._generation):
            return
        self._begin_generation()
        for connection in self._idle[:]:
            self.discard(connection)

    def close(self) -> None:
        """Close all connections, those in use as well. The pool stays usable."""
        self._begin_generation()
        for connection in list(self._open):
            self.discard(connection)

    def forsake(self) -> None:
        """Close the sockets and touch nothing else.

        For what is left of a loop that was closed, and of the parent's loops in a forked process.
        """
        self._begin_generation()
        for connection in self._open:
            connection.forsake()
        self._idle.clear()
        self._open.clear()
        self._line.forsake()
        self._opening = 0

    def _begin_generation(self) -> None:
        self._generation += 1
        self.findings = {}

    # ------------------------------------------------------------ with a connection

    def _take(self, now: float) -> AsyncConnection | None:
        """Return the newest of the unused connections, if there is one that is well."""
        idle = self._idle
        while idle:
            connection = idle[-1]
            if now - connection.last_used < self._probe_after and now < connection.expires:
                return idle.pop()
            if self._is_usable(connection, now):
                return idle.pop()
            self.discard(connection)
        return None

    def _is_usable(self, connection: AsyncConnection, now: float) -> bool:
        """Look closely at a connection that was unused for a while."""
        if connection.is_stale():
            self.findings = {}
            return False
        return now < connection.expires and now - connection.last_used <= self.config.max_idle

    async def _connect(self, deadline: float) -> AsyncConnection:
        """Open the connection that a place was taken for."""
        generation = self._generation
        try:
            sock = await dial_async(self.config, deadline)
            lifetime = self.config.max_lifetime * random.uniform(0.9, 1.0)  # noqa: S311
            connection = AsyncConnection(
                sock,
                self,
                self._loop,
                read_timeout=self.config.read_timeout,
                generation=generation,
                expires=monotonic() + lifetime,
            )
        except BaseException:
            self._opening -= 1
            self._pass_place_on()
            raise
        self._opening -= 1
        self._open.add(connection)
        self._connects += 1
        return connection

    def _forget(self, reply: asyncio.Future[Any], connection: AsyncConnection) -> None:
        """Nobody waits for a reply any more: make sure that nobody else gets it."""
        if connection.carries(reply):
            self.discard(connection)
        if reply.done() and not reply.cancelled():
            reply.exception()  # else the loop would report it as one that nobody saw

    # ------------------------------------------------------------ the queue

    def _is_full(self) -> bool:
        return len(self._open) + self._opening >= self.config.max_size

    async def _wait(self, waiter: Waiter) -> Any:
        try:
            return await waiter.future
        except KTError:
            raise
        except BaseException:
            self._leave_queue(waiter)
            raise

    def _leave_queue(self, waiter: Waiter) -> None:
        """Stop waiting; what was granted at the last moment goes to the next in the queue."""
        connection, future = waiter.connection, waiter.future
        if connection is not None and waiter.request is None:
            if not connection.closed:
                self.release(connection)
        elif connection is not None:
            self._forget(future, connection)
        elif not self._line.leave(waiter) and not future.cancelled() and not future.exception():
            self._opening -= 1  # it had been given a place
            self._pass_place_on()

    def _serve_waiters(self, now: float) -> None:
        """Give unused connections to those who waited longest."""
        if self._serving:  # one that was served had no reply to wait for
            return
        self._serving = True
        try:
            while self._idle:
                waiter = self._line.call_next()
                if waiter is None:
                    return
                waiter.receive(self._idle.pop(), now)
        finally:
            self._serving = False

    def _pass_place_on(self) -> None:
        """Let the one who waited longest open a connection, if there may be one more."""
        if self._loop.is_closed():
            return
        while not self._is_full():
            waiter = self._line.call_next()
            if waiter is None:
                return
            self._opening += 1
            waiter.future.set_result(_PLACE)
