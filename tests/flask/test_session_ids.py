"""KTSession: a session that gets a new id, and ids that nobody gave out."""

from __future__ import annotations

import pytest
from flask import session
from flask.sessions import SecureCookieSession

from kt_cache.flask import KTSession
from tests.flask.sites import cookies_set, make_site, records, session_id


@pytest.fixture
def app(any_url):
    """The site with its sessions on an empty database, on each kind of server in turn."""
    app = make_site(KT_CACHE_URL=any_url)
    KTSession(app)
    return app


@pytest.fixture
def visitor(app):
    return app.test_client()


def someone_with_the_id_of(visitor, app):
    """Return another browser with the same cookie."""
    other = app.test_client()
    other.set_cookie("session", session_id(visitor))
    return other


class TestRegenerate:
    def test_a_new_id(self, app, visitor, kt):
        """The data goes on under a new id; the earlier one is worth nothing, and not stored."""
        visitor.post("/login/ada")
        before, thief = session_id(visitor), someone_with_the_id_of(visitor, app)
        visitor.post("/new-id")
        assert session_id(visitor) != before
        assert [visitor.get("/").text, thief.get("/").text] == ["ada", "nobody"]
        assert len(records(kt)) == 1

    @pytest.mark.parametrize("by", ["session", "extension", "interface"])
    def test_fixation(self, app, visitor, by):
        """Whoever has planted the id of a session of theirs is not logged in with the victim."""
        extension = KTSession()

        @app.post("/safe-login")
        def safe_login():
            session["user"] = "ada"
            if by == "session":
                session.regenerate()
            elif by == "extension":
                extension.regenerate(session)
            else:
                app.session_interface.regenerate(session)
            return "welcome"

        attacker = app.test_client()
        attacker.get("/count")
        visitor.set_cookie("session", session_id(attacker))
        visitor.post("/safe-login")
        assert visitor.get("/").text == "ada"
        assert attacker.get("/").text == "nobody"
        assert visitor.get("/count").text == "2"

    def test_permanence_and_changes_go_along(self, app, visitor):
        """What the same request changes is stored under the new id, with its lifetime."""

        @app.post("/safe-login")
        def safe_login():
            session.regenerate()
            session["user"] = "ada"
            session.permanent = True
            return "welcome"

        visitor.get("/count")
        assert "Expires" in cookies_set(visitor.post("/safe-login"))[0]
        assert (visitor.get("/").text, visitor.get("/count").text) == ("ada", "2")

    def test_cleared_and_filled(self, app, visitor, kt):
        """Data of the earlier visitor does not go along if the view removed it."""

        @app.post("/safe-login")
        def safe_login():
            session.clear()
            session["user"] = "ada"
            session.regenerate()
            return "welcome"

        visitor.get("/count")
        visitor.post("/safe-login")
        assert (visitor.get("/").text, visitor.get("/count").text) == ("ada", "1")
        assert len(records(kt)) == 1

    @pytest.mark.parametrize("has_cookie", [False, True])
    def test_without_data(self, visitor, kt, has_cookie):
        """A visitor without data gets neither a record nor a cookie for it, and loses none."""
        if has_cookie:
            visitor.set_cookie("session", "made-up")
        assert not cookies_set(visitor.post("/new-id"))
        assert records(kt) == []

    def test_emptied(self, app, visitor, kt):
        """A session that is emptied ends, new id or not."""

        @app.post("/leave")
        def leave():
            session.regenerate()
            session.clear()
            return "goodbye"

        visitor.post("/login/ada")
        visitor.post("/leave")
        assert session_id(visitor) is None
        assert records(kt) == []

    def test_a_session_ended_meanwhile(self, app, visitor, kt):
        """A visitor who has logged out meanwhile is not logged in again under the new id."""

        @app.post("/slow")
        def slow():
            someone_with_the_id_of(visitor, app).post("/logout")
            session.regenerate()
            return "done"

        visitor.post("/login/ada")
        answer = visitor.post("/slow")
        assert (answer.text, cookies_set(answer)) == ("done", [])
        assert records(kt) == []
        assert visitor.get("/").text == "nobody"

    def test_what_others_changed_goes_along(self, app, visitor):
        """Another request's change, made while this one ran, is not lost with the earlier id."""

        @app.post("/slow")
        def slow():
            someone_with_the_id_of(visitor, app).get("/count")
            session["user"] = "bob"
            session.regenerate()
            return "done"

        visitor.post("/login/ada")
        visitor.post("/slow")
        assert (visitor.get("/").text, visitor.get("/count").text) == ("bob", "2")

    def test_other_sessions(self):
        """Only sessions of ours can get a new id this way."""
        with pytest.raises(RuntimeError, match="not kept by kt_cache"):
            KTSession().regenerate(SecureCookieSession())


class TestStrangeIds:
    @pytest.mark.parametrize(
        "given",
        [
            "x" * 100_000,
            "sitzung-é-☃",
            "kt-session-" + "0" * 64,
            "a\\000b",
            '"quoted',
            "eyJ1c2VyIjoiYWRhIn0.ZzXxYw.c2lnbmF0dXJl",
            "0",
            "",
        ],
        ids=range(8),
    )
    def test_a_new_session(self, app, kt, given):
        """Whatever a cookie holds: no error, no session, and the next login gets an id of ours."""
        visitor = app.test_client(use_cookies=False)
        headers = {"Cookie": f"session={given}".encode().decode("latin-1")}
        assert visitor.get("/", headers=headers).text == "nobody"
        assert visitor.post("/new-id", headers=headers).status_code == 200
        assert records(kt) == []
        (cookie,) = cookies_set(visitor.post("/login/ada", headers=headers))
        fresh = cookie.partition("=")[2].partition(";")[0]
        assert len(fresh) == 43
        assert visitor.get("/", headers={"Cookie": f"session={fresh}"}).text == "ada"


class TestUsers:
    """Sessions with a user, whose index follows."""

    @pytest.fixture
    def sessions(self):
        return KTSession()

    @pytest.fixture
    def app(self, any_url, sessions):
        app = make_site(KT_CACHE_URL=any_url, KT_SESSION_USER_KEY="user")
        sessions.init_app(app)

        @app.post("/slow-new-id")
        def slow_new_id():
            sessions.kill_sessions("ada")
            session.regenerate()
            return "done"

        @app.post("/new-id-without-user")
        def new_id_without_user():
            session.pop("user")
            session["language"] = "en"
            session.regenerate()
            return "done"

        return app

    def test_one_entry(self, app, sessions, visitor):
        """After a new id the user has one session in the list still, of the same beginning."""
        visitor.post("/login/ada")
        with app.app_context():
            (before,) = sessions.sessions_of("ada")
            visitor.post("/new-id")
            (after,) = sessions.sessions_of("ada")
            assert (after.handle != before.handle, after.created) == (True, before.created)
            assert sessions.kill_sessions("ada") == 1
        assert visitor.get("/").text == "nobody"

    def test_killed_meanwhile(self, app, sessions, visitor, kt):
        """A session that was killed does not go on under another id."""
        visitor.post("/login/ada")
        answer = visitor.post("/slow-new-id")
        assert (answer.text, cookies_set(answer)) == ("done", [])
        assert records(kt) == []
        with app.app_context():
            assert sessions.sessions_of("ada") == []

    def test_logged_out(self, app, sessions, visitor):
        """A visitor who stays without being logged in is in nobody's list any more."""
        visitor.post("/login/ada")
        visitor.post("/new-id-without-user")
        assert visitor.get("/").text == "nobody"
        with app.app_context():
            assert sessions.sessions_of("ada") == []
