"""KTSession: what happens to a session when its user appears, changes or goes."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from itertools import count

import pytest
from flask import request_finished, session
from flask_login import (
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    login_user,
    logout_user,
)

from kt_cache.cache.base import PROTECTED_PREFIX, USER_PREFIX
from kt_cache.errors import ReadTimeout
from kt_cache.flask import KTSession
from tests.flask.conftest import make_app
from tests.flask.sites import cookies_set, make_site, meddle, records, session_id

sessions = KTSession()


def make(url, **options):
    """Return a site whose sessions name their user as ``user``."""
    app = make_site(KT_CACHE_URL=url, KT_SESSION_USER_KEY="user", KT_SESSION_OPTIONS=options)
    sessions.init_app(app)

    @app.post("/leave")
    def leave():
        session.pop("user", None)
        return "you are nobody"

    @app.get("/slow/<change>")
    def slow(change):
        if change == "changed":
            session["seen"] = True
        app.config["MEANWHILE"]()
        return session.get("user", "nobody")

    @app.post("/slow-login/<name>")
    def slow_login(name):
        session["user"] = name
        app.config["MEANWHILE"]()
        return "welcome"

    @app.get("/all")
    def all_of_it():
        return dict(session)

    return app


@pytest.fixture
def app(any_url):
    return make(any_url)


@pytest.fixture(params=["merge", "error", "last-write"])
def app_of_mode(request, any_url):
    return make(any_url, mode=request.param)


@pytest.fixture
def visitor(app):
    return app.test_client()


def same_visitor(app, visitor):
    """Return a browser with the cookie that the visitor has now."""
    browser = app.test_client()
    browser.set_cookie("session", session_id(visitor))
    return browser


def listed(app, name="ada"):
    with app.app_context():
        return len(sessions.sessions_of(name))


def killed(app, name="ada"):
    with app.app_context():
        return sessions.kill_sessions(name)


@contextmanager
def failing_afterwards(app):
    """Let the next request fail when its session is stored: its answer is an error page instead."""

    def fail(sender, **more):
        request_finished.disconnect(fail, app)
        raise RuntimeError("the answer was made")

    request_finished.connect(fail, app)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class TestNewId:
    def test_login(self, app, visitor, kt):
        """A visitor who logs in keeps what they have, under a new id; the earlier one is void."""
        visitor.get("/count")
        attacker = same_visitor(app, visitor)  # who has planted the id, or seen it
        visitor.post("/login/ada")
        assert attacker.get("/").text == "nobody"
        assert session_id(visitor) != session_id(attacker)
        assert visitor.get("/all").json == {"count": 1, "user": "ada"}
        assert len(records(kt)) == 1

    @pytest.mark.parametrize("path", ["/leave", "/login/bob"])
    def test_another_user(self, app, visitor, path):
        """Nor is the id of a login worth anything when that user is gone; the data stays."""
        visitor.get("/count")
        visitor.post("/login/ada")
        thief = same_visitor(app, visitor)
        visitor.post(path)
        assert session_id(visitor) not in {None, session_id(thief)}
        assert thief.get("/").text == "nobody"
        assert visitor.get("/count").text == "2"
        assert (listed(app), listed(app, "bob")) == (0, int(path == "/login/bob"))

    def test_same_user(self, app, visitor):
        """Who logs in a second time keeps the id; 7 is the same user as "7"."""
        app.add_url_rule("/7", view_func=lambda: str(session.update(user=7)), endpoint="seven")
        visitor.post("/login/7")
        before = session_id(visitor)
        visitor.post("/login/7")
        visitor.get("/7")
        assert session_id(visitor) == before
        assert visitor.get("/all").json == {"user": 7}

    def test_without_users(self, any_url):
        """A key that is not that of the user changes no id."""
        app = make_site(KT_CACHE_URL=any_url)
        KTSession(app)
        visitor = app.test_client()
        visitor.get("/count")
        before = session_id(visitor)
        visitor.post("/login/ada")
        assert session_id(visitor) == before

    @pytest.mark.parametrize("path", ["/new-id", "/login/bob"])
    def test_an_error_page(self, app, visitor, path):
        """An answer that takes the place of another one carries the new cookie, too."""
        visitor.post("/login/ada")
        before, store, writes = session_id(visitor), meddle(app), []
        store.before = lambda operation, key: writes.append(operation)
        with failing_afterwards(app):
            assert visitor.post(path).status_code == 500
        assert writes.count("pop") == 1
        assert session_id(visitor) != before
        assert visitor.get("/").text == ("bob" if path == "/login/bob" else "ada")

    @pytest.mark.parametrize("is_known", [True, False])
    def test_an_id_that_is_taken(self, app, visitor, monkeypatch, is_known):
        """It is somebody else's: a visitor gets another one, or keeps the earlier one."""
        other = app.test_client()
        other.post("/login/bob")
        if is_known:
            visitor.get("/count")
        before = session_id(visitor)
        drawn = iter([session_id(other), session_id(other), "free"])
        monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(drawn))
        answer = visitor.post("/login/ada")
        assert answer.status_code == (409 if is_known else 200)
        assert session_id(visitor) == (before if is_known else "free")
        assert visitor.get("/").text == ("nobody" if is_known else "ada")
        assert other.get("/").text == "bob"
        assert listed(app) == int(not is_known)


