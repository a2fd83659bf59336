"""The table of a user's sessions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from kt_cache.sessions import UserSession
from kt_cache.sessions.user_table import ended, lines_of, swept

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ZONE = timezone(timedelta(hours=2), "there")


def test_columns():
    """Columns are as wide as they must be; one about which nothing is known is left out."""
    sessions = [
        UserSession("0123456789abcdef", WHEN, WHEN + timedelta(days=1), None, "Browser"),
        UserSession("fedcba9876543210", WHEN, WHEN, None, None),
    ]
    assert lines_of(sessions, ZONE) == [
        "session           logged in                  last seen                  with",
        "0123456789abcdef  2026-01-02 05:04:05 there  2026-01-03 05:04:05 there  Browser",
        "fedcba9876543210  2026-01-02 05:04:05 there  2026-01-02 05:04:05 there",
    ]


def test_counts():
    """One session is one, all other numbers are several."""
    assert ended(1, "ada") == "Ended 1 session of ada."
    assert ended(0, "ada") == "Ended 0 sessions of ada."
    assert swept(1) == "Forgot 1 session that was over."
    assert swept(2) == "Forgot 2 sessions that were over."


def test_zone_of_this_machine():
    """Without a zone the times are this machine's."""
    (_, line) = lines_of([UserSession("0" * 16, WHEN, WHEN, "::1")])
    assert WHEN.astimezone().strftime("%H:%M:%S %Z") in line
    assert line.endswith("::1")
