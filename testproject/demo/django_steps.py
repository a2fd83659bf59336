"""The steps through the Django site."""

from __future__ import annotations

import time
from urllib.parse import urljoin, urlsplit

from django.core.cache import cache
from django.core.cache.utils import make_template_fragment_key
from django.http import HttpRequest
from django.utils.cache import get_cache_key

from testproject import slow
from testproject.demo.browser import Browser, Page
from testproject.demo.steps import WARM_REQUESTS, StepError, Steps, expect, expect_between
from testproject.demo.table import Row
from testproject.django_site import counter


class DjangoSteps(Steps):
    """The steps through the Django site; the cache of this process must be the site's."""

    site = "Django"
    cookie = "sessionid"

    def use(self) -> None:
        """Log in, use every page, and look at the records behind them."""
        self._log_in()
        self.count_visits()
        self.end_other_session()
        self._slow_report()
        self._fragment()
        self._hit_counter()
        self._page_record()
        self._counter_record()
        self.look_for_session_id()

    def _log_in(self) -> None:
        page = self.log_in_with(self.visitor)
        expect("status after the login", 200, page.status)
        expect("address after the login", urljoin(self.site_url, "session/"), page.url)
        expect("user after the login", "demo", page.text_of("user"))
        self.note(Row("log in", "logged in as demo", cold=page.seconds))

    def log_in_with(self, browser: Browser) -> Page:
        """Send the form of the login page."""
        return browser.post("login/", browser.get("login/"), username="demo", password="demo")

    def _slow_report(self) -> None:
        cold = self.get("report/")
        expect_between("seconds for the cold report", slow.REPORT_SECONDS, cold.seconds, 20)
        warm, seconds = self.warm("report/")
        expect("cached report", cold.body, warm.body)
        expect_between("seconds for the warm report", 0, seconds, slow.REPORT_SECONDS / 2)
        self._reported = cold.body
        self.note(Row("slow report (cache_page)", "the same page", cold.seconds, seconds))

    def _fragment(self) -> None:
        cold = self.get("headlines/")
        expect_between("seconds for cold headlines", slow.HEADLINES_SECONDS, cold.seconds, 20)
        warm, seconds = self.warm("headlines/")
        expect("cached headlines", cold.text_of("headlines"), warm.text_of("headlines"))
        expect("hits beside the fragment", str(1 + WARM_REQUESTS), warm.text_of("hits"))
        expect_between("seconds for warm headlines", 0, seconds, slow.HEADLINES_SECONDS / 2)
        seen = "the same list on a page made anew"
        self.note(Row("template fragment ({% cache %})", seen, cold.seconds, seconds))

    def _hit_counter(self) -> None:
        first = self.get("")
        page, seconds = self.warm("")
        self.shared.hits = 1 + WARM_REQUESTS
        expect("first hit", "1", first.text_of("hits"))
        expect("hits at the end", str(self.shared.hits), page.text_of("hits"))
        seen = f"1 to {self.shared.hits}, one by one"
        self.note(Row("hit counter (add, incr)", seen, first.seconds, seconds))

    def _page_record(self) -> None:
        request = HttpRequest()
        request.method, request.path = "GET", "/report/"
        request.META["HTTP_HOST"] = urlsplit(self.site_url).netloc
        page_key = get_cache_key(request)
        if page_key is None:
            raise StepError("key of the cached report: expected one, found none")
        size = self._record("cached report", page_key, slow.RESULT_TIMEOUT)
        fragment_key = make_template_fragment_key("headlines")
        self._record("cached headlines", fragment_key, slow.RESULT_TIMEOUT)
        seen = f"{size:,} bytes for the report, 15 minutes to live"
        self.note(Row("the same records, direct client", seen))

    def _record(self, what: str, key: str, timeout: float) -> int:
        stored_key = cache.make_key(key)
        value = self.direct.get_bytes(stored_key)
        if value is None:
            raise StepError(f"record of the {what}: expected one under {stored_key!r}, found none")
        left = (self.direct.expire_time(stored_key) or 0) - time.time()
        # Made less than two minutes ago; the server's clock has whole seconds, rounded up.
        expect_between(f"seconds left to the {what}", timeout - 120, left, timeout + 2)
        return len(value)

    def _counter_record(self) -> None:
        key = cache.make_key(counter.key_of("home"))
        stored = self.direct.get_bytes(key)
        expect("counter in the server", str(self.shared.hits).encode(), stored)
        before = self.direct.expire_time(key)
        self.shared.hits += 1
        expect("hits", str(self.shared.hits), self.get("").text_of("hits"))
        expect("expiry of the counter after one more hit", before, self.direct.expire_time(key))
        self._record("counter", counter.key_of("home"), counter.TIMEOUT)
        seen = f"{self.shared.hits}, and incr keeps its day to live"
        self.note(Row("the counter, direct client", seen))

    def when_server_is_back(self) -> None:
        """After the restart everything is as it was."""
        page = self.get("session/")
        expect("user after the restart", "demo", page.text_of("user"))
        self.note(Row("server started again: session", "still logged in", warm=page.seconds))
        page = self.get("report/")
        expect("report after the restart", self._reported, page.body)
        expect_between("seconds for the report", 0, page.seconds, slow.REPORT_SECONDS / 2)
        self.note(Row("server started again: report", "the same page", warm=page.seconds))
        page = self.get("")
        self.shared.hits += 1
        expect("hits after the restart", str(self.shared.hits), page.text_of("hits"))
        seen = f"goes on at {self.shared.hits}"
        self.note(Row("server started again: counter", seen, warm=page.seconds))
