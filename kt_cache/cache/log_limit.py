"""Keeps a failure that comes a thousand times a second from filling the log."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

__all__ = ["INTERVAL", "LogLimit", "begin_anew", "warn"]

logger = logging.getLogger("kt_cache.cache")

INTERVAL = 30.0
"""Seconds between lines of one kind."""


class LogLimit:
    """Tells which of many lines to log: one of each kind per interval.

    :param interval: seconds.
    :param clock: monotonic time in seconds.
    """

    __slots__ = ("_clock", "_kinds", "_lock", "interval")

    def __init__(self, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval = interval
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}  # when the last line was; held back since
        self._lock = threading.RLock()  # the garbage collector may have something to log, too

    def take(self, kind: str) -> int | None:
        """Tell whether to log a line of a kind now.

        :return: how many lines like it were held back since the last one, or ``None`` to hold
            this one back, too.
        """
        now = self._clock()
        with self._lock:
            last, held_back = self._kinds.get(kind, (None, 0))
            if last is not None and now - last < self.interval:
                self._kinds[kind] = last, held_back + 1
                return None
            self._kinds[kind] = now, 0
            return held_back

    def ending(self, kind: str) -> str | None:
        """Return what to end a line of a kind with, or ``None`` to hold it back.

        It says how many were held back since the last one.
        """
        held_back = self.take(kind)
        if held_back is None:
            return None
        return f"; {held_back} more since the last line like this" if held_back else ""

    def reset_after_fork(self) -> None:
        """Begin anew in a child process, whatever the parent's threads were about."""
        self._lock = threading.RLock()
        self._kinds.clear()


_of_the_process = LogLimit(INTERVAL)  # for all caches: Django makes one per thread and task


def warn(kind: str, message: str, *args: object) -> None:
    """Log a warning, unless there was one of its kind within the last 30 seconds.

    :param kind: one of a few.
    :param message: a format string; how many were held back is added to it.
    :param args: for the format string.
    """
    more = _of_the_process.ending(kind)
    if more is not None:
        logger.warning("%s%s", message % args, more)


def begin_anew() -> None:
    """Forget which lines there were."""
    _of_the_process.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_anew)
