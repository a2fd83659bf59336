"""The walk through the site: each step says what it saw, and fails if it is not as it should be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.cache import cache
from django.core.cache.utils import make_template_fragment_key
from django.http import HttpRequest
from django.utils.cache import get_cache_key

from kt_cache import EmbeddedServer, KyotoTycoon
from testproject.demo.browser import Browser, Page
from testproject.demo.table import Row, duration
from testproject.django_site import counter, slow

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


class Walk:
    """All steps in their order, and the rows of the closing table."""

    def __init__(self, site_url: str, server: EmbeddedServer, say: Callable[[str], None]) -> None:
        self.rows: list[Row] = []
        self._site_url = site_url
        self._server = server
        self._say = say
        self._visitor = Browser(site_url)
        # A client of its own, which lives on when the server is stopped and started again.
        self._direct = KyotoTycoon(server.host, server.port or 0)
        self._reported = ""
        self._hits = 0

    def run(self) -> None:
        """Take every step."""
        with self._direct:
            self._take_steps()

    def _take_steps(self) -> None:
        self._log_in()
        self._session_survives()
        self._slow_report()
        self._fragment()
        self._hit_counter()
        self._page_record()
        self._counter_record()
        self._session_record()
        self._server_away()
        self._server_back()
        self._log_out()

    def _note(self, row: Row) -> None:
        self.rows.append(row)
        times = ", ".join(
            f"{name} {duration(seconds)}"
            for name, seconds in (("cold", row.cold), ("warm", row.warm))
            if seconds is not None
        )
        self._say(f"  ok  {row.what}: {row.seen}" + (f" ({times})" if times else ""))

    def _get(self, path: str) -> Page:
        page = self._visitor.get(path)
        expect(f"status of {path}", 200, page.status)
        return page

    def _warm(self, path: str) -> tuple[Page, float]:
        pages = [self._get(path) for _ in range(WARM_REQUESTS)]
        return pages[-1], statistics.median(page.seconds for page in pages)

    def _log_in(self) -> None:
        form = self._get("login/")
        page = self._visitor.post("login/", form, username="demo", password="demo")
        expect("status after the login", 200, page.status)
        expect("path after the login", "/session/", urlsplit(page.url).path)
        expect("user after the login", "demo", page.text_of("user"))
        self._note(Row("log in", "logged in as demo", cold=page.seconds))

    def _session_survives(self) -> None:
        first = int(self._get("session/").text_of("visits") or 0)
        page, seconds = self._warm("session/")
        expect("user some requests later", "demo", page.text_of("user"))
        expect("visits kept in the session", str(first + WARM_REQUESTS), page.text_of("visits"))
        self._note(Row("session", f"visits {first} to {first + WARM_REQUESTS}", warm=seconds))

    def _slow_report(self) -> None:
        cold = self._get("report/")
        expect_between("seconds for the cold report", slow.REPORT_SECONDS, cold.seconds, 20)
        warm, seconds = self._warm("report/")
        expect("cached report", cold.body, warm.body)
        expect_between("seconds for the warm report", 0, seconds, slow.REPORT_SECONDS / 2)
        self._reported = cold.body
        self._note(Row("slow report (cache_page)", "the same page", cold.seconds, seconds))

    def _fragment(self) -> None:
        cold = self._get("headlines/")
        expect_between("seconds for cold headlines", slow.HEADLINES_SECONDS, cold.seconds, 20)
        warm, seconds = self._warm("headlines/")
        expect("cached headlines", cold.text_of("headlines"), warm.text_of("headlines"))
        expect("hits beside the fragment", str(1 + WARM_REQUESTS), warm.text_of("hits"))
        expect_between("seconds for warm headlines", 0, seconds, slow.HEADLINES_SECONDS / 2)
        seen = "the same list on a page made anew"
        self._note(Row("template fragment ({% cache %})", seen, cold.seconds, seconds))

    def _hit_counter(self) -> None:
        first = self._get("")
        page, seconds = self._warm("")
        self._hits = 1 + WARM_REQUESTS
        expect("first hit", "1", first.text_of("hits"))
        expect("hits at the end", str(self._hits), page.text_of("hits"))
        seen = f"1 to {self._hits}, one by one"
        self._note(Row("hit counter (add, incr)", seen, first.seconds, seconds))

    def _page_record(self) -> None:
        request = HttpRequest()
        request.method, request.path = "GET", "/report/"
        request.META["HTTP_HOST"] = urlsplit(self._site_url).netloc
        page_key = get_cache_key(request)
        if page_key is None:
            raise StepError("key of the cached report: expected one, found none")
        size = self._record("cached report", page_key, slow.RESULT_TIMEOUT)
        fragment_key = make_template_fragment_key("headlines")
        self._record("cached headlines", fragment_key, slow.RESULT_TIMEOUT)
        seen = f"{size:,} bytes for the report, 15 minutes to live"
        self._note(Row("the same records, direct client", seen))

    def _record(self, what: str, key: str, timeout: float) -> int:
        stored_key = cache.make_key(key)
        value = self._direct.get_bytes(stored_key)
        if value is None:
            raise StepError(f"record of the {what}: expected one under {stored_key!r}, found none")
        left = (self._direct.expire_time(stored_key) or 0) - time.time()
        # Made less than two minutes ago; the server's clock has whole seconds, rounded up.
        expect_between(f"seconds left to the {what}", timeout - 120, left, timeout + 2)
        return len(value)

    def _counter_record(self) -> None:
        key = cache.make_key(counter.key_of("home"))
        expect("counter in the server", str(self._hits).encode(), self._direct.get_bytes(key))
        before = self._direct.expire_time(key)
        self._hits += 1
        expect("hits", str(self._hits), self._get("").text_of("hits"))
        expect("expiry of the counter after one more hit", before, self._direct.expire_time(key))
        self._record("counter", counter.key_of("home"), counter.TIMEOUT)
        seen = f"{self._hits}, and incr keeps its day to live"
        self._note(Row("the counter, direct client", seen))

    def _session_record(self) -> None:
        session_id = self._visitor.cookie("sessionid")
        if not session_id:
            raise StepError("session cookie: expected one, found none")
        keys = self._direct.match_prefix("")
        with_id = [key for key in keys if session_id in str(key)]
        expect("keys that contain the session id", [], with_id)
        self._note(Row("session id", f"in none of the {len(keys)} keys of the server"))

    def _server_away(self) -> None:
        expect("the server ran until it was stopped", True, self._server.stop())
        page = self._visitor.get("session/")
        expect("status without a server", 500, page.status)
        if not self._visitor.cookie("sessionid"):
            raise StepError("session cookie without a server: expected to be kept, it is gone")
        self._note(Row("server stopped", "an error page, and nobody is logged out"))

    def _server_back(self) -> None:
        self._server.run()
        page = self._get("session/")
        expect("user after the restart", "demo", page.text_of("user"))
        self._note(Row("server started again: session", "still logged in", warm=page.seconds))
        page = self._get("report/")
        expect("report after the restart", self._reported, page.body)
        expect_between("seconds for the report", 0, page.seconds, slow.REPORT_SECONDS / 2)
        self._note(Row("server started again: report", "the same page", warm=page.seconds))
        page = self._get("")
        self._hits += 1
        expect("hits after the restart", str(self._hits), page.text_of("hits"))
        seen = f"goes on at {self._hits}"
        self._note(Row("server started again: counter", seen, warm=page.seconds))

    def _log_out(self) -> None:
        thief = Browser(self._site_url)
        thief.take_cookies_of(self._visitor)
        expect("user of the copied cookie", "demo", thief.get("session/").text_of("user"))
        page = self._visitor.post("logout/", self._get("session/"))
        expect("path after the logout", "/", urlsplit(page.url).path)
        expect("user after the logout", None, self._get("session/").text_of("user"))
        expect("user of the old cookie", None, thief.get("session/").text_of("user"))
        self._note(Row("log out", "the old session cookie is worth nothing"))