class TestOtherRequests:
    """Requests that came with the earlier id, and end when the session has a new one."""

    @pytest.mark.parametrize("change", ["changed", "unchanged"])
    def test_after_a_logout(self, app_of_mode, kt, change):
        """They neither revive the user nor touch the cookie, in whatever mode."""
        app, visitor = app_of_mode, app_of_mode.test_client()
        visitor.get("/count")
        visitor.post("/login/ada")
        slow = same_visitor(app, visitor)
        app.config["MEANWHILE"] = lambda: visitor.post("/leave")
        answer = slow.get(f"/slow/{change}")
        assert (answer.text, cookies_set(answer)) == ("ada", [])
        assert slow.get("/").text == "nobody"
        assert visitor.get("/all").json == {"count": 1}
        assert listed(app) == 0
        assert kt.match_prefix(USER_PREFIX) == []
        assert len(records(kt)) == 1

    @pytest.mark.parametrize("change", ["changed", "unchanged"])
    @pytest.mark.parametrize("lifetime", ["for-long", "until the end"])
    def test_after_a_login(self, app_of_mode, change, lifetime):
        """They leave the cookie of the login alone, also where sessions are permanent."""
        app, visitor = app_of_mode, app_of_mode.test_client()

        @app.before_request
        def for_long():
            session.permanent = lifetime == "for-long"

        visitor.get("/count")
        slow = same_visitor(app, visitor)
        app.config["MEANWHILE"] = lambda: visitor.post("/login/ada")
        assert not cookies_set(slow.get(f"/slow/{change}"))
        assert visitor.get("/").text == "ada"

    @pytest.mark.parametrize(
        "use", [lambda: None, lambda: session.update(a=1) or session.pop("a")], ids=["no", "short"]
    )
    @pytest.mark.parametrize("permanent", [True, False])
    def test_later_ones(self, app, visitor, use, permanent):
        """Nor do those that find the earlier id void already, whatever goes in and out again."""

        @app.before_request
        def for_long():
            if permanent:
                session.permanent = True

        app.add_url_rule("/use", view_func=lambda: str(use()), endpoint="use")
        visitor.get("/count")
        late = same_visitor(app, visitor)
        visitor.post("/login/ada")
        assert not cookies_set(late.get("/use"))

    def test_a_button_pressed_twice(self, app_of_mode):
        """Of two logins at once both succeed: the browser may wait for either answer."""
        app, visitor = app_of_mode, app_of_mode.test_client()
        visitor.get("/count")
        second = same_visitor(app, visitor)
        app.config["MEANWHILE"] = lambda: visitor.post("/login/ada")
        second.post("/slow-login/ada")
        assert [each.get("/").text for each in (visitor, second)] == ["ada", "ada"]
        assert [each.get("/count").text for each in (visitor, second)] == ["2", "2"]
        assert listed(app) == killed(app) == 2
        assert [each.get("/").text for each in (visitor, second)] == ["nobody", "nobody"]

    def test_another_user_in_a_killed_session(self, app, visitor, kt):
        """What a user had in a session that was ended does not go on with another user."""
        visitor.post("/login/ada")
        visitor.get("/count")
        app.config["MEANWHILE"] = lambda: killed(app)
        assert not cookies_set(visitor.post("/slow-login/bob"))
        assert visitor.get("/").text == "nobody"
        assert kt.match_prefix("") == []


