"""The steps through the Flask site, which shares server and prefix with the Django site."""

from __future__ import annotations

from urllib.parse import urljoin

from testproject import slow
from testproject.demo.browser import Browser, Page
from testproject.demo.steps import Steps, expect, expect_between
from testproject.demo.table import Row

NAME = "Ada"


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
        cold = self.get("report/")
        expect_between("seconds for the cold report", slow.REPORT_SECONDS, cold.seconds, 20)
        warm, seconds = self.warm("report/")
        expect("cached report", cold.text_of("made"), warm.text_of("made"))
        expect_between("seconds for the warm report", 0, seconds, slow.REPORT_SECONDS / 2)
        self._made = cold.text_of("made")
        self.note(Row("slow report (get, set)", "the same result", cold.seconds, seconds))

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
