"""Counts what an app finds in its cache, told by the cache's signals."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from flask import Flask

from kt_cache.cache import CallEvent
from kt_cache.flask.signals import cache_error, cache_hit, cache_miss


class Tally:
    """Hits, misses and errors of one app in this process.

    :param app: the sender of the signals that count.
    """

    def __init__(self, app: Flask) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        cache_hit.connect(self._hit, app)
        cache_miss.connect(self._missed, app)
        cache_error.connect(self._failed, app)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far."""
        with self._lock:
            return {name: self._counts[name] for name in ("hits", "misses", "errors")}

    def _hit(self, _app: Flask, *, event: CallEvent, **_: Any) -> None:
        self._count("hits", event.hits)

    def _missed(self, _app: Flask, *, event: CallEvent, **_: Any) -> None:
        self._count("misses", event.misses)

    def _failed(self, _app: Flask, **_: Any) -> None:
        self._count("errors", 1)

    def _count(self, name: str, number: int) -> None:
        with self._lock:
            self._counts[name] += number
