"""The session cookie: its flags, and what caches between site and visitor are told."""

from __future__ import annotations

import pytest
from flask import session
from flask.sessions import SessionInterface

from kt_cache.flask import KTSession
from tests.flask.sites import cookies_set, make_site, session_id


@pytest.fixture
def app(url):
    app = make_site(KT_CACHE_URL=url)
    KTSession(app)
    return app


def flags(cookie: str) -> set[str]:
    """Return what a Set-Cookie header says besides name, value and time."""
    parts = {part.strip() for part in cookie.split(";")[1:]}
    return {part for part in parts if not part.startswith(("Expires=", "Max-Age="))}


CONFIGS = {
    "default": ({}, {"HttpOnly", "Path=/"}),
    "all": (
        {
            "SESSION_COOKIE_DOMAIN": "shop.example",
            "SESSION_COOKIE_PATH": "/shop",
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
        },
        {"Domain=shop.example", "Path=/shop", "Secure", "HttpOnly", "SameSite=Lax"},
    ),
    "readable": ({"SESSION_COOKIE_HTTPONLY": False}, {"Path=/"}),
    "below a root": ({"APPLICATION_ROOT": "/shop"}, {"HttpOnly", "Path=/shop"}),
}
if hasattr(SessionInterface, "get_cookie_partitioned"):  # since Flask 3.1
    CONFIGS["partitioned"] = (
        {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_PARTITIONED": True},
        {"HttpOnly", "Path=/", "Secure", "Partitioned"},
    )


@pytest.mark.parametrize(("config", "expected"), CONFIGS.values(), ids=CONFIGS.keys())
def test_flags(app, config, expected):
    """The cookie has the flags of Flask's settings, also when it is removed."""
    app.config.update(config)
    where = {"base_url": "https://shop.example/shop/"}
    visitor = app.test_client()
    (cookie,) = cookies_set(visitor.post("/login/ada", **where))
    assert flags(cookie) == expected
    browser = app.test_client(use_cookies=False)
    headers = {"Cookie": cookie.partition(";")[0]}
    (removal,) = cookies_set(browser.post("/logout", headers=headers, **where))
    assert flags(removal) == expected
    assert "Max-Age=0" in removal


def test_its_name(app):
    """The cookie is called as ``SESSION_COOKIE_NAME`` says."""
    app.config["SESSION_COOKIE_NAME"] = "visit"
    visitor = app.test_client()
    visitor.post("/login/ada")
    assert visitor.get_cookie("visit").value
    assert session_id(visitor) is None
    assert visitor.get("/").text == "ada"


def test_it_is_sent_when_the_session_changes(app):
    """A change sends the cookie again, reading does not."""
    visitor = app.test_client()
    assert len(cookies_set(visitor.post("/login/ada"))) == 1
    before = session_id(visitor)
    assert cookies_set(visitor.get("/")) == []
    assert len(cookies_set(visitor.get("/count"))) == 1
    assert session_id(visitor) == before


@pytest.mark.parametrize(
    "look",
    [
        lambda: session.get("user"),
        lambda: "user" in session,
        lambda: len(session),
        lambda: list(session),
        lambda: session.setdefault("user", "x"),
        lambda: session.pop("missing", None),
        lambda: session.permanent,
    ],
    ids=["get", "in", "len", "iterate", "setdefault", "pop", "permanent"],
)
@pytest.mark.parametrize("known", [True, False])
def test_vary_when_the_session_was_looked_at(app, look, known):
    """However a view looks at the session, its answer says that it depends on the cookie."""
    app.add_url_rule("/look", view_func=lambda: str(look()), endpoint="look")
    visitor = app.test_client()
    if known:
        visitor.post("/login/ada")
    assert visitor.get("/look").headers["Vary"] == "Cookie"


@pytest.mark.parametrize("known", [True, False])
def test_no_vary_when_it_was_not(app, known):
    """An answer that has nothing to do with the session may be cached for everybody."""
    visitor = app.test_client()
    if known:
        visitor.post("/login/ada")
    assert "Vary" not in visitor.get("/about").headers


@pytest.mark.parametrize("path", ["/login/ada", "/logout"])
def test_vary_when_the_cookie_changes(app, path):
    """An answer that sets or removes the cookie depends on it."""
    visitor = app.test_client()
    visitor.post("/login/ada")
    assert visitor.post(path).headers["Vary"] == "Cookie"


@pytest.mark.parametrize("is_due", [True, False])
def test_vary_when_it_is_refreshed(app, is_due):
    """An answer that renews a permanent session sends its cookie, and so depends on it."""
    visitor = app.test_client()
    visitor.post("/login/ada/for-long")
    if is_due:
        app.permanent_session_lifetime *= 2
    answer = visitor.get("/about")
    assert bool(cookies_set(answer)) is is_due
    assert answer.headers.getlist("Vary") == ["Cookie"] * is_due


def test_vary_keeps_what_the_view_said(app):
    """An answer that depends on something else as well says both."""

    @app.get("/by-language")
    def by_language():
        return session.get("user", ""), {"Vary": "Accept-Language"}

    answer = app.test_client().get("/by-language")
    assert sorted(answer.headers["Vary"].split(", ")) == ["Accept-Language", "Cookie"]
