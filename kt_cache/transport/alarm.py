"""One timer for a deadline that is moved all the time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic

__all__ = ["Alarm"]

_SOONEST = 0.001  # seconds; loops with timers of whole milliseconds ring a little too early


class Alarm:
    """Calls back at the earliest time it was set to; set again from there.

    A deadline that moves on with every call costs nothing this way: the timer of the first one goes
    on, and when it rings the callback names the time that counts by then.

    :param loop: on which to ring.
    :param check: called with the monotonic clock's time; returns when to be called next, if ever.
    """

    __slots__ = ("_check", "_handle", "_loop", "rings")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, check: Callable[[float], float | None]
    ) -> None:
        self._loop = loop
        self._check = check
        self._handle: asyncio.TimerHandle | None = None
        self.rings = math.inf
        """When it rings, on the monotonic clock."""

    def set(self, due: float) -> None:
        """Ring at a time that is earlier than :attr:`rings`."""
        if self._handle is not None:
            self._handle.cancel()
        self.rings = due
        # The loop's clock need not be the monotonic one.
        self._handle = self._loop.call_later(max(due - monotonic(), _SOONEST), self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.rings = math.inf

    def _ring(self) -> None:
        self._handle = None
        self.rings = math.inf
        due = self._check(monotonic())
        if due is not None and due < self.rings:
            self.set(due)