class TestOvertakenByKill:
    @pytest.mark.parametrize("has_session", [True, False])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_login(self, app, visitor, kt, has_session, when):
        """A login whose user's sessions are ended when it is stored is none, and not made again."""
        kills = []

        def kill(operation, key):
            is_stored = operation == "swap_record" and key.startswith(PROTECTED_PREFIX)
            if is_stored and not kills:
                kills.append(None)
                kills[0] = killed(app)

        if has_session:
            visitor.get("/count")
        setattr(meddle(app), when, kill)
        answer = visitor.post("/login/ada")
        assert (answer.status_code, cookies_set(answer)) == (200, [])
        assert kills == [int(when == "after")]
        assert kt.match_prefix("") == []
        assert visitor.get("/").text == "nobody"

    def test_not_made_again_for_an_error_page(self, app, visitor, kt):
        """Flask stores the session once more if something fails after that: not this one."""
        kills = []

        def kill(operation, key):
            if operation == "swap_record" and key.startswith(PROTECTED_PREFIX):
                kills.append(killed(app))

        meddle(app).after = kill
        with failing_afterwards(app):
            answer = visitor.post("/login/ada")
        assert (answer.status_code, cookies_set(answer)) == (500, [])
        assert kills == [1]
        assert kt.match_prefix("") == []

    @pytest.mark.parametrize("name", ["nobody", "ada"])
    @pytest.mark.parametrize("path", ["/login/ada", "/login/bob", "/new-id", "/leave", "/count"])
    def test_at_any_moment(self, any_url, kt, name, path):
        """Whichever call of a request a kill comes before: what is live is listed after that."""
        for moment in count(1):
            kt.clear()
            app = make(any_url)
            visitor = app.test_client()
            visitor.get("/count")
            if name == "ada":
                visitor.post("/login/ada")
            thief = same_visitor(app, visitor)
            calls, store = [], meddle(app)

            def kill(operation, key, app=app, calls=calls, moment=moment):
                calls.append(operation)
                if len(calls) == moment:
                    killed(app)
                    killed(app, "bob")

            store.before = kill
            visitor.open(path, method="GET" if path == "/count" else "POST")
            store.before = lambda operation, key: None
            live = {each.get("/").text for each in (visitor, thief)} - {"nobody"}
            assert {user for user in ("ada", "bob") if listed(app, user)} == live
            killed(app)
            killed(app, "bob")
            assert visitor.get("/").text == "nobody"
            left = {session_id(each) for each in (visitor, thief) if each.get("/all").json}
            assert len(records(kt)) == len(left)
            if len(calls) < moment:
                return


