"""Listing and ending the sessions of a Flask app's users."""

from __future__ import annotations

import pytest
from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from kt_cache.cache.base import USER_PREFIX
from kt_cache.errors import ConfigError, KTError
from kt_cache.flask import KTSession
from tests.flask.conftest import make_app
from tests.flask.sites import cookies_set, make_site, records, session_id
from tests.support.threads import run_threads

sessions = KTSession()


def site_at(url, **config):
    """Return a site whose sessions name their user as ``user``."""
    app = make_site(KT_CACHE_URL=url, KT_SESSION_USER_KEY="user", **config)
    sessions.init_app(app)

    @app.post("/kill-others")
    def kill_others():
        return str(sessions.kill_sessions(session["user"], except_current=True))

    @app.post("/kill-meanwhile")
    def kill_meanwhile():
        session["more"] = 1
        return str(sessions.kill_sessions(session["user"]))

    @app.get("/mine")
    def mine():
        return [[each.handle, each.current] for each in sessions.sessions_of(session["user"])]

    @app.post("/leave")
    def leave():
        del session["user"]
        return "you are nobody"

    return app


@pytest.fixture
def app(any_url):
    return site_at(any_url)


def visitor_of(app, name="ada"):
    """Return a visitor who has logged in."""
    visitor = app.test_client()
    visitor.post(f"/login/{name}")
    return visitor


def listed(app, name="ada"):
    with app.app_context():
        return sessions.sessions_of(name)


def killed(app, name="ada"):
    with app.app_context():
        return sessions.kill_sessions(name)


class TestTwoBrowsers:
    def test_list(self, app):
        """A user's sessions are listed, the own one marked, and not those of others."""
        one, _two, _other = visitor_of(app), visitor_of(app), visitor_of(app, "bob")
        assert len(listed(app)) == 2
        assert len(listed(app, "bob")) == 1
        mine = one.get("/mine").json
        assert sorted(current for _, current in mine) == [False, True]
        assert {handle for handle, _ in mine} == {each.handle for each in listed(app)}
        for each in listed(app):
            assert (each.address, each.agent) == (None, None)
            assert 0 <= (each.last_seen - each.created).total_seconds() < 10

    def test_end_the_others(self, app):
        """The visitor who ends the others stays, and so do other users."""
        one, two, other = visitor_of(app), visitor_of(app), visitor_of(app, "bob")
        assert one.post("/kill-others").text == "1"
        assert [each.get("/").text for each in (one, two, other)] == ["ada", "nobody", "bob"]

    def test_end_one(self, app):
        """One session can be ended, by its own user only."""
        one, two = visitor_of(app), visitor_of(app)
        (handle,) = (handle for handle, current in two.get("/mine").json if current)
        with app.app_context():
            assert sessions.kill_session("bob", handle) is False
            assert sessions.kill_session("ada", handle) is True
            assert sessions.kill_session("ada", handle) is False
        assert [one.get("/").text, two.get("/").text] == ["ada", "nobody"]

    def test_all_processes(self, app, any_url):
        """A kill in one process counts in all others at once."""
        visitor = visitor_of(app)
        assert killed(site_at(any_url)) == 1
        assert visitor.get("/").text == "nobody"
        assert listed(app) == []

    def test_logout(self, app, kt):
        """Who has logged out is not listed; the last one takes everything along."""
        one, two = visitor_of(app), visitor_of(app)
        one.post("/logout")
        assert len(listed(app)) == 1
        two.post("/logout")
        assert kt.match_prefix("") == []

    def test_user_taken_out(self, app, kt):
        """A session that loses its user, as on logout with Flask-Login, goes on unlisted."""
        visitor = visitor_of(app)
        visitor.get("/count")
        visitor.post("/leave")
        assert listed(app) == []
        assert visitor.get("/count").text == "2"

    def test_another_user(self, app):
        """Where another user logs in, the session is that one's."""
        visitor = visitor_of(app)
        visitor.post("/login/bob")
        assert listed(app) == []
        assert len(listed(app, "bob")) == 1

    def test_visitor_before(self, app):
        """A session may get its user at any time."""
        visitor = app.test_client()
        visitor.get("/count")
        assert listed(app) == []
        visitor.post("/login/ada")
        assert len(listed(app)) == 1


