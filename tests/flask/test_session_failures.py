"""KTSession: servers that are down, slow or restarted are never a logout."""

from __future__ import annotations

import logging
import time

import pytest
from flask import session
from flask_login import LoginManager, current_user
from werkzeug.exceptions import HTTPException

from kt_cache import EmbeddedServer, KTError
from kt_cache.errors import SessionUnavailable
from kt_cache.flask import KTSession
from kt_cache.testing import FaultProxy
from tests.flask.conftest import url_of
from tests.flask.sites import cookies_set, make_site, records, session_id
from tests.support.failing import dead_port

__all__ = ["dead_port"]


def make(url, **options):
    app = make_site(KT_CACHE_URL=url, KT_SESSION_OPTIONS={"connect_timeout": 0.5, **options})
    KTSession(app)
    return app


@pytest.fixture
def without_server(dead_port):
    """Make the site without a server, and a visitor with a cookie."""

    def begin(**options):
        app = make(f"kt://127.0.0.1:{dead_port}", **options)
        visitor = app.test_client()
        visitor.set_cookie("session", "some-id")
        return app, visitor

    return begin


@pytest.fixture
def fault_proxy(included_server, client):
    with FaultProxy(included_server.port, included_server.host) as proxy:
        yield proxy


@pytest.fixture
def faulty(fault_proxy):
    """The site behind a proxy that breaks connections, and a visitor who is logged in."""
    app = make(f"kt://127.0.0.1:{fault_proxy.port}", read_timeout=0.3, call_timeout=1)

    @app.get("/buy")
    def buy():
        session["cart"] = ["book"]
        fault_proxy.stall()
        return "bought"

    visitor = app.test_client()
    visitor.post("/login/ada")
    yield app, visitor
    app.session_interface.store.store.client.close_all()


def assert_says_to_come_again(answer):
    """See that it is the plain page, that it tells nothing, and that no cache keeps it."""
    shown = answer.text[answer.text.index("<p>") :]
    assert shown.strip() == (
        "<p>Something that this page needs is away. Please try again in a moment.</p>"
    )
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Vary"] == "Cookie"
    assert answer.cache_control.no_store


