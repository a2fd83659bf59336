"""What visitors see while the store of the sessions is down, slow, or restarted."""

from __future__ import annotations

import logging
import time

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches
from django.test import AsyncClient, Client

from kt_cache import EmbeddedServer
from kt_cache.cache.base import PROTECTED_PREFIX
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.django import sessions_of
from kt_cache.django.sessions import SessionStore
from kt_cache.errors import ReadTimeout, SessionUnavailable
from kt_cache.testing import FaultProxy
from tests.django.backends import OutageAfterTheView
from tests.django.conftest import BACKEND
from tests.django.test_session_requests import DJANGOS, OURS, AsyncVisitor, cookie_of, data_of
from tests.support.failing import dead_port, own

__all__ = ["dead_port"]

NAME = "sessionid"
READS = "tests.django.backends.ReadsSession"
AFTER = "tests.django.backends.OutageAfterTheView"
COMMON = "django.middleware.common.CommonMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.fixture(params=[Client, AsyncVisitor], ids=["WSGI", "ASGI"])
def new_visitor(request, session_site):
    session_site.MIDDLEWARE = [OURS]
    return request.param


def restarted(visitor):
    """Return the same browser, before a site that has been started anew."""
    same = type(visitor)()
    same.cookies["sessionid"] = cookie_of(visitor)
    return same


@pytest.fixture
def visitor(new_visitor):
    """A browser with a session, {"a": "1"}."""
    visitor = new_visitor()
    visitor.get("/put?key=a&value=1")
    return visitor


def at(port, **options):
    """Return CACHES for a server at a port."""
    return {
        "default": {
            "BACKEND": BACKEND,
            "LOCATION": f"127.0.0.1:{port}",
            "OPTIONS": own(**options),
        }
    }


@pytest.fixture
def down(session_site, dead_port):
    """Call it to have the server gone."""

    def go():
        session_site.CACHES = at(dead_port, connect_timeout=0.3)

    return go


def only_for_sessions(fail, call):
    """Return a method of the store that does one thing for sessions and another for the rest."""
    return lambda store, key, *args: (
        fail() if key.startswith(PROTECTED_PREFIX) else call(store, key, *args)
    )


@pytest.fixture
def read_only(session_site):
    session_site.KT_SESSIONS = {"on_failure": "read-only"}


