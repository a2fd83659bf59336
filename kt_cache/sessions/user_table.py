"""A user's sessions in words, and ended by their names, for terminals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, tzinfo

from kt_cache.sessions.user_index import UserSession
from kt_cache.sessions.users import UserSessions

__all__ = ["end", "ended", "lines_of", "restored", "swept"]


def lines_of(sessions: Sequence[UserSession], zone: tzinfo | None = None) -> list[str]:
    """Return a table of sessions with a heading, without columns about which nothing is known.

    :param zone: of the times; ``None`` for that of this machine.
    """

    def moment(when: datetime) -> str:
        return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    rows = [("session", "logged in", "last seen", "from", "with")]
    rows += [
        (
            session.handle,
            moment(session.created),
            moment(session.last_seen),
            session.address or "",
            session.agent or "",
        )
        for session in sessions
    ]
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]


def end(
    users: UserSessions, user_id: str, name: str, spared: Collection[str], only: str | None
) -> str:
    """End a user's sessions and say how many.

    :param name: what to call the user.
    :param spared: handles of those to spare.
    :param only: handle of the one to end; ``None`` for all.
    :raises LookupError: if the user has no session of such a handle; the message is for whoever
        mistyped it, and nothing was ended, not even what was to be spared.
    """
    named = {*spared, *([] if only is None else [only])}
    unknown = named - {session.handle for session in users.sessions_of(user_id)}
    if unknown:
        raise LookupError(
            f"{name} has no session {' or '.join(sorted(unknown))}; nothing was ended"
        )
    if only is None:
        count = users.kill_sessions(user_id, except_handles=spared)
    else:
        count = int(users.kill_session(user_id, only))
    return ended(count, name)


def ended(count: int, name: str) -> str:
    """Say how many sessions of somebody were ended."""
    return f"Ended {_sessions(count)} of {name}."


def swept(count: int) -> str:
    """Say how many sessions were taken out of lists."""
    return f"Forgot {_sessions(count)} that {'was' if count == 1 else 'were'} over."


def restored(count: int) -> str:
    """Say how many sessions were put back."""
    return f"Put back {_sessions(count)}."


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
