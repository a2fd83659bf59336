"""What all handles on one server know of its failures: circuit breaker and log."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TypeGuard

from kt_cache.cache.breaker import CircuitBreaker
from kt_cache.cache.log_limit import INTERVAL, LogLimit
from kt_cache.cache.store import Place
from kt_cache.errors import (
    CircuitOpen,
    ConnectError,
    ConnectionClosed,
    DecodeError,
    KTError,
    OutcomeUnknown,
    ReadTimeout,
    RemoteProtocolError,
    ServerError,
    SignalTimeout,
    TransportError,
)

__all__ = ["Guard", "get_guard", "no_answer"]

logger = logging.getLogger("kt_cache.cache")

# A full pool or a record that keeps changing says that there is much to do, not that the server
# is ill; the calls that keep the pool full get a verdict of their own.
_VERDICTS = (ConnectError, ConnectionClosed, OutcomeUnknown, ReadTimeout)
_ANSWERS = (ServerError, DecodeError)

# What stands before a server says that it cannot reach it; the server itself never does.
_OF_GATEWAYS = frozenset({502, 503, 504})


def no_answer(error: BaseException) -> TypeGuard[KTError]:
    """Tell whether an error means that the server itself did not answer.

    That is any :class:`~kt_cache.errors.TransportError`, and what something else said in its place:
    a load balancer whose server is gone, for example.
    """
    return isinstance(error, TransportError) or _another_answered(error)


def _another_answered(error: BaseException) -> bool:
    if isinstance(error, ServerError):
        return error.status in _OF_GATEWAYS and not isinstance(error, SignalTimeout)
    return isinstance(error, RemoteProtocolError)


class Guard:
    """Judges what happened to calls. One for all threads, event loops and handles.

    :param address: the server, for messages.
    :param threshold: failures in a row that open the circuit breaker; 0 for no breaker.
    :param reset: seconds for which it stays open.
    :param clock: monotonic time in seconds.
    """

    __slots__ = ("address", "breaker", "log_limit")

    def __init__(
        self,
        address: str,
        threshold: int,
        reset: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.breaker = CircuitBreaker(threshold or math.inf, reset, clock=clock)
        self.log_limit = LogLimit(INTERVAL, clock=clock)

    def answered(self) -> None:
        """Note that the server answered a call."""
        if self.breaker.answered():
            logger.info("%s answers again; calls are sent as usual", self.address)

    def ended(self, operation: str, ticket: int, error: BaseException) -> None:
        """Note how a call ended that did not return.

        :param operation: name of the store's method.
        :param ticket: what the breaker gave the call.
        """
        if isinstance(error, CircuitOpen):
            error.add_context(host=self.address, command=operation)
        elif isinstance(error, _ANSWERS) and not _another_answered(error):
            self.answered()
        elif not isinstance(error, _VERDICTS) and not _another_answered(error):
            self.breaker.ended(ticket)
        elif self.breaker.failed(ticket):
            logger.warning(
                "%s fails (calls in a row: %d); no more are sent, but for one every %g s",
                self.address,
                self.breaker.failures,
                self.breaker.reset,
            )

    def ignored(self, operation: str, error: KTError) -> None:
        """Log that an error was ignored, if the last line like it was a while ago.

        :param operation: name of the store's method.
        """
        kind = type(error).__name__
        more = self.log_limit.ending(kind)
        if more is None:
            return
        logger.warning(
            "ignored: %s of %s on %s: %s%s", kind, operation, self.address, error.message, more
        )

    def reset_after_fork(self) -> None:
        """Begin anew in a child process."""
        self.breaker.reset_after_fork()
        self.log_limit.reset_after_fork()


_guards: dict[tuple[Place, int, float], Guard] = {}
_lock = threading.Lock()


def get_guard(place: Place, threshold: int, reset: float) -> Guard:
    """Return this process's guard for a configuration; equal ones share it."""
    key = place, threshold, reset
    guard = _guards.get(key)
    if guard is not None:
        return guard
    with _lock:
        return _guards.setdefault(key, Guard(place.address, threshold, reset))


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    for guard in _guards.values():
        guard.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
