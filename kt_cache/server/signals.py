"""Signals between calls: a call waits for a name, another call sends it."""

from __future__ import annotations

import asyncio

__all__ = ["Signals"]


class Signals:
    """Who waits for which signal. A signal that nobody waits for is lost.

    :param max_waiting: calls that may wait at a time.
    :param max_wait: the longest time to wait, in seconds.
    """

    def __init__(self, *, max_waiting: int, max_wait: float) -> None:
        self.waiting = 0
        """Calls that wait at present."""
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._by_name: dict[bytes, dict[asyncio.Future[bool], None]] = {}  # in order of arrival
        self._closed = False

    async def wait(self, name: bytes, seconds: float) -> bool:
        """Wait for a signal.

        :return: whether it came; it did not if the time is up, the server stops, or too many wait.
        """
        if self._closed or self.waiting >= self._max_waiting:
            return False
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(min(seconds, self._max_wait), _settle, future, False)
        self._by_name.setdefault(name, {})[future] = None
        self.waiting += 1
        try:
            return await future
        finally:
            self.waiting -= 1
            timer.cancel()
            self._forget(name, future)

    def send(self, name: bytes, *, to_all: bool) -> int:
        """Wake who has waited longest for a signal, or all who wait for it.

        :return: how many were waiting, woken or not.
        """
        waiting = self._by_name.get(name, {})
        count = len(waiting)
        for future in tuple(waiting)[: None if to_all else 1]:
            _settle(future, True)
            self._forget(name, future)  # at once: the next signal is not for it
        return count

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed = True
        for waiting in self._by_name.values():
            for future in waiting:
                _settle(future, False)

    def _forget(self, name: bytes, future: asyncio.Future[bool]) -> None:
        waiting = self._by_name.get(name, {})
        waiting.pop(future, None)
        if not waiting:
            self._by_name.pop(name, None)


def _settle(future: asyncio.Future[bool], came: bool) -> None:
    if not future.done():
        future.set_result(came)
