"""The example site in Flask: its cached pages, and the one where visitors end their sessions."""

from __future__ import annotations

import re

import pytest

from testproject import slow
from testproject.flask_site import create_app
from testproject.flask_site.shop import ARTICLES
from tests.support.peers import nobody_listens

PAGE = "/session/all/"


@pytest.fixture
def site(monkeypatch, included_server):
    """The site on an empty server."""
    included_server.client.clear()
    monkeypatch.setenv("KT_CACHE_URL", f"kt://{included_server.host}:{included_server.port}")
    return create_app()


@pytest.fixture(autouse=True)
def _nothing_is_slow(monkeypatch):
    """What the site waits for takes no time."""
    for name in ("REPORT", "HEADLINES", "PRICE", "RATES", "WEATHER"):
        monkeypatch.setattr(slow, f"{name}_SECONDS", 0)


def shown(browser, path, element="made"):
    """Return what an element of a page shows."""
    text = browser.get(path).text
    return re.search(rf'id="{element}">(.*?)</', text, re.DOTALL)[1]


def browser_of(site, name="ada", agent="Lynx"):
    """Return a browser whose visitor has logged in."""
    browser = site.test_client()
    browser.post("/login/", data={"name": name}, headers={"User-Agent": agent})
    return browser


def rows(browser):
    """Return the rows of the table, without its heading."""
    return browser.get(PAGE).text.split("<tr>")[2:]


def is_logged_in(browser):
    return browser.get(PAGE).status_code == 200


class TestCachedPages:
    @pytest.mark.parametrize(
        ("path", "element"),
        [
            ("/report/", "made"),
            ("/headlines/", "headlines"),
            ("/weather/", "made"),
            ("/rates/", "made"),
            ("/prices/", "tea"),
        ],
    )
    def test_made_once(self, site, path, element):
        """What was made for one visitor is shown to all, whoever they are."""
        first = shown(site.test_client(), path, element)
        assert first == shown(browser_of(site), path, element)

    def test_prices_are_forgotten(self, site):
        """Each price has a button, and all of them have one."""
        browser = site.test_client()

        def prices():
            return [shown(browser, "/prices/", article) for article in ARTICLES]

        first = prices()
        browser.post("/prices/", data={"article": "coffee"})
        second = prices()
        assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, True]
        browser.post("/prices/")
        assert not {*second} & {*prices()}

    def test_money_is_forgotten(self, site):
        """One button forgets what has the tag, and nothing else."""
        browser = site.test_client()
        places = [("/rates/", "made"), ("/prices/", "tea"), ("/weather/", "made")]
        before = [shown(browser, *place) for place in places]
        browser.post("/rates/")
        after = [shown(browser, *place) for place in places]
        assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]

    def test_statistics(self, site):
        """Signals count hits and misses, of this app alone."""
        browser, other = site.test_client(), create_app().test_client()
        for _ in range(3):
            browser.get("/weather/")
        assert [shown(browser, "/statistics/", name) for name in ("hits", "misses")] == ["2", "1"]
        assert [shown(other, "/statistics/", name) for name in ("hits", "misses")] == ["0", "0"]

    def test_the_server_is_away(self, monkeypatch):
        """Pages that need it say so, in the site's own words."""
        with nobody_listens() as port:
            monkeypatch.setenv("KT_CACHE_URL", f"kt://127.0.0.1:{port}")
            browser = create_app().test_client()
            answer = browser.get("/weather/")
            assert answer.status_code == 500
            assert 'id="error"' in answer.text
            assert shown(browser, "/statistics/", "errors") != "0"


class TestSessions:
    def test_the_others_are_ended(self, site):
        """The button ends all other sessions of the visitor, and nobody else's."""
        one, two, bob = browser_of(site), browser_of(site), browser_of(site, "bob")
        assert len(rows(one)) == 2
        assert sum("this one" in row for row in rows(one)) == 1
        assert one.post(PAGE, follow_redirects=True).status_code == 200
        assert [is_logged_in(browser) for browser in (one, two, bob)] == [True, False, True]
        assert "End all others" not in one.get(PAGE).text

    def test_browsers_are_shown(self, site):
        """Visitors recognize their sessions by the browser; what it says is text."""
        (row,) = rows(browser_of(site, agent="<b>Lynx</b>"))
        assert "&lt;b&gt;Lynx&lt;/b&gt;" in row

    def test_one_is_ended(self, site):
        """Each other session has a button of its own."""
        one, two = browser_of(site), browser_of(site)
        (other,) = (row for row in rows(one) if "this one" not in row)
        one.post(PAGE, data={"session": re.search(r'name="session" value="(\w+)"', other)[1]})
        assert [is_logged_in(browser) for browser in (one, two)] == [True, False]

    def test_nobody(self, site):
        """The page leads visitors who are not logged in to where they can; the home page to it."""
        stranger, ada = site.test_client(), browser_of(site)
        assert stranger.get(PAGE).headers["Location"] == "/session/"
        assert stranger.post(PAGE).headers["Location"] == PAGE
        assert is_logged_in(ada)
        assert f'href="{PAGE}"' in stranger.get("/").text

    def test_a_new_id_at_the_login(self, site):
        """An id that somebody has planted is not logged in."""
        planted, visitor = site.test_client(), site.test_client()
        planted.get("/session/")
        visitor.set_cookie("session", planted.get_cookie("session").value)
        visitor.post("/login/", data={"name": "ada"})
        assert [is_logged_in(browser) for browser in (visitor, planted)] == [True, False]