class TestRaise:
    @pytest.mark.parametrize(
        "path", ["/show", "/put?key=a&value=2", "/login", "/logout", "/put?key=a&value=2"]
    )
    def test_503(self, visitor, down, path, caplog):
        """A request that needs its session is answered with 503, and keeps its cookie."""
        before = cookie_of(visitor)
        down()
        response = visitor.get(path)
        assert response.status_code == 503
        assert response["Retry-After"] == "5"
        assert "no-store" in response["Cache-Control"]
        assert NAME not in response.cookies
        assert before not in caplog.text
        assert "requests are refused" in caplog.text

    def test_new_visitor(self, new_visitor, down):
        """So is one whose new session cannot be stored; one that uses no session is served."""
        down()
        response = new_visitor().get("/put?key=a&value=1")
        assert response.status_code == 503
        assert NAME not in response.cookies
        assert Client().get("/numbered").status_code == 200

    def test_slow(self, visitor, session_site, any_server):
        """A server that does not answer is one that is down, after the read timeout."""
        with FaultProxy(any_server.port, any_server.host) as proxy:
            session_site.CACHES = at(proxy.port, read_timeout=0.6)
            assert data_of(visitor) == {"a": "1"}
            proxy.stall()
            began = time.monotonic()
            assert visitor.get("/show").status_code == 503
            assert time.monotonic() - began < 3
            proxy.restore()
            assert data_of(visitor) == {"a": "1"}
            caches["default"].client.close_all()

    def test_djangos_middleware(self, visitor, down, session_site):
        """With Django's own middleware it is an error page, and the cookie stays."""
        session_site.MIDDLEWARE = [DJANGOS]
        down()
        with pytest.raises(SessionUnavailable):
            restarted(visitor).get("/show")

    @pytest.mark.parametrize("on_failure", ["raise", "read-only"])
    @pytest.mark.parametrize("inner", ["own", "csrf"])
    def test_other_middleware(self, new_visitor, down, session_site, inner, on_failure):
        """Middleware may ask for the session before the view, and the error page may, too."""
        session_site.KT_SESSIONS = {"on_failure": on_failure}
        session_site.MIDDLEWARE = [OURS, COMMON, CSRF if inner == "csrf" else READS]
        session_site.CSRF_USE_SESSIONS = inner == "csrf"
        visitor = new_visitor()
        getattr(visitor, "_client", visitor).raise_request_exception = False
        assert visitor.get("/put?key=a&value=1").status_code == 200
        before = cookie_of(visitor)
        down()
        logging.disable(logging.CRITICAL)
        try:
            response = visitor.get("/unknown")
        finally:
            logging.disable(logging.NOTSET)
        assert response.status_code == (503 if on_failure == "raise" else 404)
        assert "no-store" in response["Cache-Control"]
        assert NAME not in response.cookies
        assert cookie_of(visitor) == before

    def test_errors_after_a_failure(self, visitor, session_site, monkeypatch):
        """A failure that is over is not what a later error of the site is answered with."""
        session_site.MIDDLEWARE = [OURS, "tests.django.backends.ReadsSessionAgain"]
        visitor = restarted(visitor)
        getattr(visitor, "_client", visitor).raise_request_exception = False
        get_record = KyotoStore.get_record

        def fail_once(store, key):
            monkeypatch.setattr(KyotoStore, "get_record", get_record)
            raise ReadTimeout("no reply")

        monkeypatch.setattr(KyotoStore, "get_record", fail_once)
        logging.disable(logging.CRITICAL)
        try:
            response = visitor.get("/put")
        finally:
            logging.disable(logging.NOTSET)
        assert KyotoStore.get_record is get_record
        assert response.status_code == 500

    def test_other_errors(self, visitor, session_site):
        """A site's own errors stay what they are, while the store works."""
        session_site.MIDDLEWARE = [OURS, READS]
        visitor = restarted(visitor)
        getattr(visitor, "_client", visitor).raise_request_exception = False
        logging.disable(logging.CRITICAL)
        try:
            response = visitor.get("/put")
        finally:
            logging.disable(logging.NOTSET)
        assert response.status_code == 500

    def test_own_page(self, visitor, down, session_site):
        """A site's template 503.html is the answer, if there is one."""
        pages = {"503.html": "<h1>Back soon</h1>"}
        session_site.TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", pages)]},
            }
        ]
        down()
        response = visitor.get("/show")
        assert (response.status_code, response.content) == (503, b"<h1>Back soon</h1>")
        assert response["Content-Type"].startswith("text/html")

    def test_own_answer(self, visitor, down, session_site):
        """A site may have an answer of its own."""
        session_site.MIDDLEWARE = ["tests.django.backends.OwnSessionMiddleware"]
        down()
        response = restarted(visitor).get("/show")
        assert (response.status_code, response.content) == (503, b"back soon")


