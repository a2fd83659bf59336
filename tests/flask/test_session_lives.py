"""KTSession: when a session is stored, how long it lives, and what happens while it does not."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from flask import session

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.errors import KTError
from kt_cache.flask import KTSession
from tests.flask.conftest import url_of
from tests.flask.sites import cookies_set, make_site, records, session_id
from tests.support.lifetimes import watch, write
from tests.support.peers import nobody_listens
from tests.support.recording import RecordingProxy


@pytest.fixture
def app(any_url):
    """The site with its sessions on an empty database, on each kind of server in turn."""
    app = make_site(KT_CACHE_URL=any_url)
    KTSession(app)
    return app


@pytest.fixture
def visitor(app):
    return app.test_client()


class TestEmptySessions:
    @pytest.mark.parametrize("path", ["/", "/about", "/missing"])
    def test_reading_stores_nothing(self, visitor, kt, path):
        """A visitor without data gets neither a record nor a cookie, however often."""
        for _ in range(2):
            assert not cookies_set(visitor.get(path))
        assert records(kt) == []

    def test_permanence_alone_stores_nothing(self, app, kt):
        """``session.permanent = True`` for everybody makes no records for visitors without data."""

        @app.before_request
        def for_long():
            session.permanent = True

        visitor = app.test_client()
        assert not cookies_set(visitor.get("/"))
        assert records(kt) == []
        visitor.post("/login/ada")
        assert "Expires" in cookies_set(visitor.get("/"))[0]
        visitor.post("/logout")
        assert session_id(visitor) is None
        assert records(kt) == []

    def test_emptying_ends_the_session(self, app, visitor, kt):
        """Removing the last value removes the record and the cookie, as ``clear()`` does."""
        app.add_url_rule(
            "/forget", view_func=lambda: session.pop("user", None) or "", endpoint="forget"
        )
        visitor.post("/login/ada")
        assert "Max-Age=0" in cookies_set(visitor.get("/forget"))[0]
        assert session_id(visitor) is None
        assert records(kt) == []

    def test_clearing_nothing_sets_no_cookie(self, visitor, app):
        """A logout of somebody who is nobody leaves no trace; a useless cookie is removed."""
        assert not cookies_set(visitor.post("/logout"))
        visitor.set_cookie("session", "made-up")
        visitor.post("/logout")
        assert session_id(visitor) is None

    def test_no_cookie_no_round_trip(self, recording: RecordingProxy):
        """Requests without a cookie and without data ask the server nothing."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}")
        KTSession(app)
        visitor = app.test_client()
        for path in ("/", "/about", "/"):
            visitor.get(path)
        assert recording.trips == 0

    def test_round_trips(self, recording: RecordingProxy):
        """A login, a read and a logout of a known visitor: one trip each, and one to load."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}")
        KTSession(app)
        visitor = app.test_client()
        trips = []
        for call in (
            lambda: visitor.post("/login/ada"),
            lambda: visitor.get("/"),
            lambda: visitor.get("/count"),
            lambda: visitor.post("/logout"),
        ):
            recording.forget()
            call()
            trips.append(recording.trips)
        assert trips == [1, 1, 2, 2]


class TestLifetime:
    def left(self, kt: KyotoTycoon) -> float:
        """Return the seconds that the only session has left."""
        (key,) = records(kt)
        return kt.expire_time(key) - time.time()

    @pytest.mark.parametrize("path", ["/login/ada", "/login/ada/for-long"])
    def test_the_record_lives_as_long_as_the_setting_says(self, app, visitor, kt, path):
        """``PERMANENT_SESSION_LIFETIME`` is the record's time from the last change on."""
        app.permanent_session_lifetime = dt.timedelta(hours=1)
        visitor.post(path)
        assert 3595 < self.left(kt) <= 3602
        app.permanent_session_lifetime = dt.timedelta(hours=2)
        visitor.get("/count")
        assert 7195 < self.left(kt) <= 7202

    def test_a_permanent_cookie_has_an_end(self, visitor):
        """A permanent session's cookie outlives the browser, any other ends with it."""
        answer = visitor.post("/login/ada")
        assert "Expires" not in cookies_set(answer)[0]
        answer = visitor.post("/login/ada/for-long")
        assert "Expires" in cookies_set(answer)[0]
        end = visitor.get_cookie("session").expires
        expected = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=31)
        assert abs((end - expected).total_seconds()) < 60

    @pytest.mark.parametrize("refresh", [True, False])
    def test_refresh_each_request(self, app, visitor, kt, refresh):
        """A permanent session starts anew with each request, unless the setting says no."""
        app.config["SESSION_REFRESH_EACH_REQUEST"] = refresh
        app.permanent_session_lifetime = dt.timedelta(hours=1)
        visitor.post("/login/ada/for-long")
        app.permanent_session_lifetime = dt.timedelta(hours=2)
        cookies = cookies_set(visitor.get("/about"))
        assert bool(cookies) is refresh
        assert (self.left(kt) > 7000) is refresh
        assert visitor.get("/").text == "ada"

    def test_other_sessions_are_not_refreshed(self, app, visitor, kt):
        """Reading a session that is not permanent changes neither its time nor its cookie."""
        app.permanent_session_lifetime = dt.timedelta(hours=1)
        visitor.post("/login/ada")
        app.permanent_session_lifetime = dt.timedelta(hours=2)
        assert not cookies_set(visitor.get("/"))
        assert self.left(kt) <= 3602

    def test_sessions_end(self, app, visitor):
        """When its lifetime is over a session is gone, to the tenth of a second."""
        app.permanent_session_lifetime = dt.timedelta(seconds=0.7)
        login = write("session", 0.7, lambda: visitor.post("/login/ada"))
        watch([login], lambda record: visitor.get("/").text == "ada")
        before = session_id(visitor)
        visitor.post("/login/bob")
        assert session_id(visitor) != before

    def test_a_session_that_is_used_does_not_end(self, app, visitor):
        """Each request to a permanent session gives it its whole lifetime again."""
        app.permanent_session_lifetime = dt.timedelta(seconds=1.5)
        visitor.post("/login/ada/for-long")
        end = time.monotonic() + 2.2
        while time.monotonic() < end:
            assert visitor.get("/").text == "ada"
            time.sleep(0.1)