class TestOutage:
    def test_it_logs_nobody_out(self, stopping_server: EmbeddedServer):
        """While the server is away requests fail and cookies stay; then all goes on."""
        app = make(url_of(stopping_server))
        visitor, stranger = app.test_client(), app.test_client()
        visitor.post("/login/ada")
        before = session_id(visitor)
        stopping_server.stop()
        for path, method in (("/", "GET"), ("/logout", "POST"), ("/new-id", "POST")):
            answer = visitor.open(path, method=method)
            assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert stranger.get("/").text == "nobody"
        answer = stranger.post("/login/bob")
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert "welcome" not in answer.text
        stopping_server.run()
        assert session_id(visitor) == before
        assert visitor.get("/").text == "ada"

    def test_pages_without_a_session_are_served(self, without_server):
        """What asks nothing of the session does not need it."""
        _, visitor = without_server()
        answer = visitor.get("/about")
        assert (answer.status_code, cookies_set(answer)) == (200, [])

    @pytest.mark.parametrize(
        "use",
        [
            lambda: session["user"],
            lambda: session.get("user"),
            lambda: "user" in session,
            lambda: bool(session),
            lambda: list(session),
            lambda: session.permanent,
            lambda: setattr(session, "permanent", True),
            lambda: session.update(a=1),
            lambda: session.pop("user", None),
            lambda: session.clear(),
            lambda: session.regenerate(),
            lambda: session.is_read_only,
            lambda: KTSession().regenerate(session),
        ],
        ids=range(13),
    )
    def test_everything_else_is_refused(self, without_server, use):
        """However a view uses a session that could not be loaded, it is not an empty one."""
        app, visitor = without_server()
        app.add_url_rule("/use", view_func=lambda: str(use()), endpoint="use")
        answer = visitor.get("/use")
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert_says_to_come_again(answer)

    def test_what_is_done_after_each_request(self, without_server):
        """It cannot be refused any more: it finds an empty session, and pages are served."""
        app, visitor = without_server()

        @app.after_request
        def greet(response):
            response.headers["X-User"] = session.get("user", "nobody")
            session["seen"] = True
            return response

        answer = visitor.get("/about")
        assert (answer.status_code, cookies_set(answer)) == (200, [])
        assert answer.headers["X-User"] == "nobody"
        assert answer.vary.to_header() == "Cookie"
        assert answer.cache_control.no_store
        answer = visitor.get("/")
        assert (answer.status_code, cookies_set(answer)) == (503, [])

    def test_flask_login(self, without_server):
        """Its own look at the session after each request is in nobody's way."""
        app, visitor = without_server()
        app.secret_key = "a secret"
        LoginManager(app).user_loader(lambda _: None)
        app.add_url_rule("/me", view_func=lambda: str(current_user.is_anonymous), endpoint="me")
        assert visitor.get("/about").status_code == 200
        assert visitor.get("/me").status_code == 503

    def test_handlers_that_look_into_it(self, without_server):
        """The page that says so may ask the session something, as templates of all pages do."""
        app, visitor = without_server()
        app.register_error_handler(503, lambda _: (f"sorry, {session.get('user', 'you')}", 503))
        answer = visitor.get("/")
        assert (answer.status_code, answer.text) == (503, "sorry, you")

    def test_a_view_that_catches_it(self, without_server):
        """It is refused whenever it asks; no cache keeps its page, which shows nobody's data."""
        app, visitor = without_server()

        @app.get("/caught")
        def caught():
            refusals = 0
            for _ in range(2):
                try:
                    session.get("user")
                except SessionUnavailable:
                    refusals += 1
            return str(refusals)

        answer = visitor.get("/caught")
        assert (answer.status_code, answer.text) == (200, "2")
        assert answer.vary.to_header() == "Cookie"
        assert answer.cache_control.no_store

    def test_the_log(self, without_server, caplog):
        """The log has one line about the outage, with the server's name and without an id."""
        _, visitor = without_server()
        for _ in range(3):
            visitor.get("/")
        (entry,) = caplog.records
        assert (entry.name, entry.levelno) == ("kt_cache.sessions", logging.WARNING)
        assert "127.0.0.1" in caplog.text
        assert "some-id" not in caplog.text

    def test_a_slow_server(self, faulty, fault_proxy):
        """A server that does not answer is an outage after the read timeout."""
        _, visitor = faulty
        before = session_id(visitor)
        fault_proxy.stall()
        began = time.monotonic()
        assert visitor.get("/").status_code == 503
        assert time.monotonic() - began < 3
        fault_proxy.restore()
        assert session_id(visitor) == before
        assert visitor.get("/").text == "ada"

    def test_a_slow_server_and_a_breaker(self, faulty, fault_proxy):
        """With a circuit breaker one request waits for it, and no page after that one does."""
        _, visitor = faulty
        app = make(f"kt://127.0.0.1:{fault_proxy.port}", read_timeout=0.5, breaker_threshold=1)
        same = app.test_client()
        same.set_cookie("session", session_id(visitor))
        assert same.get("/").text == "ada"
        fault_proxy.stall()
        assert same.get("/about").status_code == 200  # it is loaded before the view runs
        began = time.monotonic()
        assert [same.get("/about").status_code for _ in range(10)] == [200] * 10
        assert same.get("/").status_code == 503
        assert time.monotonic() - began < 2.5  # ten times the timeout would be twice that
        fault_proxy.restore()

    def test_a_save_that_fails(self, faulty, fault_proxy):
        """A request whose session cannot be stored does not say that all went well."""
        _, visitor = faulty
        answer = visitor.get("/buy")
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert_says_to_come_again(answer)
        fault_proxy.restore()
        assert visitor.get("/").text == "ada"

    @pytest.mark.parametrize("is_known", [False, True])
    def test_a_restart_in_the_middle_of_a_login(self, stopping_server, is_known):
        """A login whose end meets a restarted server succeeds; while it is away, it fails."""
        app = make(url_of(stopping_server))

        @app.post("/safe-login/<state>")
        def safe_login(state):
            session["user"] = "ada"
            session.regenerate()
            stopping_server.stop()
            if state == "back":
                stopping_server.run()
            return "welcome"

        visitor = app.test_client()
        if is_known:
            visitor.get("/count")
        before = session_id(visitor)
        answer = visitor.post("/safe-login/away")
        assert (answer.status_code, session_id(visitor)) == (503, before)
        stopping_server.run()
        assert visitor.get("/").text == "nobody"
        assert visitor.post("/safe-login/back").status_code == 200
        assert visitor.get("/").text == "ada"
        assert session_id(visitor) != before