@pytest.mark.usefixtures("read_only")
class TestReadOnly:
    def test_served(self, visitor, down, session_site, caplog):
        """Pages are served with an empty session, the cookie stays, and so does the session."""
        before, working = cookie_of(visitor), session_site.CACHES
        down()
        for _ in range(3):
            response = visitor.get("/show")
            assert (response.status_code, response.json()) == (200, {})
            assert response["Vary"] == "Cookie"
            assert "no-store" in response["Cache-Control"]
            response = visitor.get("/put?key=a&value=2")
            assert response.status_code == 200
            assert "no-store" in response["Cache-Control"]
            assert NAME not in response.cookies
        assert len([line for line in caplog.records if line.name == "kt_cache.sessions"]) == 2
        assert before not in caplog.text
        session_site.CACHES = working
        assert data_of(visitor) == {"a": "1"}
        assert cookie_of(visitor) == before

    def test_every_request(self, visitor, down, session_site):
        """SESSION_SAVE_EVERY_REQUEST changes nothing about that."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        down()
        response = visitor.get("/show")
        assert (response.status_code, response.json()) == (200, {})
        assert NAME not in response.cookies

    def test_new_visitor(self, new_visitor, down):
        """A visitor without a session gets no cookie, as there is nothing behind it."""
        down()
        response = new_visitor().get("/put?key=a&value=1")
        assert response.status_code == 200
        assert NAME not in response.cookies

    @pytest.mark.parametrize("path", ["/login", "/become"])
    def test_fails_behind_the_view(self, new_visitor, session_site, any_server, monkeypatch, path):
        """A login whose session cannot be stored is none, though the view could do its part."""
        session_site.MIDDLEWARE = [OURS, AFTER]
        with FaultProxy(any_server.port, any_server.host) as proxy:
            session_site.CACHES = at(proxy.port, connect_timeout=0.3, read_timeout=0.6)
            visitor = new_visitor()
            visitor.get("/put?key=a&value=1")
            monkeypatch.setattr(OutageAfterTheView, "begin", staticmethod(proxy.stall))
            response = visitor.get(path)
            assert response.status_code == 503
            assert NAME not in response.cookies
            proxy.restore()
            caches["default"].client.close_all()

    @pytest.mark.parametrize("path", ["/become", "/leave"])
    def test_the_session_alone_is_not_written(self, new_visitor, session_site, monkeypatch, path):
        """Nor is it if one slow reply is all that fails: nobody is in no list while logged in."""
        session_site.MIDDLEWARE = [OURS, AFTER]
        visitor = new_visitor()
        visitor.get("/put?key=a&value=1" if path == "/become" else "/become")
        before = data_of(visitor)

        def fail():
            raise ReadTimeout("no reply")

        def begin():
            for name in ("swap_record", "aswap_record"):
                call = getattr(KyotoStore, name)
                monkeypatch.setattr(KyotoStore, name, only_for_sessions(fail, call))

        monkeypatch.setattr(OutageAfterTheView, "begin", staticmethod(begin))
        response = visitor.get(path)
        monkeypatch.undo()
        assert response.status_code == 503
        assert NAME not in response.cookies
        assert data_of(visitor) == before
        assert len(sessions_of("7")) == (path == "/leave")

    def test_change_behind_the_view(self, new_visitor, session_site, any_server, monkeypatch):
        """What else the view has changed is lost; no cache keeps the answer that says it is not."""
        session_site.MIDDLEWARE = [OURS, AFTER]
        with FaultProxy(any_server.port, any_server.host) as proxy:
            session_site.CACHES = at(proxy.port, connect_timeout=0.3, read_timeout=0.6)
            visitor = new_visitor()
            visitor.get("/put?key=a&value=1")
            monkeypatch.setattr(OutageAfterTheView, "begin", staticmethod(proxy.stall))
            response = visitor.get("/put?key=a&value=2")
            assert response.status_code == 200
            assert "no-store" in response["Cache-Control"]
            assert NAME not in response.cookies
            proxy.restore()
            caches["default"].client.close_all()

    @pytest.mark.parametrize("path", ["/login", "/logout", "/become"])
    def test_what_must_not_be_pretended(self, visitor, down, path):
        """Nobody is told to be logged in, or out, who is not."""
        down()
        assert visitor.get(path).status_code == 503

    def test_login_of_a_session_that_was_not_loaded(self, site, visitor, down, session_site):
        """A session that could not be loaded gets no new id, even if the server is back."""
        key, working = cookie_of(visitor), session_site.CACHES
        down()
        session = SessionStore(key)
        assert session.get("a") is None
        assert session.is_read_only
        session_site.CACHES = working
        for call in (session.cycle_key, async_to_sync(session.acycle_key)):
            with pytest.raises(SessionUnavailable):
                call()
        assert session.session_key == key
        assert SessionStore(key)["a"] == "1"

    def test_djangos_middleware(self, visitor, down, session_site):
        """With Django's own middleware a visitor with a cookie keeps it, too."""
        session_site.MIDDLEWARE = [DJANGOS]
        before = cookie_of(visitor)
        down()
        visitor = restarted(visitor)
        assert visitor.get("/show").json() == {}
        visitor.get("/put?key=a&value=2")
        assert cookie_of(visitor) == before


@pytest.mark.parametrize("new_visitor", [Client, AsyncVisitor])
def test_restarted_in_the_middle_of_a_login(settings, new_visitor, tmp_path):
    """Who logs in while the server restarts tries again, and has lost nothing."""
    settings.SESSION_ENGINE = "kt_cache.django.sessions"
    settings.ROOT_URLCONF = "tests.django.urls"
    settings.MIDDLEWARE = [OURS]
    file = str(tmp_path / "sessions.sqlite")
    with EmbeddedServer("included", database=file, quiet=True) as server:
        settings.CACHES = at(server.port)
        visitor = new_visitor()
        visitor.get("/put?key=cart&value=full")
        port, before = server.port, cookie_of(visitor)
    assert visitor.get("/login").status_code == 503
    assert cookie_of(visitor) == before
    with EmbeddedServer("included", database=file, quiet=True, port=port):
        assert visitor.get("/login").status_code == 200
        assert cookie_of(visitor) != before
        assert data_of(visitor) == {"cart": "full", "user": 7}
        caches["default"].client.close_all()


def test_asgi_without_our_middleware(session_site, dead_port):
    """The engine's a-methods raise the same error."""
    session_site.CACHES = at(dead_port, connect_timeout=0.3)
    session_site.MIDDLEWARE = [DJANGOS]
    client = AsyncClient()
    client.cookies[NAME] = "a" * 32
    with pytest.raises(SessionUnavailable):
        async_to_sync(client.get)("/ashow")