class TestSlowRequests:
    def test_save(self, app, kt):
        """A request that saves a killed session revives nothing, and leaves the cookie alone."""
        visitor = visitor_of(app)
        answer = visitor.post("/kill-meanwhile")
        assert answer.text == "1"
        assert cookies_set(answer) == []
        assert records(kt) == []
        assert visitor.get("/").text == "nobody"

    def test_login_after_a_kill(self, app):
        """Whoever was logged out in this way can log in again."""
        visitor = visitor_of(app)
        old = session_id(visitor)
        killed(app)
        visitor.post("/login/ada")
        assert session_id(visitor) != old
        assert visitor.get("/").text == "ada"
        assert len(listed(app)) == 1

    def test_many_at_once(self, app):
        """Eight who log in and out at once with one account are all listed, or not."""

        def work(me):
            for number in range(5):
                visitor = visitor_of(app)
                if number % 2:
                    visitor.post("/logout")

        run_threads(8, work)
        assert len(listed(app)) == 24
        assert killed(app) == 24


class TestSettings:
    def test_flask_login(self, any_url):
        """Without a setting the users are Flask-Login's, whose calls need no addition."""
        app = make_app(KT_CACHE_URL=any_url, SECRET_KEY="for its remember-me cookie")
        sessions.init_app(app)
        manager = LoginManager(app)

        @manager.user_loader
        def load_user(user_id):
            user = UserMixin()
            user.id = user_id
            return user

        @app.post("/login")
        def log_in():
            login_user(load_user("7"))
            return "welcome"

        @app.post("/logout")
        def log_out():
            logout_user()
            return "bye"

        @app.get("/")
        def home():
            return "nobody" if current_user.is_anonymous else f"user {current_user.get_id()}"

        one, two, three = (app.test_client() for _ in range(3))
        for visitor in (one, two, three):
            visitor.post("/login")
        assert len(listed(app, 7)) == 3
        one.post("/logout")
        assert [each.get("/").text for each in (one, two)] == ["nobody", "user 7"]
        assert killed(app, 7) == 2
        assert {each.get("/").text for each in (one, two, three)} == {"nobody"}

    @pytest.mark.parametrize("key", ["", None, 7, ["user"]])
    def test_key_that_is_none(self, any_url, key):
        """The key is a name."""
        with pytest.raises(ConfigError, match="KT_SESSION_USER_KEY"):
            sessions.init_app(make_app(KT_CACHE_URL=any_url, KT_SESSION_USER_KEY=key))

    def test_visitors_are_noted_if_wanted(self, any_url):
        """Address and browser are kept where the site wants that."""
        app = site_at(any_url, KT_SESSION_OPTIONS={"note_visitors": ["address", "agent"]})
        visitor = app.test_client()
        visitor.post("/login/ada", headers={"User-Agent": "Lynx/2.8"})
        (each,) = listed(app)
        assert (each.address, each.agent) == ("127.0.0.1", "Lynx/2.8")

    def test_unknown_note(self, any_url):
        """What could be noted besides is nothing."""
        with pytest.raises(ConfigError, match="note_visitors"):
            site_at(any_url, KT_SESSION_OPTIONS={"note_visitors": ["name"]})

    def test_django_is_apart(self, app, kt):
        """A Django site on the same database has other users."""
        visitor_of(app, "7")
        keys = kt.match_prefix(USER_PREFIX)
        assert len(keys) == 1
        assert killed(app, "7") == 1


class TestForgottenKey:
    """An app with a login of its own that did not say where it keeps the user."""

    @pytest.fixture
    def app(self, any_url):
        app = make_site(KT_CACHE_URL=any_url)
        sessions.init_app(app)
        visitor_of(app)
        return app

    def test_calls(self, app, caplog):
        """The calls find nothing, and the log says why that may be, once."""
        with app.app_context():
            for _ in range(2):
                assert sessions.sessions_of("ada") == []
                assert sessions.kill_sessions("ada") == 0
        (line,) = caplog.messages
        assert "app.config['KT_SESSION_USER_KEY']" in line

    @pytest.mark.parametrize("action", ["list", "kill"])
    def test_commands(self, app, action):
        """The commands say so, too."""
        done = app.test_cli_runner().invoke(args=["kt", "sessions", action, "ada"])
        assert done.exit_code == 0
        assert "Note: " in done.output
        assert "app.config['KT_SESSION_USER_KEY']" in done.output

    def test_nothing_was_forgotten(self, any_url, caplog):
        """With the setting, or with Flask-Login, there is nothing to say."""
        with_login = make_site(KT_CACHE_URL=any_url, SECRET_KEY="for Flask-Login")
        LoginManager(with_login)
        sessions.init_app(with_login)
        for app in (with_login, site_at(any_url)):
            assert listed(app, "bob") == []
            done = app.test_cli_runner().invoke(args=["kt", "sessions", "kill", "bob"])
            assert done.output == "Ended 0 sessions of bob.\n"
        assert caplog.messages == []


