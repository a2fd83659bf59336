"""Visitors of a site: threads that keep their connection and their cookies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

__all__ = [
    "COUNTED",
    "HEADLINES",
    "HOME",
    "REPORT",
    "SESSION",
    "STATISTICS",
    "TOUR",
    "Visit",
    "Visitor",
    "together",
]

TIMEOUT = 30.0  # seconds for a page, generous: machines stumble

HOME, REPORT, STATISTICS = "/", "/report/", "/statistics/"
SESSION, HEADLINES, LOGIN = "/session/", "/headlines/", "/login/"
COUNTED = (HOME, STATISTICS, HEADLINES)
TOUR = (REPORT, HOME, STATISTICS, REPORT, HOME, SESSION, REPORT, HOME, HEADLINES, REPORT)


class Visit(NamedTuple):
    """One request and what came of it; times are the monotonic clock's.

    :ivar number: the hits, or the visits of this visitor, that the page showed.
    """

    path: str
    status: int
    number: int | None
    started: float
    ended: float


class Visitor:
    """One visitor, on one connection.

    :param url: of the site.
    :ivar visits: all so far.
    """

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        self._cookies: dict[str, str] = {}
        self.visits: list[Visit] = []

    def get(self, path: str) -> str:
        """Ask for a page; return its text."""
        return self._ask("GET", path)

    def log_in(self) -> None:
        """Fill in the form as the example's user."""
        page = self.get(LOGIN)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page
        fields = {"username": "demo", "password": "demo", "csrfmiddlewaretoken": token[1]}
        self._ask("POST", LOGIN, urlencode(fields))
        assert "sessionid" in self._cookies, self.visits

    def go_round(self, requests: int = len(TOUR)) -> None:
        """Take the tour, again and again, until so many pages were asked for."""
        for number in range(requests):
            self.get(TOUR[number % len(TOUR)])

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, form: str | None = None) -> str:
        headers = {"Cookie": "; ".join(f"{key}={self._cookies[key]}" for key in self._cookies)}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        started = time.monotonic()
        self._connection.request(method, path, form, headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        shown = re.search(r'id="(?:hits|visits)">(\d+)<', text)
        number = int(shown[1]) if shown else None
        self.visits.append(Visit(path, response.status, number, started, time.monotonic()))
        for header in response.headers.get_all("Set-Cookie", []):
            for name, cookie in SimpleCookie(header).items():
                self._cookies[name] = cookie.value
        return text


def together(visitors: Sequence[Visitor], do: Callable[[Visitor], object]) -> None:
    """Let every visitor do something in a thread of its own; raises what went wrong."""
    with ThreadPoolExecutor(len(visitors)) as threads:
        for done in [threads.submit(do, visitor) for visitor in visitors]:
            done.result()
