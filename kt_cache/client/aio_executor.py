"""Runs commands on the connections of the running event loop."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop, sleep
from time import monotonic
from typing import Any, TypeVar

from kt_cache.client.command import Command
from kt_cache.client.failures import check_repeatable, kept_changing, told_where, unpinned
from kt_cache.client.operation import Operation, Pause
from kt_cache.errors import ConnectionClosed, KTError
from kt_cache.transport import PoolConfig
from kt_cache.transport.aio_connection import AsyncConnection
from kt_cache.transport.aio_pool import AsyncPool
from kt_cache.transport.aio_registry import get_async_pool

__all__ = ["AsyncExecutor", "AsyncPinned"]

T = TypeVar("T")


class AsyncExecutor:
    """Does for tasks what :class:`~kt_cache.client.executor.Executor` does for threads.

    It may be used on any number of event loops, each of which has a pool of its own.

    :param config: of the pools; shared with others of the same configuration.
    """

    __slots__ = ("_call_timeout", "_current", "_host", "config")

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._call_timeout = config.call_timeout
        self._host = config.address
        # The loop last used and its pool, in one object for the sake of threads.
        self._current: tuple[AbstractEventLoop | None, AsyncPool | None] = (None, None)

    @property
    def pool(self) -> AsyncPool:
        """The running event loop's pool.

        :raises RuntimeError: if no event loop is running.
        """
        loop, pool = self._current
        if pool is None or loop is not get_running_loop():
            pool = get_async_pool(self.config)
            self._current = get_running_loop(), pool
        return pool

    async def run(
        self, command: Command[T], deadline: float | None = None, patience: float = 0.0
    ) -> T:
        """Return the command's decoded reply (``None`` if it has none).

        :param deadline: on the monotonic clock; by default the configured call timeout from now.
        :param patience: seconds for which the server was asked to wait before it carries the
            command out. They come on top of the read timeout, and of the default deadline.
        :raises KTError: with host, command and key filled in.
        """
        now = monotonic()
        if deadline is None:
            deadline = now + self._call_timeout + patience
        _, request, decode, _, _ = command
        loop, pool = self._current
        if pool is None or loop is not get_running_loop():
            pool = self.pool
        again = False
        while True:
            try:
                return await pool.exchange(request, decode, deadline, now, patience)
            except ConnectionClosed as error:
                check_repeatable(error, command, self._host)
                if again:
                    raise
            except KTError as error:
                raise told_where(error, command, self._host) from error.__cause__
            again, now = True, monotonic()

    async def drive(self, operation: Operation[T]) -> T:
        """Carry out an operation of several commands within one call's deadline.

        :raises TimeoutExceeded: if it did not come to an end in time.
        """
        deadline = self.deadline()
        reply: Any = None
        try:
            while True:
                step = operation.send(reply)
                if monotonic() >= deadline:
                    raise kept_changing(self._host)
                reply = None
                if isinstance(step, Pause):
                    await sleep(step.seconds)
                else:
                    reply = await self.run(step, deadline)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()

    def deadline(self, patience: float = 0.0) -> float:
        """Return by when a call that begins now must have come to an end.

        :param patience: as for :meth:`run`.
        """
        return monotonic() + self._call_timeout + patience

    async def pin(self, deadline: float) -> AsyncPinned:
        """Take a connection out of the pool for several commands.

        :param deadline: on the monotonic clock.
        :raises PoolTimeout: if all are in use.
        :raises ConnectError: if a new one was needed and could not be made.
        """
        pool = self.pool
        try:
            return AsyncPinned(self, pool, await pool.acquire(deadline, monotonic()))
        except KTError as error:
            error.add_context(host=self._host)
            raise

    async def run_on(
        self,
        pool: AsyncPool,
        connection: AsyncConnection,
        command: Command[T],
        deadline: float,
        patience: float,
    ) -> T:
        """Do as :meth:`run`, on a given connection and without another attempt.

        The connection is given up if it breaks, but does not go back to the pool otherwise.
        """
        _, request, decode, _, _ = command
        try:
            now = monotonic()
            return await pool.exchange(request, decode, deadline, now, patience, connection)
        except ConnectionClosed as error:
            check_repeatable(error, command, self._host)
            raise
        except KTError as error:
            raise told_where(error, command, self._host) from error.__cause__


class AsyncPinned:
    """A connection that one user keeps for several commands, as a cursor must.

    Without :meth:`give_back` it is closed when nobody holds this object any more.
    """

    __slots__ = ("_connection", "_executor", "_loop", "_pool")

    def __init__(
        self, executor: AsyncExecutor, pool: AsyncPool, connection: AsyncConnection
    ) -> None:
        self._executor = executor
        self._pool = pool
        self._connection = connection
        self._loop = get_running_loop()

    @property
    def usable(self) -> bool:
        """Whether the connection is still there."""
        return not self._connection.closed

    async def run(self, command: Command[T], deadline: float, patience: float = 0.0) -> T:
        """Return the command's decoded reply; it is sent once at most.

        :param deadline: on the monotonic clock.
        :param patience: as for :meth:`AsyncExecutor.run`.
        :raises ConnectionClosed: also if an earlier command ended the connection.
        :raises KTError: with host, command and key filled in.
        """
        executor, pool, connection = self._executor, self._pool, self._connection
        if connection.closed:
            raise unpinned(command, executor.config.address)
        result = await executor.run_on(pool, connection, command, deadline, patience)
        if connection.closing:
            pool.discard(connection)
        return result

    def give_back(self) -> None:
        """Let others use the connection; this object is of no more use."""
        if self.usable:
            self._pool.release(self._connection)

    def give_up(self) -> None:
        """Close the connection, which is not as others would expect it."""
        if self.usable:
            self._pool.discard(self._connection)

    def __del__(self) -> None:
        if not self._connection.pinned or self._connection.closed:
            return
        try:  # the garbage collector may run in any thread
            self._loop.call_soon_threadsafe(self._pool.discard, self._connection)
        except RuntimeError:  # the loop was closed
            self._connection.forsake()
