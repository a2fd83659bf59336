"""Flask-Session, the package from PyPI, on our backend as its cachelib store."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from flask import current_app, session
from flask_session import Session

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.flask import KyotoTycoonCache
from tests.flask.conftest import url_of
from tests.flask.sites import cookies_set, make_site, session_id
from tests.support.lifetimes import watch, write
from tests.support.peers import nobody_listens

MONTH = 31 * 24 * 3600


def site_on(backend, **config):
    """Return the site with Flask-Session on a backend."""
    app = make_site(SESSION_TYPE="cachelib", SESSION_CACHELIB=backend, **config)
    Session(app)
    return app


@pytest.fixture
def backend(any_url):
    return KyotoTycoonCache(any_url, key_prefix="sessions")


@pytest.fixture
def app(backend):
    return site_on(backend)


def records(kt: KyotoTycoon) -> list[str]:
    """Return the keys of the stored sessions."""
    return kt.match_prefix("sessions:1:session:")


def seconds_left(kt: KyotoTycoon) -> float:
    """Return how long the server keeps the only session."""
    (key,) = records(kt)
    return kt.expire_time(key) - time.time()


class TestLogin:
    def test_login_and_logout(self, app, kt):
        """A visitor stays logged in over requests; after the logout the record is gone."""
        visitor, stranger = app.test_client(), app.test_client()
        visitor.post("/login/ada")
        assert [visitor.get("/").text, stranger.get("/").text] == ["ada", "nobody"]
        assert [visitor.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        assert records(kt) == [f"sessions:1:session:{session_id(visitor)}"]
        visitor.post("/logout")
        assert visitor.get("/").text == "nobody"
        assert session_id(visitor) is None
        assert records(kt) == []

    def test_a_copied_cookie_is_worth_nothing_after_the_logout(self, app):
        """Sessions live on the server: logging out ends them wherever the cookie is."""
        visitor, thief = app.test_client(), app.test_client()
        visitor.post("/login/ada")
        thief.set_cookie("session", session_id(visitor))
        assert thief.get("/").text == "ada"
        visitor.post("/logout")
        assert thief.get("/").text == "nobody"

    def test_a_new_id(self, app, kt):
        """``regenerate`` moves the data to another id; the one before is worth nothing."""

        @app.post("/regenerate")
        def regenerate():
            current_app.session_interface.regenerate(session)
            return "welcome"

        visitor, thief = app.test_client(), app.test_client()
        visitor.post("/login/ada")
        earlier = session_id(visitor)
        visitor.post("/regenerate")
        thief.set_cookie("session", earlier)
        assert [visitor.get("/").text, thief.get("/").text] == ["ada", "nobody"]
        assert records(kt) == [f"sessions:1:session:{session_id(visitor)}"]

    def test_an_unknown_id_is_a_new_session(self, app, kt):
        """An id that nobody was given is not taken over."""
        visitor = app.test_client()
        visitor.set_cookie("session", "made-up")
        visitor.post("/login/ada")
        assert session_id(visitor) != "made-up"
        assert visitor.get("/").text == "ada"
        assert "made-up" not in str(records(kt))

    def test_visitors_without_data_leave_no_record(self, app, kt):
        """Only what is stored in a session makes one."""
        visitor = app.test_client()
        assert [visitor.get("/").text, session_id(visitor)] == ["nobody", None]
        assert records(kt) == []


class TestLifetime:
    @pytest.mark.parametrize("lifetime", [timedelta(days=31), timedelta(hours=1)], ids=str)
    def test_the_lifetime_is_the_records(self, backend, kt, lifetime):
        """A record lives as long as ``PERMANENT_SESSION_LIFETIME`` says."""
        app = site_on(backend, PERMANENT_SESSION_LIFETIME=lifetime)
        app.test_client().post("/login/ada")
        seconds = lifetime.total_seconds()
        assert seconds - 60 < seconds_left(kt) <= seconds + 2

    def test_the_end(self, url):
        """When its time is over the session is, although the browser still sends the cookie."""
        backend = KyotoTycoonCache(url)
        app = site_on(backend, PERMANENT_SESSION_LIFETIME=timedelta(seconds=1))
        visitor = app.test_client()
        login = write("session", 1, lambda: visitor.post("/login/ada"))
        key = f"session:{session_id(visitor)}"
        watch([login], lambda _: backend.has(key))
        later = app.test_client()
        later.set_cookie("session", key.removeprefix("session:"))
        assert later.get("/").text == "nobody"

    @pytest.mark.parametrize("permanent", [True, False])
    def test_permanent_or_not(self, backend, kt, permanent):
        """The cookie of a permanent session has an end, another one ends with the browser."""
        app = site_on(backend, SESSION_PERMANENT=permanent)
        visitor = app.test_client()
        (cookie,) = cookies_set(visitor.post("/login/ada"))
        assert ("Expires=" in cookie) is permanent
        assert visitor.get("/").text == "ada"
        assert MONTH - 60 < seconds_left(kt) <= MONTH + 2

    @pytest.mark.parametrize("refresh", [True, False])
    def test_requests_that_only_read(self, backend, kt, refresh):
        """They renew the record, unless ``SESSION_REFRESH_EACH_REQUEST`` says no."""
        app = site_on(backend, SESSION_REFRESH_EACH_REQUEST=refresh)
        visitor = app.test_client()
        visitor.post("/login/ada")
        app.permanent_session_lifetime = timedelta(hours=1)
        visitor.get("/")
        assert (seconds_left(kt) <= 3602) is refresh


class TestValues:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"serializer": "json"},
            {"serializer": "msgpack", "compressor": "zlib"},
            {"signing_keys": ["a signing key for the tests"]},
        ],
        ids=str,
    )
    def test_serializers(self, any_url, options):
        """Sessions can be stored in each form that values can."""
        app = site_on(KyotoTycoonCache(any_url, key_prefix="sessions", **options))

        @app.post("/fill")
        def fill():
            session["basket"] = {"tea": [1, 2.5, None, True], "note": "größer" * 300}
            return "filled"

        @app.get("/basket")
        def basket():
            return session["basket"]

        visitor = app.test_client()
        visitor.post("/fill")
        assert visitor.get("/basket").json == {
            "tea": [1, 2.5, None, True],
            "note": "größer" * 300,
        }

    def test_a_forged_session_is_none(self, any_url, kt):
        """With signatures, whoever can write to the server still cannot log in."""
        forger = KyotoTycoonCache(any_url, key_prefix="sessions")
        app = site_on(
            KyotoTycoonCache(
                any_url, key_prefix="sessions", signing_keys=["a signing key for the tests"]
            )
        )
        visitor = app.test_client()
        visitor.post("/login/ada")
        forger.set(f"session:{session_id(visitor)}", {"user": "root"})
        assert visitor.get("/").text == "nobody"


class TestOneServerForAll:
    def test_all_processes_share_the_sessions(self, app, any_url):
        """A second app with the same settings, as in another worker, knows the visitor."""
        visitor = app.test_client()
        visitor.post("/login/ada")
        same = site_on(KyotoTycoonCache(any_url, key_prefix="sessions")).test_client()
        same.set_cookie("session", session_id(visitor))
        assert same.get("/").text == "ada"

    @pytest.mark.parametrize(
        ("prefix", "config"),
        [("others", {}), ("sessions", {"SESSION_KEY_PREFIX": "others:"})],
        ids=str,
    )
    def test_sites_with_prefixes_are_apart(self, app, any_url, prefix, config):
        """The session of one site is none on another with a prefix of its own."""
        visitor = app.test_client()
        visitor.post("/login/ada")
        same = site_on(KyotoTycoonCache(any_url, key_prefix=prefix), **config).test_client()
        same.set_cookie("session", session_id(visitor))
        assert same.get("/").text == "nobody"

    def test_a_prefix_of_their_own_keeps_sessions_from_being_cleared(self, app, any_url):
        """Clearing a cache with another prefix logs nobody out."""
        visitor = app.test_client()
        visitor.post("/login/ada")
        KyotoTycoonCache(any_url).clear()
        assert visitor.get("/").text == "ada"


class TestServerAway:
    def test_it_is_an_error(self):
        """Without a server a request fails and the cookie stays: nobody is logged out."""
        with nobody_listens() as port:
            visitor = site_on(KyotoTycoonCache(f"127.0.0.1:{port}")).test_client()
            visitor.set_cookie("session", "some-id")
            assert visitor.get("/").status_code == 500
            assert session_id(visitor) == "some-id"

    def test_a_restart_in_the_middle(self, stopping_server: EmbeddedServer):
        """Who was logged in before the server was stopped still is when it is back."""
        visitor = site_on(KyotoTycoonCache(url_of(stopping_server))).test_client()
        visitor.post("/login/ada")
        stopping_server.stop()
        assert visitor.get("/").status_code == 500
        stopping_server.run()
        assert visitor.get("/").text == "ada"
