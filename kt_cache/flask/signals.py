"""Signals of the cache, in Flask's way: the sender is the app.

Receivers are called as ``receiver(app, cache=..., event=...)``, in the middle of the call and in
its thread. ``cache`` is the :class:`~kt_cache.flask.KTCache`, ``event`` a
:class:`~kt_cache.cache.CallEvent`, which has neither keys nor values in it. What receivers raise is
logged and has no effect on the call.
"""

from __future__ import annotations

from typing import Any

from blinker import Namespace
from flask import Flask

from kt_cache.cache import CallEvent, Observer

__all__ = ["SignalObserver", "cache_error", "cache_hit", "cache_miss"]

_signals = Namespace()

cache_hit = _signals.signal("kt-cache-hit")
"""Values were found; ``event.hits`` says how many."""

cache_miss = _signals.signal("kt-cache-miss")
"""Values were looked for that are not there; ``event.misses`` says how many."""

cache_error = _signals.signal("kt-cache-error")
"""A call for values failed, was ignored for that, or was not sent; see ``event.outcome``."""

_LOOKS = frozenset({"get", "get_many", "get_with_ttl", "get_many_with_ttl", "pop"})
_FAILURES = frozenset({"error", "ignored", "skipped"})


class SignalObserver:
    """Sends the signals of one cache in one app.

    :param app: the sender.
    :param cache: the extension object.
    :param observer: the site's own one, which is told of everything as well.
    """

    def __init__(self, app: Flask, cache: object, observer: Observer | None) -> None:
        self._app = app
        self._arguments: dict[str, Any] = {"cache": cache}
        self._observer = observer

    def listens(self) -> bool:
        """Tell whether there is anybody to be told."""
        return bool(
            self._observer is not None
            or cache_hit.receivers
            or cache_miss.receivers
            or cache_error.receivers
        )

    def __call__(self, event: CallEvent) -> None:
        """Tell everybody of a call."""
        try:
            if event.kind == "value":
                self._send(event)
        finally:
            if self._observer is not None:
                self._observer(event)

    def _send(self, event: CallEvent) -> None:
        if event.outcome in _FAILURES:
            cache_error.send(self._app, event=event, **self._arguments)
        elif event.operation in _LOOKS:
            if event.hits:
                cache_hit.send(self._app, event=event, **self._arguments)
            if event.misses:
                cache_miss.send(self._app, event=event, **self._arguments)
