"""What is said of sessions that cannot be had, and how often: every request may have such a one."""

from __future__ import annotations

import logging
import os

from kt_cache.cache.log_limit import INTERVAL, LogLimit
from kt_cache.errors import (
    KTError,
    RemoteProtocolError,
    ServerError,
    SessionUnavailable,
    TransportError,
)

__all__ = [
    "FAILURES",
    "begin_anew",
    "note_dropped_write",
    "note_empty_session",
    "note_refused_request",
    "note_unreadable_session",
    "unavailable",
]

logger = logging.getLogger("kt_cache.sessions")

FAILURES = (TransportError, ServerError, RemoteProtocolError)
"""Errors that say that the store failed."""

_limit = LogLimit(INTERVAL)


def begin_anew() -> None:
    """Forget which lines there were."""
    _limit.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_anew)


def unavailable(error: KTError) -> SessionUnavailable:
    """Return the error of a session whose store has failed."""
    return SessionUnavailable(
        f"the store of the sessions failed: {error.message}",
        host=error.host,
        command=error.command,
    )


def note_empty_session(error: KTError) -> None:
    """Log that a visitor gets a session that is read-only, if the last line was a while ago.

    It is an empty one, unless there is a copy of it elsewhere.
    """
    _log("sessions cannot be loaded from the server: they are read-only, cookies stay", _of(error))


def note_dropped_write(error: KTError | None = None) -> None:
    """Log that a session was not stored, if the last line like it was a while ago."""
    _log("sessions cannot be stored: what was changed in them is lost", _of(error))


def note_refused_request(error: KTError) -> None:
    """Log that a request got no session, if the last line like it was a while ago."""
    _log("requests are refused, for their sessions cannot be had", _of(error))


def note_unreadable_session(reason: str) -> None:
    """Log that a session counts as missing, if the last line like it was a while ago."""
    _log("an unreadable session counts as missing", reason)


def _of(error: KTError | None) -> str | None:
    """Return what is said of an error; its key is that of a session, and in no line."""
    if error is None:
        return None
    return error.message if error.host is None else f"{error.message}; host={error.host}"


def _log(what: str, reason: str | None) -> None:
    more = _limit.ending(what)
    if more is None:
        return
    because = "" if reason is None else f" ({reason})"
    logger.warning("%s%s%s", what, because, more)