class TestMistakes:
    def test_outside_an_app(self):
        """Without an app nobody knows whose sessions are meant."""
        for call in (sessions.sessions_of, sessions.kill_sessions):
            with pytest.raises(RuntimeError, match="app_context"):
                call("ada")

    def test_outside_a_request(self, app):
        """Without a request there is no session to be spared."""
        with app.app_context(), pytest.raises(RuntimeError, match="needs a request"):
            sessions.kill_sessions("ada", except_current=True)

    def test_sessions_elsewhere(self):
        """With Flask's own sessions the message says what to call."""
        with Flask("other").app_context(), pytest.raises(RuntimeError, match="KTSession"):
            sessions.sessions_of("ada")

    @pytest.mark.parametrize("nobody", [None, ""])
    def test_nobody(self, app, nobody):
        """Visitors without a user have no list."""
        with app.app_context(), pytest.raises(ValueError, match="whose sessions"):
            sessions.sessions_of(nobody)

    def test_server_gone(self):
        """Without the server it is an error and no empty list."""
        app = site_at("kt://127.0.0.1:9")
        with app.app_context(), pytest.raises(KTError):
            sessions.sessions_of("ada")


class TestCommands:
    @pytest.fixture
    def flask(self, app):
        """Run ``flask kt sessions`` with arguments."""
        runner = app.test_cli_runner()
        return lambda *arguments: runner.invoke(args=["kt", "sessions", *arguments])

    def test_list(self, app, flask):
        """Each session is a line under a heading."""
        visitors = [visitor_of(app) for _ in range(2)]
        done = flask("list", "ada")
        assert done.exit_code == 0
        heading, *lines = done.output.splitlines()
        assert heading.split()[0] == "session"
        assert {line.split()[0] for line in lines} == {each.handle for each in listed(app)}
        assert not [each for each in visitors if session_id(each) in done.output]
        assert flask("list", "bob").output == "bob has no sessions.\n"

    def test_kill(self, app, flask):
        """All are ended, or all but some, or one."""
        visitors = [visitor_of(app) for _ in range(4)]
        handles = [next(h for h, own in each.get("/mine").json if own) for each in visitors]
        assert flask("kill", "ada", "--only", handles[0]).output == "Ended 1 session of ada.\n"
        done = flask("kill", "ada", "--except", handles[1], "--except", handles[2])
        assert done.output == "Ended 1 session of ada.\n"
        names = [each.get("/").text for each in visitors]
        assert names == ["nobody", "ada", "ada", "nobody"]
        assert flask("kill", "ada").output == "Ended 2 sessions of ada.\n"

    @pytest.mark.parametrize("option", ["--except", "--only"])
    def test_mistyped_session(self, app, flask, option):
        """A session that is not there ends the command before anything else ends."""
        visitor_of(app)
        done = flask("kill", "ada", option, "0123")
        assert done.exit_code == 1
        assert "ada has no session 0123; nothing was ended" in done.output
        assert len(listed(app)) == 1

    def test_sweep(self, app, flask):
        """Sweeping leaves sessions that are live."""
        visitor_of(app)
        assert flask("sweep").output == "Forgot 0 sessions that were over.\n"
        assert len(listed(app)) == 1

    def test_mistakes(self, flask):
        """What cannot be understood ends with status 2 and a message."""
        assert flask("kill", "ada", "--only", "1", "--except", "2").exit_code == 2
        assert flask("kill").exit_code == 2

    def test_server_gone(self):
        """A server that does not answer is a line, and status 1."""
        runner = site_at("kt://127.0.0.1:9").test_cli_runner()
        for action in ("list", "kill"):
            done = runner.invoke(args=["kt", "sessions", action, "ada"])
            assert done.exit_code == 1
            assert done.output.startswith("Error: ")
            assert "127.0.0.1:9" in done.output

    def test_beside_other_commands(self, any_url):
        """A group ``kt`` that is there already keeps its commands."""
        app = site_at(any_url)
        before = app.cli.commands["kt"]
        sessions.init_app(app)
        assert app.cli.commands["kt"] is before
