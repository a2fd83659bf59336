"""Operations that wait on the server for something to happen, in steps of bounded length."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, SignalTimeout

if TYPE_CHECKING:
    from kt_cache.client.aio_executor import AsyncExecutor
    from kt_cache.client.executor import Executor

__all__ = ["PatientOperation", "await_patiently", "run_patiently", "waits"]

T = TypeVar("T")

PatientOperation: TypeAlias = Generator["tuple[Command[Any], float]", Any, T]
"""Yields commands with the seconds for which the server was asked to wait, and is sent the replies,
``None`` if a signal did not come. Unlike an operation it has no deadline of its own."""


def waits(name: str, seconds: float | None, longest: float) -> Iterator[float]:
    """Return how long to wait, at least once and then again and again until the time is over.

    :param name: of the argument, for messages.
    :param seconds: altogether; ``None`` for no end.
    :param longest: seconds at a time.
    :raises ConfigError: if it is not a number of seconds.
    """
    if seconds is None:
        seconds = math.inf
    elif isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ConfigError(f"{name} must be a number of seconds from 0 on, not {seconds!r}")
    return _pieces(monotonic() + seconds, seconds, longest)


def _pieces(deadline: float, seconds: float, longest: float) -> Iterator[float]:
    yield min(seconds, longest)
    while (left := deadline - monotonic()) > 0:
        yield min(left, longest)


def run_patiently(executor: Executor, operation: PatientOperation[T]) -> T:
    """Carry out an operation on the blocking client; each command has a deadline of its own."""
    reply: Any = None
    try:
        while True:
            command, seconds = operation.send(reply)
            try:
                reply = executor.run(command, patience=seconds)
            except SignalTimeout:
                reply = None
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        operation.close()


async def await_patiently(executor: AsyncExecutor, operation: PatientOperation[T]) -> T:
    """Do as :func:`run_patiently`, on the asyncio client."""
    reply: Any = None
    try:
        while True:
            command, seconds = operation.send(reply)
            try:
                reply = await executor.run(command, patience=seconds)
            except SignalTimeout:
                reply = None
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        operation.close()
