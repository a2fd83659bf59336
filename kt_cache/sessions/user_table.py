"""A user's sessions as a table, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from kt_cache.sessions.user_index import UserSession

__all__ = ["lines_of"]


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