class TestRaces:
    @pytest.mark.parametrize("path", ["/login/ada", "/login/ada/for-long"])
    def test_a_session_deleted_meanwhile_is_not_revived(self, app, visitor, kt, path):
        """A slow request that saves after the visitor logged out leaves nothing behind."""

        @app.get("/slow")
        def slow():
            session["seen"] = True
            other = app.test_client()
            other.set_cookie("session", session_id(visitor))
            other.post("/logout")
            return "done"

        visitor.post(path)
        assert visitor.get("/slow").text == "done"
        assert records(kt) == []
        assert visitor.get("/").text == "nobody"

    def test_it_leaves_the_cookie_of_a_new_login_alone(self, app, visitor):
        """The answer to such a request has no cookie: the visitor may have logged in again."""

        @app.get("/slow")
        def slow():
            app.session_interface.store.delete(session.session_id)
            session["seen"] = True
            return "done"

        visitor.post("/login/ada")
        assert not cookies_set(visitor.get("/slow"))

    def test_a_permanent_session_deleted_meanwhile(self, app, visitor, kt):
        """Refreshing is not reviving either."""

        @app.get("/slow")
        def slow():
            app.session_interface.store.delete(session.session_id)
            return session["user"]

        visitor.post("/login/ada/for-long")
        assert visitor.get("/slow").text == "ada"
        assert records(kt) == []


class TestFailures:
    def test_an_outage_logs_nobody_out(self, stopping_server: EmbeddedServer):
        """While the server is away requests fail and cookies stay; then all goes on."""
        app = make_site(KT_CACHE_URL=url_of(stopping_server))
        KTSession(app)
        visitor, stranger = app.test_client(), app.test_client()
        visitor.post("/login/ada")
        before = session_id(visitor)
        stopping_server.stop()
        for call in (visitor.get, visitor.post):
            answer = call("/logout" if call == visitor.post else "/")
            assert answer.status_code == 500
            assert not cookies_set(answer)
        assert stranger.get("/").text == "nobody"
        answer = stranger.post("/login/bob")
        assert (answer.status_code, cookies_set(answer)) == (500, [])
        stopping_server.run()
        assert session_id(visitor) == before
        assert visitor.get("/").text == "ada"

    def test_the_error_is_logged_once(self, caplog):
        """The log has the outage itself and nothing that followed from it."""
        with nobody_listens() as port:
            app = make_site(KT_CACHE_URL=f"127.0.0.1:{port}")
            KTSession(app)
            visitor = app.test_client()
            visitor.set_cookie("session", "some-id")
            assert visitor.get("/").status_code == 500
        (entry,) = caplog.records
        assert isinstance(entry.exc_info[1], KTError)

    def test_an_error_page_of_the_site_is_shown(self):
        """The site's own handler of errors answers, and may tell an outage from a mistake."""
        with nobody_listens() as port:
            app = make_site(KT_CACHE_URL=f"127.0.0.1:{port}")
            KTSession(app)

            @app.errorhandler(500)
            def away(error):
                assert isinstance(error.original_exception, KTError)
                return "try again in a moment", 503

            visitor = app.test_client()
            visitor.set_cookie("session", "some-id")
            answer = visitor.get("/")
        assert (answer.status_code, answer.text) == (503, "try again in a moment")
        assert session_id(visitor) == "some-id"
