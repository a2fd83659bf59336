"""The steps through the Flask site, which shares server and prefix with the Django site."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

from testproject import slow
from testproject.demo.browser import Browser, Page
from testproject.demo.steps import WARM_REQUESTS, StepError, Steps, expect, expect_between
from testproject.demo.table import Row

NAME = "Ada"
AT_ONCE = 3


class FlaskSteps(Steps):
    """The steps through the Flask site."""

    site = "Flask"
    cookie = "session"

    def use(self) -> None:
        """Log in and use every page."""
        self._log_in()
        self.count_visits()
        self.end_other_session()
        self._slow_report()
        self._template_block()
        self._async_view()
        self._prices()
        self._rates()
        self._tag()
        self._signals()
        self._common_counter()
        self.look_for_session_id()

    def _log_in(self) -> None:
        page = self.log_in_with(self.visitor)
        expect("status after the login", 200, page.status)
        expect("address after the login", urljoin(self.site_url, "session/"), page.url)
        expect("user after the login", NAME, page.text_of("user"))
        self.note(Row("log in", f"logged in as {NAME}", cold=page.seconds))

    def log_in_with(self, browser: Browser) -> Page:
        """Send the form of the session page, which takes any name."""
        return browser.post("login/", browser.get("session/"), name=NAME)

    def _slow_report(self) -> None:
        self._made = self._kept("report/", "made", "slow report (cached)", slow.REPORT_SECONDS)

    def _template_block(self) -> None:
        self._kept(
            "headlines/", "headlines", "template block ({% cache %})", slow.HEADLINES_SECONDS
        )

    def _async_view(self) -> None:
        self._kept("weather/", "made", "async view (aget_or_set)", slow.WEATHER_SECONDS)

    def _kept(self, path: str, element: str, what: str, at_least: float) -> str | None:
        """A page takes its time once, and shows the same after that; return what."""
        cold = self.get(path)
        expect_between(f"seconds for the cold {path}", at_least, cold.seconds, 20)
        warm, seconds = self.warm(path)
        kept = cold.text_of(element)
        expect(f"{element} on {path} later", kept, warm.text_of(element))
        self.note(Row(what, "the same later on", cold.seconds, seconds))
        return kept

    def _prices(self) -> None:
        cold = self.get("prices/")
        warm, seconds = self.warm("prices/")
        expect("prices later", _prices(cold), _prices(warm))
        one = _prices(self.visitor.post("prices/", warm, article="tea"))
        changed = [name for name, asked_at in _prices(warm).items() if asked_at != one[name]]
        expect("prices asked for again when one was deleted", ["tea"], changed)
        all_anew = _prices(self.visitor.post("prices/", warm))
        same = [name for name, asked_at in one.items() if asked_at == all_anew[name]]
        expect("prices left when all were deleted", [], same)
        self.note(
            Row("prices (memoize, delete_memoized)", "one anew, all anew", cold.seconds, seconds)
        )

    def _rates(self) -> None:
        visitors = [Browser(self.site_url) for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pages = list(pool.map(lambda visitor: visitor.get("rates/"), visitors))
        made = {page.text_of("made") for page in pages}
        expect(f"times of the rates that {AT_ONCE} visitors got at once", 1, len(made))
        _page, seconds = self.warm("rates/")
        seen = f"made once for {AT_ONCE} visitors"
        cold = max(page.seconds for page in pages)
        self.note(Row("exchange rates (get_or_set, lock)", seen, cold, seconds))

    def _tag(self) -> None:
        rates, prices = self.get("rates/"), self.get("prices/")
        page = self.visitor.post("rates/", rates)
        if page.text_of("made") == rates.text_of("made"):
            raise StepError("rates when their tag was deleted: expected new ones, found the same")
        left = _prices(prices).items() & _prices(self.get("prices/")).items()
        expect("prices left when their tag was deleted", set(), left)
        self.note(Row("a tag (delete_tag)", "rates and prices anew", cold=page.seconds))

    def _signals(self) -> None:
        before = self._tally()
        self.warm("report/")
        hits, misses = (now - then for now, then in zip(self._tally(), before, strict=True))
        expect("hits and misses of a cached page", (WARM_REQUESTS, 0), (hits, misses))
        seen = f"{before[0] + hits} hits, {before[1]} misses in this process"
        self.note(Row("statistics (signals)", seen))

    def _tally(self) -> tuple[int, int]:
        page = self.get("statistics/")
        return int(page.text_of("hits") or 0), int(page.text_of("misses") or 0)

    def _common_counter(self) -> None:
        page = self.get("")
        self.shared.hits += 1
        expect("hits of both sites", str(self.shared.hits), page.text_of("hits"))
        seen = f"{self.shared.hits}: goes on where Django's stood"
        self.note(Row("counter of both sites (incr)", seen, warm=page.seconds))

    def when_server_is_back(self) -> None:
        """After the restart everything is as it was."""
        page = self.get("session/")
        expect("user after the restart", NAME, page.text_of("user"))
        self.note(Row("server started again: session", "still logged in", warm=page.seconds))
        page = self.get("report/")
        expect("report after the restart", self._made, page.text_of("made"))
        expect_between("seconds for the report", 0, page.seconds, slow.REPORT_SECONDS / 2)
        self.note(Row("server started again: report", "the same result", warm=page.seconds))


def _prices(page: Page) -> dict[str, str | None]:
    """When each price of the page was asked for."""
    return {article: page.text_of(article) for article in ("tea", "coffee", "cocoa")}
