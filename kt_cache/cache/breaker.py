"""A circuit breaker: after several failures in a row nobody asks the server for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kt_cache.errors import CircuitOpen

__all__ = ["CircuitBreaker"]

_LONGEST_PROBE = 60.0  # seconds after which a probe that was never heard of again is forgotten


class CircuitBreaker:
    """Counts failures in a row and refuses calls while there are too many of them.

    ========= ===================================== ===========================================
    state     a call                                goes on when
    ========= ===================================== ===========================================
    closed    goes through                          ``threshold`` calls in a row failed: open
    open      is refused                            ``reset`` seconds are over: half-open
    half-open is refused, but for one, the probe    the probe failed: open. Was answered: closed
    ========= ===================================== ===========================================

    An answer closes it at any time, whichever call it is for. A failure counts only if its call
    began in the present state: calls that were under way when the breaker opened fail late, and
    say nothing about the time since. A probe that ends without a verdict, as a cancelled one does,
    leaves its place to the next call.

    For threads and event loops alike: no method waits. A call takes :attr:`ticket` and, only if
    there were :attr:`failures`, asks :meth:`admit` for another one; if it succeeds it tells
    :meth:`answered` only in that case, too. So while all is well it costs three attributes.

    :param threshold: failures in a row that open it.
    :param reset: seconds for which it stays open.
    :param clock: monotonic time in seconds.
    """

    __slots__ = ("_clock", "_lock", "_next_try", "failures", "reset", "threshold", "ticket")

    def __init__(
        self, threshold: float, reset: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.threshold = threshold
        self.reset = reset
        self.ticket = 0
        """The number of the present state: what a call that begins now hands in when it ends."""
        self.failures = 0
        """Failures in a row, up to now. Not 0 while the breaker is open."""
        self._clock = clock
        self._next_try: float | None = None  # when a call may be the probe; None: closed
        # The garbage collector may end an abandoned coroutine, and so its call, within any method.
        self._lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether every call goes through."""
        return self._next_try is None

    def admit(self) -> int:
        """Let a call through, or refuse it.

        :return: the ticket to hand in when the call ends.
        :raises CircuitOpen: if it must not be made.
        """
        with self._lock:
            if self._next_try is None:
                return self.ticket
            now = self._clock()
            if now < self._next_try:
                raise self._refusal(self._next_try - now)
            self.ticket += 1
            self._next_try = now + _LONGEST_PROBE
            return self.ticket

    def answered(self) -> bool:
        """Note that the server answered a call.

        :return: whether that closed the breaker.
        """
        with self._lock:
            self.failures = 0
            if self._next_try is None:
                return False
            self._next_try = None
            self.ticket += 1
            return True

    def failed(self, ticket: int) -> bool:
        """Note that a call failed.

        :return: whether that opened the breaker, which was closed.
        """
        with self._lock:
            if ticket != self.ticket:
                return False
            self.failures += 1
            was_closed = self._next_try is None
            if was_closed and self.failures < self.threshold:
                return False
            self._next_try = self._clock() + self.reset
            self.ticket += 1
            return was_closed

    def ended(self, ticket: int) -> None:
        """Note that a call ended and it is not known whether the server is well."""
        with self._lock:
            if ticket == self.ticket and self._next_try is not None:
                self._next_try = self._clock()

    def reset_after_fork(self) -> None:
        """Begin anew in a child process, without what the parent's threads were about."""
        self._lock = threading.RLock()
        self.failures = 0
        self._next_try = None
        self.ticket += 1

    def _refusal(self, seconds: float) -> CircuitOpen:
        return CircuitOpen(
            f"not sent: the server fails (calls in a row: {self.failures}); "
            f"it is tried again within {seconds:.1f} s",
            retry_after=seconds,
        )
