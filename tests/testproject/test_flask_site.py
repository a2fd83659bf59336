"""The example site in Flask: its page on which visitors see and end their sessions."""

from __future__ import annotations

import re

import pytest

from testproject.flask_site import create_app

PAGE = "/session/all/"


@pytest.fixture
def site(monkeypatch, included_server):
    """The site on an empty server."""
    included_server.client.clear()
    monkeypatch.setenv("KT_CACHE_URL", f"kt://{included_server.host}:{included_server.port}")
    return create_app()


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