class TestFailures:
    @pytest.mark.parametrize("path", ["/new-id", "/leave", "/login/bob"])
    def test_a_list_that_cannot_be_kept(self, any_url, path):
        """A session that has moved is not lost because its earlier entry could not be removed."""
        app = make(any_url)
        visitor = app.test_client()
        visitor.get("/count")
        visitor.post("/login/ada")
        before, store = session_id(visitor), meddle(app)
        is_moved = []

        def fail(operation, key):
            if operation == "pop":
                is_moved.append(key)
            if is_moved and operation in {"swap", "swap_record"} and key.startswith(USER_PREFIX):
                raise ReadTimeout("the server does not answer")

        store.before = fail
        assert visitor.post(path).status_code == 200
        assert len(is_moved) == 1
        store.before = lambda operation, key: None
        assert session_id(visitor) not in {None, before}
        assert visitor.get("/count").text == "2"

    @pytest.mark.parametrize("on_failure", ["raise", "read-only"])
    @pytest.mark.parametrize("path", ["/leave", "/login/bob", "/new-id"])
    def test_nobody_is_told_what_did_not_happen(self, any_url, on_failure, path):
        """If the session cannot be stored its user and the list of them are what they were."""
        app = make(any_url, on_failure=on_failure)
        visitor = app.test_client()
        visitor.get("/count")
        visitor.post("/login/ada")
        before, store = session_id(visitor), meddle(app)

        def fail(operation, key):
            if operation == "swap_record" and key.startswith(PROTECTED_PREFIX):
                raise ReadTimeout("the server does not answer")

        store.before = fail
        answer = visitor.post(path)
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        store.before = lambda operation, key: None
        assert session_id(visitor) == before
        assert visitor.get("/").text == "ada"
        assert (listed(app), listed(app, "bob")) == (1, 0)
        assert killed(app) == 1
        assert visitor.get("/").text == "nobody"

    def test_login_without_a_session(self, any_url, kt):
        """A first login that cannot be stored is a 503 in both modes, and leaves nothing live."""
        app = make(any_url, on_failure="read-only")
        visitor, store = app.test_client(), meddle(app)

        def fail(operation, key):
            if operation == "swap_record" and key.startswith(PROTECTED_PREFIX):
                raise ReadTimeout("the server does not answer")

        store.before = fail
        answer = visitor.post("/login/ada")
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert records(kt) == []

    def test_logout_leaves_no_entry(self, app, visitor, kt):
        """A logout takes the session out of its user's record, not only off the list."""
        other = app.test_client()
        other.post("/login/ada")
        (key,) = kt.match_prefix(USER_PREFIX)
        alone = len(kt.get_bytes(key))
        visitor.post("/login/ada")
        assert len(kt.get_bytes(key)) > alone
        visitor.post("/logout")
        assert len(kt.get_bytes(key)) == alone

    def test_logout_of_a_session_that_is_gone(self, app, visitor, kt):
        """So does one that finds the session itself gone."""

        @app.post("/slow-logout")
        def slow_logout():
            kt.remove(records(kt)[0])
            session.clear()
            return "goodbye"

        visitor.post("/login/ada")
        assert not cookies_set(visitor.post("/slow-logout"))
        assert kt.match_prefix("") == []


class TestFlaskLogin:
    @pytest.fixture
    def app(self, any_url):
        app = make_app(KT_CACHE_URL=any_url, SECRET_KEY="for its remember-me cookie")
        sessions.init_app(app)
        manager = LoginManager(app)

        @manager.user_loader
        def load_user(user_id):
            user = UserMixin()
            user.id = user_id
            return user

        @app.get("/form")
        def form():
            session["csrf_token"] = "a token"
            return "please log in"

        @app.post("/login")
        def log_in():
            login_user(load_user("7"), remember=True)
            return "welcome"

        @app.post("/confirm")
        def confirm():
            confirm_login()
            return "indeed"

        @app.post("/logout")
        def log_out():
            logout_user()
            return "bye"

        @app.get("/")
        def home():
            return "nobody" if current_user.is_anonymous else f"user {current_user.get_id()}"

        return app

    def test_login_and_logout(self, app, visitor, kt):
        """With its calls the id changes at the login and at the logout, and the rest stays."""
        ids = []
        for path in ("/form", "/login", "/confirm", "/logout"):
            visitor.open(path, method="GET" if path == "/form" else "POST")
            ids.append(session_id(visitor))
        form, login, confirmed, logout = ids
        assert len({form, login, logout}) == 3
        assert confirmed == login
        assert None not in ids
        assert visitor.get("/").text == "nobody"
        with visitor.session_transaction() as stored:
            assert "_user_id" not in stored
            assert stored["csrf_token"] == "a token"
        assert len(kt.match_prefix("")) == 1

    def test_a_slow_page(self, app, visitor, kt):
        """A page that ends after the logout, and has noted something, logs nobody in again."""
        browser = app.test_client()

        @app.get("/slow")
        def slow():
            session["seen"] = current_user.get_id()
            browser.post("/logout")
            return "done"

        visitor.get("/form")
        visitor.post("/login")
        browser.set_cookie("session", session_id(visitor))
        assert not cookies_set(visitor.get("/slow"))
        assert browser.get("/").text == "nobody"
        assert len(kt.match_prefix("")) == 1
        assert listed(app, 7) == 0

    def test_remembered(self, app, visitor):
        """A visitor who is remembered is logged in by the first page, under a new id."""
        visitor.post("/login")
        killed(app, 7)
        visitor.delete_cookie("session")
        visitor.get("/form")
        before = session_id(visitor)
        assert visitor.get("/").text == "user 7"
        after = session_id(visitor)
        assert after != before
        assert visitor.get("/").text == "user 7"
        assert session_id(visitor) == after
        assert listed(app, 7) == 1
