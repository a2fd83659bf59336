"""Failures of the sessions' store, kept for the middleware."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from kt_cache.errors import SessionUnavailable

__all__ = ["RememberedFailures"]


class RememberedFailures:
    """Keeps a failure as the session's ``failure``: Django may show no more of it than a status.

    A class, as a generator would take as long as all else that is done for a request.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._session.failure = None
        elif isinstance(error, SessionUnavailable):
            # Not the error itself: with its traceback it would keep the request in memory.
            self._session.failure = SessionUnavailable(
                error.message, host=error.host, command=error.command
            )
