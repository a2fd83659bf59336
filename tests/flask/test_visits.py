"""``@cache.cached``: what shows that an answer is for one visitor."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps

import pytest
from flask import Flask, g, render_template_string, request, session
from flask.sessions import SessionInterface, SessionMixin
from flask_login import LoginManager, UserMixin, current_user

from kt_cache.flask import KTSession
from tests.flask.cached_site import Site, either, small

__all__ = ["either", "small"]


class Visitor(UserMixin):
    """Whoever the query names."""

    def __init__(self, name: str) -> None:
        self.id = name


class UnawareSession(dict, SessionMixin):
    """A session that notes no access, but for what Flask itself does."""


class UnawareSessions(SessionInterface):
    """Sessions of one process."""

    def __init__(self) -> None:
        self.stored: dict[str, dict] = {}

    def open_session(self, app: Flask, asked) -> UnawareSession:
        return UnawareSession(self.stored.get(asked.cookies.get("sid"), {}))

    def save_session(self, app: Flask, session, response) -> None:
        if "user" in session:
            self.stored[session["user"]] = dict(session)
            response.set_cookie("sid", session["user"])


@pytest.fixture(params=["Flask's", "ours", "unaware"])
def with_sessions(request, url):
    """A site with sessions of each kind, to which a visitor can log in."""
    site = Site(url)
    if request.param == "ours":
        KTSession(site.app)
    elif request.param == "unaware":
        site.app.session_interface = UnawareSessions()
    site.app.add_url_rule("/login/<user>", "login", lambda user: session.update(user=user) or "")
    return site


# There the others cannot tell whether a function asked for something.
aware = pytest.mark.parametrize("with_sessions", ["Flask's", "ours"], indirect=True)


def visitor(site, user):
    """Return the browser of somebody who has logged in."""
    browser = site.app.test_client()
    browser.get(f"/login/{user}")
    return browser


def is_log_line(record) -> bool:
    """Tell whether a log line says what to do about a page that is not kept."""
    return "ignore_session" in record.getMessage()


class TestSessions:
    @pytest.mark.parametrize(
        "use", [lambda: session.get("a"), lambda: session.update(a=1), lambda: session["user"]]
    )
    def test_asked(self, either, caplog, use):
        """What asks the session is not kept, and the log says so; the site can say otherwise."""

        def answer(number):
            with suppress(KeyError):
                use()
            return str(number)

        either.page("/own", answer)
        either.page("/all", answer, ignore_session=True)
        either.page("/key", answer, make_cache_key=lambda: "a key of our own")
        either.page("/of-url", answer, key_prefix=lambda: request.url)
        assert either.texts("/own", "/own", "/of-url", "/of-url") == ["1", "2", "3", "4"]
        assert [is_log_line(record) for record in caplog.records] == [True, True]
        assert either.texts("/all", "/all", "/key", "/key") == ["5", "5", "6", "6"]
        assert "Cookie" in either.get("/own").headers["Vary"]

    @pytest.mark.parametrize(
        "tell",
        [
            lambda: "user" in session,
            lambda: len(session),
            lambda: list(session),
            lambda: session.items(),
            lambda: session.get("user"),
            lambda: render_template_string("{{ 1 if 'user' in session }}"),
        ],
    )
    def test_nobody_gets_a_members_page(self, with_sessions, tell):
        """However a view looks into the session, what it shows to a member is not kept."""
        with_sessions.page("/", lambda number: "member" if tell() else "guest")
        assert visitor(with_sessions, "ada").get("/").text == "member"
        assert with_sessions.get("/").text == "guest"

    def test_of_many_members(self, with_sessions):
        """Each gets a page of their own, until something is kept for all."""
        with_sessions.page("/", lambda _: f"hello {session['user']}")
        for user in ("ada", "bob", "ada"):
            assert visitor(with_sessions, user).get("/").text == f"hello {user}"

    def test_asked_before_the_view(self, with_sessions, caplog):
        """What was taken out of the session beforehand may be in the page."""

        @with_sessions.app.before_request
        def load() -> None:
            g.user = session.get("user")

        with_sessions.page("/", lambda number: f"{number} {g.user}")
        for number, user in enumerate(("ada", "bob"), 1):
            assert visitor(with_sessions, user).get("/").text == f"{number} {user}"
        assert all(is_log_line(record) for record in caplog.records)
        assert caplog.records
        assert with_sessions.texts("/", "/") == ["3 None", "3 None"]

    def test_kept_beforehand(self, with_sessions):
        """Nor does a view that has got hold of the session beforehand hide that it uses it."""

        @with_sessions.app.before_request
        def load() -> None:
            g.session = session._get_current_object()

        with_sessions.page("/", lambda _: g.session["user"])
        assert visitor(with_sessions, "ada").get("/").text == "ada"
        assert visitor(with_sessions, "bob").get("/").text == "bob"

    def test_asked_before_for_nothing(self, with_sessions):
        """A page for visitors whose session holds nothing is kept, and caches between are told."""

        @with_sessions.app.before_request
        def load() -> None:
            session.get("user")

        @with_sessions.app.before_request
        def be_permanent() -> None:
            if "permanent" in request.args:
                session.permanent = True

        with_sessions.page()
        answers = [with_sessions.get(path) for path in ("/?permanent", "/", "/")]
        assert [answer.text for answer in answers] == ["1"] * 3

    def test_vary(self, small):
        """Caches between are told that the session was asked around the view, on a miss, too."""
        small.app.before_request(lambda: session.get("user") and None)
        small.page()
        answers = [small.get() for _ in range(2)]
        assert [answer.text for answer in answers] == ["1", "1"]
        assert [answer.headers.get("Vary") for answer in answers] == ["Cookie", "Cookie"]

    def test_looking_is_no_access(self, with_sessions):
        """What nobody asked was not asked by the cache either."""
        with_sessions.page()
        for browser in (visitor(with_sessions, "ada"), with_sessions.app.test_client()):
            assert [browser.get("/").headers.get("Vary") for _ in range(2)] == [None] * 2

    def test_logins_of_flask_login(self, either):
        """Flask-Login asks the session before the view runs: who is logged in has a page alone."""
        manager = LoginManager(either.app)
        manager.request_loader(lambda asked: Visitor(asked.args["user"]))
        either.app.before_request(lambda: current_user.is_authenticated and None)
        either.page("/me", lambda _: getattr(current_user, "id", "nobody"))
        either.page("/all", ignore_session=True)

        def texts(path, *names):
            return [either.get(path, query_string={"user": name}).text for name in names]

        assert texts("/me", "ada", "bob") == ["ada", "bob"]
        assert texts("/all", "ada", "bob") == ["3", "3"]


class TestAuthorization:
    def test_of_one(self, either, caplog):
        """What was made for a request with credentials is not kept; the site can say otherwise."""

        def answer(number):
            return f"{number} {request.authorization and request.authorization.username}"

        either.page("/own", answer)
        either.page("/all", answer, ignore_session=True)
        either.page("/key", answer, make_cache_key=lambda: request.authorization.username)

        def texts(path, *names):
            return [either.get(path, auth=(name, "secret")).text for name in names]

        assert texts("/own", "ada", "bob") == ["1 ada", "2 bob"]
        assert [is_log_line(record) for record in caplog.records] == [True]
        assert either.texts("/own", "/own") == ["3 None", "3 None"]
        assert texts("/all", "ada", "bob") == ["4 ada", "4 ada"]
        assert texts("/key", "ada", "bob", "ada") == ["5 ada", "6 bob", "5 ada"]


class TestOneKey:
    """Functions and views under one key, in or outside of a request."""

    def test_of_a_function(self, with_sessions):
        """What a function returns is kept whoever asks, and whatever others asked the session."""
        numbers = with_sessions.cache.cached(key_prefix="numbers")(lambda: next(with_sessions.runs))

        @with_sessions.app.get("/")
        def view() -> str:
            return f"{session.get('user')} {numbers()}"

        for user in ("ada", "bob"):
            answer = visitor(with_sessions, user).get("/", auth=(user, "secret"))
            assert answer.text == f"{user} 1"

    @pytest.mark.parametrize("ignores", [False, True])
    @aware
    def test_that_asks_the_session(self, with_sessions, caplog, ignores):
        """What it returns that asked the session itself is not kept, unless the site says so."""
        greeting = with_sessions.cache.cached(key_prefix="greeting", ignore_session=ignores)(
            lambda: [session.get("user")]
        )
        with_sessions.app.add_url_rule("/", "greet", lambda: greeting())
        greeted = [visitor(with_sessions, user).get("/").json for user in ("ada", "bob")]
        assert greeted == [["ada"], ["ada"] if ignores else ["bob"]]
        assert [is_log_line(record) for record in caplog.records] == [] if ignores else [True]

    @aware
    def test_below_a_decorator_that_hides_it(self, with_sessions):
        """So nobody gets another visitor's page, though nothing shows that it is a page."""

        def hiding(function):
            def inner(*args, **kwargs):
                return function(*args, **kwargs)

            return inner

        page = hiding(with_sessions.cache.cached(key_prefix="me")(lambda: session["user"]))
        with_sessions.app.add_url_rule("/", view_func=page)
        texts = [visitor(with_sessions, user).get("/").text for user in ("ada", "bob")]
        assert texts == ["ada", "bob"]

    def test_below_a_decorator(self, small):
        """A view is one below other decorators, too: what is no answer for all is not kept."""

        def showing(function):
            @wraps(function)
            def inner(*args, **kwargs):
                return function(*args, **kwargs)

            return inner

        def view():
            return str(next(small.runs)), {"Set-Cookie": "a=b"} if "cookie" in request.args else {}

        page = showing(showing(small.cache.cached(key_prefix="page")(view)))
        small.app.add_url_rule("/", view_func=page, methods=["GET", "POST"])
        assert small.texts("/?cookie", "/?cookie", "/", "/") == ["1", "2", "3", "3"]
        assert small.app.test_client().post("/").text == "4"
