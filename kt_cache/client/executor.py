"""Runs commands on the pool's blocking connections."""

from __future__ import annotations

import weakref
from time import monotonic, sleep
from typing import Any, TypeVar

from kt_cache.client.command import Command
from kt_cache.client.failures import check_repeatable, kept_changing, told_where, unpinned
from kt_cache.client.operation import Operation, Pause
from kt_cache.errors import ConnectionClosed, KTError
from kt_cache.transport import Pool
from kt_cache.transport.connection import Connection
from kt_cache.transport.failures import is_harmless

__all__ = ["Executor", "Pinned"]

T = TypeVar("T")


class Executor:
    """Sends a command, returns its decoded reply, and decides what a failure means.

    A broken connection is tried again once, on another one, if the command is repeatable or
    nothing of it was sent. Otherwise nobody knows whether the server carried it out, and the
    caller is told so by :class:`~kt_cache.errors.OutcomeUnknown`. Timeouts are not tried again.

    :param pool: where connections come from; shared with others of the same configuration.
    """

    __slots__ = ("_call_timeout", "pool")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._call_timeout = pool.config.call_timeout

    def run(self, command: Command[T], deadline: float | None = None, patience: float = 0.0) -> T:
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
        pool, again = self.pool, False
        while True:
            try:
                return pool.exchange(request, decode, deadline, now, patience)
            except ConnectionClosed as error:
                check_repeatable(error, command, pool.config.address)
                if again:
                    raise
            except KTError as error:
                raise told_where(error, command, pool.config.address) from error.__cause__
            again, now = True, monotonic()

    def drive(self, operation: Operation[T]) -> T:
        """Carry out an operation of several commands within one call's deadline.

        :raises TimeoutExceeded: if it did not come to an end in time.
        """
        deadline = self.deadline()
        reply: Any = None
        try:
            while True:
                step = operation.send(reply)
                if monotonic() >= deadline:
                    raise kept_changing(self.pool.config.address)
                reply = None
                if isinstance(step, Pause):
                    sleep(step.seconds)
                else:
                    reply = self.run(step, deadline)
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

    def pin(self, deadline: float) -> Pinned:
        """Take a connection out of the pool for several commands.

        :param deadline: on the monotonic clock.
        :raises PoolTimeout: if all are in use.
        :raises ConnectError: if a new one was needed and could not be made.
        """
        try:
            return Pinned(self, self.pool.acquire(deadline, monotonic()))
        except KTError as error:
            error.add_context(host=self.pool.config.address)
            raise

    def run_on(
        self, connection: Connection, command: Command[T], deadline: float, patience: float
    ) -> T:
        """Do as :meth:`run`, on a given connection and without another attempt.

        The connection is given up if it breaks, but does not go back to the pool otherwise.
        """
        _, request, decode, _, _ = command
        try:
            if patience:
                return connection.exchange_patiently(request, decode, deadline, patience)
            return connection.exchange(request, decode, deadline, monotonic())
        except BaseException as error:
            if not is_harmless(error):
                self.pool.discard(connection, broken=isinstance(error, ConnectionClosed))
            if isinstance(error, ConnectionClosed):
                check_repeatable(error, command, self.pool.config.address)
            elif isinstance(error, KTError):
                told_where(error, command, self.pool.config.address)
            raise


class Pinned:
    """A connection that one user keeps for several commands, as a cursor must.

    Without :meth:`give_back` it is closed when nobody holds this object any more.
    """

    __slots__ = ("__weakref__", "_connection", "_executor", "_forgotten")

    def __init__(self, executor: Executor, connection: Connection) -> None:
        self._executor = executor
        self._connection = connection
        # Takes no lock, as the garbage collector may come at any moment; and comes before the
        # socket, if both are in one cycle, would complain that nobody closed it.
        self._forgotten = weakref.finalize(self, connection.close)
        self._forgotten.atexit = False

    @property
    def usable(self) -> bool:
        """Whether the connection is still there."""
        return not self._connection.closed

    def run(self, command: Command[T], deadline: float, patience: float = 0.0) -> T:
        """Return the command's decoded reply; it is sent once at most.

        :param deadline: on the monotonic clock.
        :param patience: as for :meth:`Executor.run`.
        :raises ConnectionClosed: also if an earlier command ended the connection.
        :raises KTError: with host, command and key filled in.
        """
        executor, connection = self._executor, self._connection
        if connection.closed:
            raise unpinned(command, executor.pool.config.address)
        result = executor.run_on(connection, command, deadline, patience)
        if connection.closing:
            executor.pool.discard(connection)
        return result

    def give_back(self) -> None:
        """Let others use the connection; this object is of no more use."""
        if self.usable and self._forgotten.detach():
            self._executor.pool.release(self._connection)

    def give_up(self) -> None:
        """Close the connection, which is not as others would expect it."""
        if self.usable:
            self._executor.pool.discard(self._connection)
