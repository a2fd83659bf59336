"""Flask-Session, the package from PyPI, on our backend as its cachelib store."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from flask_session import Session

from kt_cache import KyotoTycoon
from kt_cache.flask import KyotoTycoonCache
from tests.flask.sites import make_site, session_id
from tests.support.peers import nobody_listens


@pytest.fixture
def backend(url):
    return KyotoTycoonCache(url, key_prefix="sessions")


@pytest.fixture
def app(backend):
    """The site with Flask-Session on our backend."""
    app = make_site(SESSION_TYPE="cachelib", SESSION_CACHELIB=backend)
    Session(app)
    return app


def records(client: KyotoTycoon) -> list[str]:
    """Return the keys of the stored sessions."""
    return client.match_prefix("sessions:1:session:")


def test_login_and_logout(app, client):
    """A visitor stays logged in over requests; after the logout the record is gone."""
    visitor, stranger = app.test_client(), app.test_client()
    visitor.post("/login/ada")
    assert [visitor.get("/").text, stranger.get("/").text] == ["ada", "nobody"]
    assert [visitor.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert records(client) == [f"sessions:1:session:{session_id(visitor)}"]
    visitor.post("/logout")
    assert visitor.get("/").text == "nobody"
    assert records(client) == []


def test_a_copied_cookie_is_worth_nothing_after_the_logout(app):
    """Sessions live on the server: logging out ends them wherever the cookie is."""
    visitor, thief = app.test_client(), app.test_client()
    visitor.post("/login/ada")
    thief.set_cookie("session", session_id(visitor))
    assert thief.get("/").text == "ada"
    visitor.post("/logout")
    assert thief.get("/").text == "nobody"


@pytest.mark.parametrize("lifetime", [timedelta(days=31), timedelta(hours=1)], ids=str)
def test_the_lifetime_is_the_records(app, client, lifetime):
    """A record lives as long as ``PERMANENT_SESSION_LIFETIME`` says, from the last request on."""
    app.permanent_session_lifetime = lifetime
    app.test_client().post("/login/ada")
    left = client.expire_time(records(client)[0]) - time.time()
    assert lifetime.total_seconds() - 5 < left <= lifetime.total_seconds() + 2


def test_an_unknown_id_is_a_new_session(app, client):
    """An id that nobody was given is not taken over."""
    visitor = app.test_client()
    visitor.set_cookie("session", "made-up")
    visitor.post("/login/ada")
    assert session_id(visitor) != "made-up"
    assert visitor.get("/").text == "ada"
    assert "made-up" not in str(records(client))


def test_all_processes_share_the_sessions(app, url):
    """A second app with the same settings, as in another worker, knows the visitor."""
    visitor = app.test_client()
    visitor.post("/login/ada")
    other = make_site(
        SESSION_TYPE="cachelib", SESSION_CACHELIB=KyotoTycoonCache(url, key_prefix="sessions")
    )
    Session(other)
    same = other.test_client()
    same.set_cookie("session", session_id(visitor))
    assert same.get("/").text == "ada"


def test_a_prefix_of_their_own_keeps_sessions_from_being_cleared(app, url):
    """Clearing a cache with another prefix logs nobody out."""
    visitor = app.test_client()
    visitor.post("/login/ada")
    KyotoTycoonCache(url).clear()
    assert visitor.get("/").text == "ada"


def test_a_server_that_is_away_is_an_error():
    """Without a server a request fails and the cookie stays: nobody is logged out."""
    with nobody_listens() as port:
        app = make_site(
            SESSION_TYPE="cachelib", SESSION_CACHELIB=KyotoTycoonCache(f"127.0.0.1:{port}")
        )
        Session(app)
        visitor = app.test_client()
        visitor.set_cookie("session", "some-id")
        assert visitor.get("/").status_code == 500
        assert session_id(visitor) == "some-id"
