"""What the steps of a walk have in common: expectations, a visitor, and the rows of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from kt_cache import KyotoTycoon
from testproject.demo.browser import Browser, Page
from testproject.demo.table import Row, duration

WARM_REQUESTS = 5


class StepError(Exception):
    """Something was not as it should be; the message says what was expected."""


def expect(what: str, expected: object, found: object) -> None:
    """Fail unless both are equal."""
    if found != expected:
        raise StepError(f"{what}: expected {expected!r}, found {found!r}")


def expect_between(what: str, low: float, found: float, high: float) -> None:
    """Fail unless the number lies between the two others."""
    if not low <= found <= high:
        raise StepError(f"{what}: expected {low:.3f} to {high:.3f}, found {found:.3f}")


@dataclass
class Shared:
    """What the steps of all sites share.

    :param direct: a client of the server, which lives on when that is stopped and started again.
    :param say: prints a line.
    :param hits: how often the home pages were asked for; the sites have one counter.
    """

    direct: KyotoTycoon
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    hits: int = 0


class Steps:
    """The steps through one site."""

    site = ""
    cookie = ""

    def __init__(self, site_url: str, shared: Shared) -> None:
        self.site_url = site_url
        self.shared = shared
        self.direct = shared.direct
        self.visitor = Browser(site_url)

    def note(self, row: Row) -> None:
        """Put a step that was as it should be into the table, and say so."""
        row = Row(f"{self.site}: {row.what}", row.seen, row.cold, row.warm)
        self.shared.rows.append(row)
        times = ", ".join(
            f"{name} {duration(seconds)}"
            for name, seconds in (("cold", row.cold), ("warm", row.warm))
            if seconds is not None
        )
        self.shared.say(f"  ok  {row.what}: {row.seen}" + (f" ({times})" if times else ""))

    def get(self, path: str) -> Page:
        """Ask for a page, which must be there."""
        page = self.visitor.get(path)
        expect(f"status of {path} in {self.site}", 200, page.status)
        return page

    def warm(self, path: str) -> tuple[Page, float]:
        """Ask for a page some times; return the last one and the median time."""
        pages = [self.get(path) for _ in range(WARM_REQUESTS)]
        return pages[-1], statistics.median(page.seconds for page in pages)

    def log_in_with(self, browser: Browser) -> Page:
        """Log in, as the user that all browsers of these steps have; return the page behind it."""
        raise NotImplementedError

    def end_other_session(self) -> None:
        """A user sees the session in another browser, and ends it from here."""
        other = Browser(self.site_url)
        self.log_in_with(other)
        page = self.get("session/all/")
        expect("sessions of the user", "2", page.text_of("number"))
        page = self.visitor.post("session/all/", page)
        expect("sessions when the others are ended", "1", page.text_of("number"))
        expect("user in the other browser", None, other.get("session/").text_of("user"))
        self.note(Row("other sessions", "ended from here", warm=page.seconds))

    def count_visits(self) -> None:
        """The session remembers the visitor and counts the visits."""
        before = self.get("session/")
        user, first = before.text_of("user"), int(before.text_of("visits") or 0)
        page, seconds = self.warm("session/")
        expect("user some requests later", user, page.text_of("user"))
        expect("visits kept in the session", str(first + WARM_REQUESTS), page.text_of("visits"))
        self.note(Row("session", f"visits {first} to {first + WARM_REQUESTS}", warm=seconds))

    def look_for_session_id(self) -> None:
        """The id of the visitor's session is in no key of the server."""
        session_id = self.visitor.cookie(self.cookie)
        if not session_id:
            raise StepError("session cookie: expected one, found none")
        keys = self.direct.match_prefix("")
        with_id = [key for key in keys if session_id in str(key)]
        expect("keys that contain the session id", [], with_id)
        self.note(Row("session id", f"in none of the {len(keys)} keys of the server"))

    def while_server_is_away(self) -> None:
        """A page without a server is an error, and nobody loses the session cookie."""
        page = self.visitor.get("session/")
        expect("status without a server", 503, page.status)
        if page.text_of("error") is None:
            raise StepError("error page without a server: expected the site's own, found another")
        if not self.visitor.cookie(self.cookie):
            raise StepError("session cookie without a server: expected to be kept, it is gone")
        self.note(Row("server stopped", "an error page, and nobody is logged out"))

    def log_out(self) -> None:
        """Logging out ends the session wherever its cookie is."""
        user = self.get("session/").text_of("user")
        thief = Browser(self.site_url)
        thief.take_cookies_of(self.visitor)
        expect("user of the copied cookie", user, thief.get("session/").text_of("user"))
        page = self.visitor.post("logout/", self.get("session/"))
        expect("address after the logout", self.site_url, page.url)
        expect("user after the logout", None, self.get("session/").text_of("user"))
        expect("user of the old cookie", None, thief.get("session/").text_of("user"))
        self.note(Row("log out", "the old session cookie is worth nothing"))