class TestOwnPages:
    """What the app itself has for such errors comes before the plain page."""

    @pytest.mark.parametrize("kind", [SessionUnavailable, KTError, 503, HTTPException, Exception])
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(("path", "method"), [("/", "GET"), ("/login/ada", "POST")])
    def test_handlers(self, dead_port, kind, when, path, method):
        """Handlers of the class, its bases, or the status; loading or storing; early or late."""
        app = make_site(KT_CACHE_URL=f"kt://127.0.0.1:{dead_port}")

        def page(error):
            assert isinstance(error, SessionUnavailable)
            return "try again in a moment", 599

        if when == "before":
            app.register_error_handler(kind, page)
        KTSession(app)
        if when == "after":
            app.register_error_handler(kind, page)
        visitor = app.test_client()
        if path == "/":
            visitor.set_cookie("session", "some-id")
        answer = visitor.open(path, method=method)
        assert (answer.status_code, answer.text) == (599, "try again in a moment")
        assert not cookies_set(answer)

    def test_calls_about_users(self, dead_port):
        """A view that lists a user's sessions, or ends them, fails in the same way."""
        app = make_site(KT_CACHE_URL=f"kt://127.0.0.1:{dead_port}")
        extension = KTSession(app)
        app.add_url_rule("/list", view_func=lambda: extension.sessions_of(7), endpoint="list")
        app.add_url_rule("/kill", view_func=lambda: extension.kill_sessions(7), endpoint="kill")
        for path in ("/list", "/kill"):
            assert app.test_client().get(path).status_code == 503

    def test_after_request(self, without_server):
        """The error page passes through the app's after_request functions, as any answer does."""
        app, _ = without_server()

        @app.after_request
        def allow(response):
            response.headers["Access-Control-Allow-Origin"] = "*"
            return response

        answer = app.test_client().post("/login/ada")
        assert answer.status_code == 503
        assert answer.headers["Access-Control-Allow-Origin"] == "*"

    def test_what_the_view_opened_is_closed(self, without_server):
        """An answer that is not sent is closed all the same."""
        app, _ = without_server()
        closed, kept = [], []

        @app.get("/report")
        def report():
            session["seen"] = True

            def lines():
                try:
                    yield "line"
                    yield "line"
                finally:
                    closed.append(True)

            kept.append(lines())  # or the garbage collector would close it
            answer = app.response_class(kept[0])
            answer.call_on_close(lambda: closed.append("answer"))
            next(iter(answer.response))
            return answer

        with app.test_client().get("/report") as answer:
            assert answer.status_code == 503
        assert closed == ["answer", True] or closed == [True, "answer"]

    def test_a_handler_that_fails(self, without_server):
        """An error of the app's own handler is an internal server error."""
        app, visitor = without_server()

        @app.errorhandler(503)
        def page(error):
            return session["user"]

        logging.disable(logging.CRITICAL)
        try:
            assert visitor.get("/").status_code == 500
        finally:
            logging.disable(logging.NOTSET)

    def test_a_transaction_of_a_test(self, without_server):
        """In a test, ``session_transaction`` raises what a visitor would be told."""
        app, visitor = without_server()
        with pytest.raises(SessionUnavailable), visitor.session_transaction() as stored:
            stored["a"] = 1
        with (
            pytest.raises(SessionUnavailable),
            app.test_client().session_transaction() as stored,
        ):
            stored["a"] = 1


