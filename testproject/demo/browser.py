"""A small browser: it keeps cookies, follows redirects, fills in forms and measures time."""

from __future__ import annotations

import html
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Page:
    """What came back for one request."""

    status: int
    url: str
    body: str
    seconds: float

    def text_of(self, element: str) -> str | None:
        """The text of the element with this id, ``None`` if the page has no such element."""
        found = re.search(rf'<(\w+)[^>]* id="{element}"[^>]*>(.*?)</\1>', self.body, re.DOTALL)
        if found is None:
            return None
        return html.unescape(re.sub(r"<[^>]+>", "", found[2])).strip()

    def hidden_field(self, name: str) -> str:
        """The value of a form's hidden field."""
        found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', self.body)
        return html.unescape(found[1]) if found else ""


class Browser:
    """One visitor of one site."""

    def __init__(self, site_url: str) -> None:
        self._site_url = site_url
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self._cookies),
        )

    def get(self, path: str) -> Page:
        """Ask for a page."""
        return self._open(path, None)

    def post(self, path: str, form: Page, **fields: str) -> Page:
        """Send the form of a page, with its token against forged requests."""
        fields["csrfmiddlewaretoken"] = form.hidden_field("csrfmiddlewaretoken")
        return self._open(path, urllib.parse.urlencode(fields).encode())

    def cookie(self, name: str) -> str | None:
        """The value of a cookie, ``None`` if there is none."""
        return next((cookie.value for cookie in self._cookies if cookie.name == name), None)

    def take_cookies_of(self, other: Browser) -> None:
        """Copy another browser's cookies, as somebody would who stole them."""
        for cookie in other._cookies:
            self._cookies.set_cookie(cookie)

    def _open(self, path: str, data: bytes | None) -> Page:
        url = urllib.parse.urljoin(self._site_url, path)
        started = time.perf_counter()
        try:
            reply = self._opener.open(url, data, TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            body = reply.read().decode("utf-8")
        return Page(reply.status, reply.url, body, time.perf_counter() - started)
