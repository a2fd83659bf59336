"""KTSession: when a session is stored, and how long it lives."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from flask import session

from kt_cache import KyotoTycoon
from kt_cache.flask import KTSession
from tests.flask.sites import cookies_set, make_site, records, session_id
from tests.support.lifetimes import watch, write
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
        assert "Expires" in cookies_set(visitor.post("/login/ada"))[0]
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
        """Loading is one trip; creating, saving, ending one more each, a new id two."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}")
        KTSession(app)
        visitor = app.test_client()
        trips = {}
        for path in ("/login/ada", "/", "/count", "/new-id", "/logout", "/login/ada/for-long", "/"):
            recording.forget()
            visitor.open(path, method="GET" if path in {"/", "/count"} else "POST")
            trips.setdefault(path, []).append(recording.trips)
        assert trips == {
            "/login/ada": [1],
            "/": [1, 1],  # as long as it is fresh
            "/count": [2],
            "/new-id": [3],
            "/logout": [2],
            "/login/ada/for-long": [1],
        }

    def test_a_refresh_is_one_more(self, recording: RecordingProxy):
        """A permanent session is renewed when a tenth of its lifetime is over, in one trip."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}")
        KTSession(app)
        visitor = app.test_client()
        app.permanent_session_lifetime = dt.timedelta(seconds=880)
        visitor.post("/login/ada/for-long")
        app.permanent_session_lifetime = dt.timedelta(seconds=1000)
        seen = []
        for _ in range(2):
            recording.forget()
            seen.append((len(cookies_set(visitor.get("/"))), recording.trips))
        assert seen == [(1, 2), (0, 1)]

    def test_permanence_said_again(self, recording: RecordingProxy):
        """``session.permanent = True`` before each request is not a change, and writes nothing."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}")
        KTSession(app)

        @app.before_request
        def for_long():
            session.permanent = True

        visitor = app.test_client()
        visitor.post("/login/ada")
        for path in ("/", "/about"):
            recording.forget()
            assert not cookies_set(visitor.get(path))
            assert recording.trips == 1

    def test_round_trips_of_users(self, recording: RecordingProxy):
        """Where the user changes there is a new id, and its list to be kept."""
        app = make_site(KT_CACHE_URL=f"127.0.0.1:{recording.port}", KT_SESSION_USER_KEY="user")
        KTSession(app)
        app.add_url_rule("/leave", view_func=lambda: session.pop("user"), endpoint="leave")
        visitor = app.test_client()
        trips = []
        for method, path in (
            ("GET", "/count"),
            ("POST", "/login/ada"),
            ("POST", "/login/ada"),
            ("POST", "/new-id"),
            ("POST", "/login/bob"),
            ("GET", "/leave"),
            ("POST", "/login/ada"),
            ("POST", "/logout"),
            ("POST", "/login/ada"),
        ):
            recording.forget()
            visitor.open(path, method=method)
            trips.append(f"{path}: {recording.trips}")
        assert trips == [
            "/count: 1",
            "/login/ada: 6",
            "/login/ada: 1",
            "/new-id: 9",
            "/login/bob: 9",
            "/leave: 6",
            "/login/ada: 6",
            "/logout: 5",
            "/login/ada: 4",
        ]


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

    @pytest.mark.parametrize(("part", "renewed"), [(0, True), (0.4, True), (0.6, False)])
    def test_when_it_is_renewed(self, app, visitor, kt, part, renewed):
        """The option ``touch_after`` says which part of the lifetime must be over for that."""
        app.config["KT_SESSION_OPTIONS"] = {"touch_after": part}
        KTSession(app)
        app.permanent_session_lifetime = dt.timedelta(seconds=500)
        visitor.post("/login/ada/for-long")
        app.permanent_session_lifetime = dt.timedelta(seconds=1000)
        visitor.get("/")
        assert (self.left(kt) > 900) is renewed

    def test_no_time(self, app, visitor, kt):
        """Where sessions have no time to live none is stored, and pages go on."""
        app.permanent_session_lifetime = dt.timedelta(0)
        assert visitor.post("/login/ada/for-long").status_code == 200
        assert records(kt) == []
        assert visitor.get("/").text == "nobody"

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
