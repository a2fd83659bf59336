"""What is said, and how often, while the store of the sessions fails and sites go on without it."""

from __future__ import annotations

import logging
import os

from kt_cache.cache.log_limit import LogLimit
from kt_cache.errors import (
    KTError,
    RemoteProtocolError,
    ServerError,
    SessionUnavailable,
    TransportError,
)

__all__ = [
    "FAILURES",
    "note_dropped_write",
    "note_empty_session",
    "note_refused_request",
    "unavailable",
]

logger = logging.getLogger("kt_cache.sessions")

FAILURES = (TransportError, ServerError, RemoteProtocolError)
"""Errors that say that the store failed."""

_limit = LogLimit(30.0)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_limit.reset_after_fork)


def unavailable(error: KTError) -> SessionUnavailable:
    """Return the error of a session whose store has failed."""
    return SessionUnavailable(
        f"the store of the sessions failed: {error.message}",
        host=error.host,
        command=error.command,
    )


def note_empty_session(error: KTError) -> None:
    """Log that a visitor gets an empty session, if the last line like it was a while ago."""
    _log("sessions cannot be loaded: visitors get empty ones and keep their cookies", error)


def note_dropped_write(error: KTError | None = None) -> None:
    """Log that a session was not stored, if the last line like it was a while ago."""
    _log("sessions cannot be stored: what was changed in them is lost", error)


def note_refused_request(error: KTError) -> None:
    """Log that a request got no session, if the last line like it was a while ago."""
    _log("requests are refused, for their sessions cannot be had", error)


def _log(what: str, error: KTError | None) -> None:
    held_back = _limit.take(what)
    if held_back is None:
        return
    reason = "" if error is None else f" ({error})"
    more = f"; {held_back} more since the last line like this" if held_back else ""
    logger.warning("%s%s%s", what, reason, more)
