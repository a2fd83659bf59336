"""Two who do something at the same time, in an order that a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.support.threads import run_threads

__all__ = ["Turns"]

_PATIENCE = 30.0  # seconds


class Turns:
    """Runs two functions in threads of their own, of which one goes on at a time."""

    def __init__(self) -> None:
        self._may_go_on = (threading.Semaphore(1), threading.Semaphore(0))
        self._is_done = [False, False]
        self._mine = threading.local()

    def run(self, first: Callable[[], object], second: Callable[[], object]) -> None:
        """Run both to their ends, beginning with the first."""

        def take_part(me: int) -> None:
            self._mine.number = me
            self._wait(me)
            try:
                (first, second)[me]()
            finally:
                self._is_done[me] = True
                self._may_go_on[1 - me].release()

        run_threads(2, take_part)

    def hand_over(self) -> None:
        """Let the other one go on, until that one hands over, too, or is done."""
        me: int = self._mine.number
        if not self._is_done[1 - me]:
            self._may_go_on[1 - me].release()
            self._wait(me)

    def _wait(self, me: int) -> None:
        assert self._may_go_on[me].acquire(timeout=_PATIENCE), "the other one hangs"
