"""KTSession: requests of one visitor that run at the same time, and sessions that others end."""

from __future__ import annotations

import threading

import pytest
from flask import session

from kt_cache.errors import SessionConflict
from kt_cache.flask import KTSession
from tests.flask.sites import cookies_set, make_site, records, session_id
from tests.support.threads import run_threads


def make(url, **options):
    app = make_site(KT_CACHE_URL=url, KT_SESSION_OPTIONS=options)
    KTSession(app)

    @app.get("/put/<name>/<int:value>")
    def put(name, value):
        session[name] = value
        app.config["MEET"]()
        return "stored"

    @app.get("/all")
    def all_of_it():
        return dict(session)

    return app


def same_visitor(app, visitor):
    """Return a browser with the visitor's cookie."""
    browser = app.test_client()
    browser.set_cookie("session", session_id(visitor))
    return browser


@pytest.fixture
def start(any_url):
    """Make an app in which two requests meet before either is stored; and a visitor's browsers."""

    def begin(conflict=None, **options):
        app = make(any_url, **options)
        if conflict is not None:
            app.register_error_handler(SessionConflict, conflict)
        app.config["MEET"] = threading.Barrier(2).wait
        visitor = app.test_client()
        visitor.post("/login/ada")
        return app, [same_visitor(app, visitor) for _ in range(2)]

    return begin


class TestParallelRequests:
    @pytest.mark.parametrize("mode", ["merge", "error"])
    def test_different_keys(self, start, mode):
        """Two requests that change different keys both keep their changes."""
        _, browsers = start(mode=mode)
        answers = run_threads(2, lambda n: browsers[n].get(f"/put/key{n}/{n}"))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert browsers[0].get("/all").json == {"user": "ada", "key0": 0, "key1": 1}

    def test_same_key_merged(self, start):
        """Of a key that both change, one of the two values stays, and other keys of both."""
        _, browsers = start()
        run_threads(2, lambda n: browsers[n].get(f"/put/both/{n}"))
        assert browsers[0].get("/all").json["both"] in {0, 1}

    def test_last_write(self, start):
        """The last one to be stored replaces everything, if that is asked for."""
        _, browsers = start(mode="last-write")
        run_threads(2, lambda n: browsers[n].get(f"/put/key{n}/{n}"))
        found = browsers[0].get("/all").json
        assert found in ({"user": "ada", "key0": 0}, {"user": "ada", "key1": 1})

    def test_error(self, start):
        """In the mode error one of the two is refused with a 409 and changes nothing."""
        _, browsers = start(mode="error")
        answers = run_threads(2, lambda n: browsers[n].get(f"/put/both/{n}"))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        refused, stored = sorted(answers, key=lambda answer: answer.status_code == 200)
        assert not cookies_set(refused)
        assert refused.cache_control.no_store
        assert refused.text.strip().endswith(
            "<p>Another request has changed the same at the same time. Please try again.</p>"
        )
        assert cookies_set(stored)
        winner = answers.index(stored)
        assert browsers[0].get("/all").json["both"] == winner

    def test_the_apps_own_page_for_conflicts(self, start):
        """A handler of the app for the error, or for its status, answers instead."""
        _, browsers = start(mode="error", conflict=lambda error: ("again, please", 409))
        answers = run_threads(2, lambda n: browsers[n].get(f"/put/both/{n}"))
        assert {answer.text for answer in answers} == {"stored", "again, please"}

    def test_nothing_is_lost(self, any_url):
        """Four threads that add keys of their own, ten times each, lose none."""
        app = make(any_url)
        app.config["MEET"] = lambda: None
        visitor = app.test_client()
        visitor.post("/login/ada")

        def work(number):
            browser = same_visitor(app, visitor)
            for turn in range(10):
                assert browser.get(f"/put/key{number}-{turn}/{turn}").status_code == 200

        run_threads(4, work)
        assert len(visitor.get("/all").json) == 41


def test_permanent(any_url):
    """A session that another request made permanent meanwhile has a cookie that stays."""
    app = make(any_url)
    visitor = app.test_client()

    @app.get("/remember")
    def remember():
        session.permanent = True
        return "done"

    app.config["MEET"] = lambda: same_visitor(app, visitor).get("/remember")
    visitor.post("/login/ada")
    (cookie,) = cookies_set(visitor.get("/put/seen/1"))
    assert "Expires=" in cookie
    assert visitor.get("/all").json == {"user": "ada", "seen": 1, "_permanent": True}


class TestEnded:
    @pytest.fixture
    def app(self, any_url):
        app = make(any_url)

        @app.get("/slow-logout")
        def slow_logout():
            same_visitor(app, app.config["VISITOR"]).post("/logout")
            session.clear()
            return "goodbye"

        @app.get("/slow/<change>")
        def slow(change):
            if change == "changed":
                session["seen"] = True
            same_visitor(app, app.config["VISITOR"]).post("/logout")
            return "done"

        return app

    @pytest.fixture
    def visitor(self, app):
        visitor = app.config["VISITOR"] = app.test_client()
        return visitor

    @pytest.mark.parametrize("change", ["changed", "unchanged"])
    @pytest.mark.parametrize("path", ["/login/ada", "/login/ada/for-long"])
    def test_it_never_comes_back(self, visitor, kt, path, change):
        """What a slow request stores after the visitor logged out leaves nothing behind."""
        visitor.post(path)
        assert visitor.get(f"/slow/{change}").text == "done"
        assert records(kt) == []
        assert visitor.get("/").text == "nobody"

    def test_the_cookie_of_a_new_login_is_left_alone(self, visitor):
        """The answer to such a request has no cookie: the visitor may have logged in again."""
        visitor.post("/login/ada")
        assert not cookies_set(visitor.get("/slow/changed"))

    def test_a_second_logout(self, visitor):
        """Nor does one that ends a session which another request has ended first."""
        visitor.post("/login/ada")
        assert not cookies_set(visitor.get("/slow-logout"))

    def test_killed_sessions_are_refused_at_once(self, app, visitor, any_url):
        """Whoever ends a session ends it for the very next request, in every worker."""
        workers = [app, make(any_url)]
        visitor.post("/login/ada")
        for worker in workers:
            assert same_visitor(worker, visitor).get("/").text == "ada"
        app.session_interface.store.delete(session_id(visitor))
        for worker in workers:
            assert same_visitor(worker, visitor).get("/").text == "nobody"