class TestReadOnly:
    def test_requests_go_on(self, without_server, caplog):
        """Visitors get an empty session, of which nothing is stored, and keep their cookies."""
        app, visitor = without_server(on_failure="read-only")
        app.add_url_rule("/state", view_func=lambda: str(session.is_read_only), endpoint="state")
        for path, method, text in (
            ("/", "GET", "nobody"),
            ("/state", "GET", "True"),
            ("/count", "GET", "1"),
            ("/count", "GET", "1"),
            ("/login/ada/for-long", "POST", "welcome"),
        ):
            answer = visitor.open(path, method=method)
            assert (answer.status_code, answer.text, cookies_set(answer)) == (200, text, [])
        assert session_id(visitor) == "some-id"
        assert "some-id" not in caplog.text
        assert len(caplog.records) == 2

    @pytest.mark.parametrize("path", ["/logout", "/new-id"])
    def test_what_must_not_seem_to_happen(self, without_server, path):
        """A logout or a new id cannot be had without the server: 503, and the cookie stays."""
        _, visitor = without_server(on_failure="read-only")
        answer = visitor.post(path)
        assert (answer.status_code, cookies_set(answer)) == (503, [])

    @pytest.mark.parametrize(
        "logout",
        [
            lambda: session.pop("user"),
            lambda: session.pop("user", None),
            lambda: session.__delitem__("user"),
        ],
        ids=["pop", "pop with a default", "del"],
    )
    def test_logout_by_taking_the_user_out(self, dead_port, logout):
        """The user's id cannot be taken out of a session that is elsewhere; other things can."""
        app = make_site(
            KT_CACHE_URL=f"kt://127.0.0.1:{dead_port}",
            KT_SESSION_OPTIONS={"on_failure": "read-only"},
            KT_SESSION_USER_KEY="user",
        )
        KTSession(app)
        app.add_url_rule("/bye", view_func=lambda: str(logout()), endpoint="bye")
        app.add_url_rule("/less", view_func=lambda: str(session.pop("cart", 0)), endpoint="less")
        visitor = app.test_client()
        visitor.set_cookie("session", "some-id")
        answer = visitor.get("/bye")
        assert (answer.status_code, cookies_set(answer)) == (503, [])
        assert visitor.get("/less").text == "0"

    def test_who_is_remembered(self, dead_port, caplog):
        """Flask-Login may put a user into the empty session: that holds for the request alone."""
        app = make_site(
            KT_CACHE_URL=f"kt://127.0.0.1:{dead_port}",
            KT_SESSION_OPTIONS={"on_failure": "read-only"},
            KT_SESSION_USER_KEY="user",
        )
        KTSession(app)

        @app.before_request
        def remember():
            session["user"] = "ada"

        visitor = app.test_client()
        visitor.set_cookie("session", "some-id")
        answer = visitor.get("/")
        assert (answer.status_code, answer.text, cookies_set(answer)) == (200, "ada", [])
        assert answer.cache_control.no_store
        assert "what was changed in them is lost" in caplog.text

    def test_logout_while_the_server_is_there(self, included_server):
        """Taking the user's id out logs out as ever."""
        app = make_site(KT_CACHE_URL=url_of(included_server), KT_SESSION_USER_KEY="user")
        KTSession(app)
        app.add_url_rule("/bye", view_func=lambda: session.pop("user"), endpoint="bye")
        visitor = app.test_client()
        visitor.post("/login/ada")
        assert visitor.get("/bye").text == "ada"
        assert visitor.get("/").text == "nobody"

    def test_no_cache_keeps_the_page(self, without_server):
        """A page that shows a visitor as a stranger is not stored by caches; others may be."""
        app, visitor = without_server(on_failure="read-only")

        @app.get("/cached")
        def cached():
            answer = app.make_response(str("user" in session))
            answer.cache_control.max_age = 60
            return answer

        assert visitor.get("/").cache_control.no_store
        assert visitor.get("/count").cache_control.no_store
        assert visitor.get("/cached").cache_control.no_store
        assert "Cache-Control" not in visitor.get("/about").headers

    def test_new_visitors(self, without_server):
        """A session that begins cannot be stored: nobody is told that it was."""
        app, _ = without_server(on_failure="read-only")
        stranger = app.test_client()
        assert stranger.get("/").text == "nobody"
        answer = stranger.post("/login/ada")
        assert (answer.status_code, cookies_set(answer)) == (503, [])

    def test_flash_and_show(self, without_server):
        """What is put into the session and taken out again in one request ends no session."""
        app, visitor = without_server(on_failure="read-only")

        @app.get("/flash")
        def put_and_take():
            session["message"] = "hello"
            return session.pop("message")

        answer = visitor.get("/flash")
        assert (answer.text, cookies_set(answer)) == ("hello", [])

    def test_all_is_back(self, stopping_server: EmbeddedServer):
        """When the server is back everybody is logged in as before."""
        app = make(url_of(stopping_server), on_failure="read-only")
        visitor = app.test_client()
        visitor.post("/login/ada/for-long")
        stopping_server.stop()
        assert visitor.get("/").text == "nobody"
        assert visitor.get("/count").text == "1"
        stopping_server.run()
        assert (visitor.get("/").text, visitor.get("/count").text) == ("ada", "1")
        assert len(records(stopping_server.client)) == 1

    def test_it_fails_later(self, faulty, fault_proxy):
        """A session that was loaded and cannot be stored: the page is served, the cookie stays."""
        _, visitor = faulty
        app = make(
            f"kt://127.0.0.1:{fault_proxy.port}",
            on_failure="read-only",
            read_timeout=0.3,
            call_timeout=1,
        )

        @app.get("/buy")
        def buy():
            session["cart"] = ["book"]
            fault_proxy.stall()
            return "bought"

        same = app.test_client()
        same.set_cookie("session", session_id(visitor))
        answer = same.get("/buy")
        assert (answer.status_code, answer.text, cookies_set(answer)) == (200, "bought", [])
        fault_proxy.restore()
        assert same.get("/").text == "ada"
