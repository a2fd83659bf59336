"""The calls of one event loop that wait for a connection."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from kt_cache.protocol.framing import Decoder
from kt_cache.transport.aio_connection import AsyncConnection
from kt_cache.transport.alarm import Alarm
from kt_cache.transport.config import PoolConfig
from kt_cache.transport.failures import all_in_use, queue_full

__all__ = ["Waiter", "WaitingLine"]


class Waiter:
    """A call that waits. Its request is sent for it as soon as there is a connection.

    :param future: gets the reply, or the connection if there is no request, or a place for one.
    :param request: ``None`` for a call that wants to have the connection to itself.
    :param deadline: of the call, on the monotonic clock.
    """

    __slots__ = ("connection", "deadline", "decode", "future", "patience", "request")

    def __init__(
        self,
        future: asyncio.Future[Any],
        request: bytes | None,
        decode: Decoder[Any] | None,
        deadline: float,
        patience: float,
    ) -> None:
        self.future = future
        self.request = request
        self.decode = decode
        self.deadline = deadline
        self.patience = patience
        self.connection: AsyncConnection | None = None

    def receive(self, connection: AsyncConnection, now: float) -> None:
        """Take a connection that has become free."""
        self.connection = connection
        if self.request is None or self.decode is None:
            self.future.set_result(connection)
            return
        connection.start(self.future, self.request, self.decode, self.deadline, now, self.patience)


class WaitingLine:
    """Waiting calls in their order, each until its deadline.

    One that was cancelled leaves the line by :meth:`leave`, and is passed over until it does.
    """

    def __init__(self, config: PoolConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.waiters: deque[Waiter] = deque()
        self.joined = 0
        self._config = config
        self._loop = loop
        self._alarm = Alarm(loop, self._give_up)

    def join(
        self,
        request: bytes | None,
        decode: Decoder[Any] | None,
        deadline: float,
        patience: float,
    ) -> Waiter:
        """Stand at the end.

        :raises PoolTimeout: if it is too long already; the waiter's future gets one if nothing
            comes of the waiting.
        """
        if len(self.waiters) >= self._config.max_waiting:
            raise queue_full(self._config, len(self.waiters))
        waiter = Waiter(self._loop.create_future(), request, decode, deadline, patience)
        self.waiters.append(waiter)
        self.joined += 1
        if deadline < self._alarm.rings:
            self._alarm.set(deadline)
        return waiter

    def leave(self, waiter: Waiter) -> bool:
        """Stand in line no more: whether it still did."""
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def call_next(self) -> Waiter | None:
        """Return the one who waited longest; it does not stand in line any more."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.future.done():
                return waiter
        return None

    def forsake(self) -> None:
        """Forget all of them without touching their event loop."""
        self.waiters.clear()
        self._alarm = Alarm(self._loop, self._give_up)

    def _give_up(self, now: float) -> float | None:
        """Tell those whose time is over; return when the next one's is."""
        overdue = [waiter for waiter in self.waiters if waiter.deadline <= now]
        for waiter in overdue:
            self.waiters.remove(waiter)
            if not waiter.future.done():
                waiter.future.set_exception(all_in_use(self._config))
        return min((waiter.deadline for waiter in self.waiters), default=None)
