"""Requests at the same time, seldom writes, foreign cookies: sessions in a browser."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches
from django.core.checks.registry import CheckRegistry
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client
from django.utils import timezone

from kt_cache.django.apps import KTCacheConfig
from kt_cache.django.session_checks import check_sessions
from kt_cache.django.sessions import SessionStore
from kt_cache.errors import SessionConflict
from kt_cache.sessions import SessionStore as Records
from tests.django.conftest import BACKEND
from tests.django.session_tools import TWO_WEEKS, ends, made
from tests.support.recording import read_request
from tests.support.threads import run_threads

ENGINES = ["kt_cache.django.sessions", "kt_cache.django.sessions_cached_db"]
OURS = "kt_cache.django.session_middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"

pytestmark = pytest.mark.django_db(transaction=True)


class AsyncVisitor:
    """A browser whose requests are served under ASGI, by the views whose names begin with an a."""

    def __init__(self) -> None:
        self._client = AsyncClient()
        self.cookies = self._client.cookies

    def get(self, path: str):
        path = path.replace("=/", "=/a")
        return async_to_sync(self._client.get)(f"/a{path[1:]}")


@pytest.fixture(params=ENGINES, ids=["store alone", "database too"])
def engine(request, session_site):
    session_site.SESSION_ENGINE = request.param
    return request.param


@pytest.fixture(
    params=[(Client, DJANGOS), (Client, OURS), (AsyncVisitor, DJANGOS), (AsyncVisitor, OURS)],
    ids=["WSGI, Django's", "WSGI", "ASGI, Django's", "ASGI"],
)
def new_visitor(request, session_site):
    """Make a browser; with either middleware, under WSGI and ASGI."""
    kind, middleware = request.param
    session_site.MIDDLEWARE = [middleware]
    return kind


@pytest.fixture
def visitor(new_visitor):
    return new_visitor()


def cookie_of(visitor):
    return visitor.cookies["sessionid"].value


def data_of(visitor):
    return visitor.get("/show").json()


@pytest.mark.usefixtures("engine")
class TestAtTheSameTime:
    def test_different_keys(self, visitor):
        """Two requests at the same time that change different keys both keep their changes."""
        visitor.get("/put?key=a&value=1")
        visitor.get("/put-slowly?key=b&value=2&meanwhile=/put%3Fkey=c%26value=3")
        assert data_of(visitor) == {"a": "1", "b": "2", "c": "3"}

    def test_same_key(self, visitor):
        """Of two changes of the same key the later one counts."""
        visitor.get("/put?key=a&value=1")
        visitor.get("/put-slowly?key=a&value=2&meanwhile=/put%3Fkey=a%26value=3")
        assert data_of(visitor) == {"a": "2"}

    def test_logged_out_meanwhile(self, visitor, session_site):
        """A session that was ended while a slow request ran does not come back; it gets a 400."""
        visitor.get("/put?key=a&value=1")
        key = cookie_of(visitor)
        logging.disable(logging.CRITICAL)
        try:
            response = visitor.get("/put-slowly?key=b&value=2&meanwhile=/logout")
        finally:
            logging.disable(logging.NOTSET)
        assert response.status_code == 400
        assert data_of(visitor) == {}
        store = caches["default"].store
        assert store.keys(b"") == []
        assert not SessionStore().exists(key)

    def test_logged_in_meanwhile(self, visitor):
        """Neither does one that went over to another id."""
        visitor.get("/put?key=a&value=1")
        logging.disable(logging.CRITICAL)
        try:
            response = visitor.get("/put-slowly?key=b&value=2&meanwhile=/login")
        finally:
            logging.disable(logging.NOTSET)
        assert response.status_code == 400
        assert len(caches["default"].store.keys(b"")) == 1


def in_a_day():
    return timezone.now() + timedelta(days=1)


EXPIRIES = [(30 * 86_400, 30 * 86_400), (100, 100), (timedelta(seconds=100), 100)]
EXPIRIES += [(in_a_day, 86_400), (None, TWO_WEEKS)]


@pytest.mark.usefixtures("session_site")
class TestLifetime:
    """A session has the time that is in it, whichever of two requests has put it there."""

    @pytest.fixture(params=["blocking", "asyncio"])
    def call(self, request):
        if request.param == "blocking":
            return lambda session, name: getattr(session, name)()
        return lambda session, name: async_to_sync(getattr(session, "a" + name))()

    @pytest.mark.parametrize(("expiry", "seconds"), EXPIRIES)
    @pytest.mark.parametrize(
        ("engine", "name"),
        [(ENGINES[0], "save"), (ENGINES[0], "cycle_key"), (ENGINES[1], "save")],
    )
    def test_set_by_another_request(self, engine, call, expiry, seconds, name):
        """Saving a session, or giving it a new id, keeps what others have set meanwhile."""
        engine_class = import_module(engine).SessionStore
        first = engine_class()
        first["a"] = 1
        first.set_expiry(7_000)
        first.create()
        slow, other = engine_class(first.session_key), engine_class(first.session_key)
        slow["a"] = 2
        other.set_expiry(expiry() if callable(expiry) else expiry)
        other.save()
        call(slow, name)
        assert seconds - 60 < ends(slow.session_key) <= seconds + 2
        assert seconds - 60 < slow.get_expiry_age() <= seconds
        assert slow["a"] == 2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "new_visitor",
    [(Client, OURS), (AsyncVisitor, OURS)],
    ids=["WSGI", "ASGI"],
    indirect=True,
)
class TestCookie:
    """The cookie lives as long as the session, whichever of two requests has said how long."""

    def test_shortened_meanwhile(self, visitor):
        visitor.get("/put?key=a&value=1")
        meanwhile = "/put-slowly?key=b&value=2&meanwhile=/set-expiry%3Fvalue=100"
        assert visitor.get(meanwhile).cookies["sessionid"]["max-age"] == 100

    def test_until_the_browser_is_closed(self, visitor):
        visitor.get("/put?key=a&value=1")
        meanwhile = "/put-slowly?key=b&value=2&meanwhile=/set-expiry%3Fvalue=0"
        assert visitor.get(meanwhile).cookies["sessionid"]["max-age"] == ""


class TestModes:
    def test_last_write(self, session_site):
        """The whole session is as the later save has it."""
        session_site.KT_SESSIONS = {"mode": "last-write"}
        visitor = Client()
        visitor.get("/put?key=a&value=1")
        visitor.get("/put-slowly?key=b&value=2&meanwhile=/put%3Fkey=c%26value=3")
        assert data_of(visitor) == {"a": "1", "b": "2"}

    def test_error(self, session_site):
        """A request that changed what another one has changed fails, and stores nothing."""
        session_site.KT_SESSIONS = {"mode": "error"}
        visitor = Client()
        visitor.get("/put?key=a&value=1")
        visitor.get("/put-slowly?key=b&value=2&meanwhile=/put%3Fkey=c%26value=3")
        with pytest.raises(SessionConflict, match="'a'"):
            visitor.get("/put-slowly?key=a&value=2&meanwhile=/put%3Fkey=a%26value=3")
        assert data_of(visitor) == {"a": "3", "b": "2", "c": "3"}

    @pytest.mark.parametrize("new_visitor", [Client, AsyncVisitor], ids=["WSGI", "ASGI"])
    @pytest.mark.parametrize("saved_by", ["the middleware", "the view"])
    def test_error_with_our_middleware(self, session_site, new_visitor, saved_by):
        """There it is a 409, whoever saves the session."""
        session_site.KT_SESSIONS = {"mode": "error"}
        session_site.MIDDLEWARE = [OURS]
        visitor = new_visitor()
        visitor.get("/put?key=a&value=1")
        save = "&save=1" if saved_by == "the view" else ""
        response = visitor.get(f"/put-slowly?key=a&value=2&meanwhile=/put%3Fkey=a%26value=3{save}")
        assert response.status_code == 409
        assert "no-store" in response["Cache-Control"]
        assert "sessionid" not in response.cookies
        assert data_of(visitor) == {"a": "3"}

    def test_nothing_is_lost(self, session_site):
        """Of 8 threads that count in keys of their own in one session none loses a count."""
        key = made()

        def work(me):
            for number in range(25):
                session = SessionStore(key)
                session[f"by {me}"] = session.get(f"by {me}", 0) + 1
                session.save()
                assert session[f"by {me}"] == number + 1

        run_threads(8, work)
        assert dict(SessionStore(key).items()) == {f"by {me}": 25 for me in range(8)}

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"mod": "merge"}, "KT_SESSIONS: unknown option 'mod'; did you mean 'mode'"),
            (
                {"mode": "meerge"},
                "KT_SESSIONS: mode: unknown choice 'meerge'; did you mean 'merge'",
            ),
            ({"touch_after": 7}, "KT_SESSIONS: touch_after must be"),
            ({"on_failure": "readonly"}, "did you mean 'read-only'"),
            (["mode"], "KT_SESSIONS: session options are a dictionary"),
        ],
    )
    def test_wrong_settings(self, session_site, given, message):
        """What is not understood is told when the site starts, with the nearest right name."""
        session_site.KT_SESSIONS = given
        session_site.MIDDLEWARE = [OURS]
        for start in (
            SessionStore,
            Client().handler.load_middleware,
            KTCacheConfig.create("kt_cache.django").ready,
        ):
            with pytest.raises(ImproperlyConfigured, match="KT_SESSIONS") as caught:
                start()
            assert message in str(caught.value)

    def test_checks(self, session_site, monkeypatch):
        """Read-only sessions are warned of with Django's middleware; the app registers that."""
        session_site.KT_SESSIONS = {"on_failure": "read-only"}
        (warning,) = check_sessions(None)
        assert warning.id == "kt_cache.W004"
        assert OURS in warning.hint
        session_site.MIDDLEWARE = [OURS]
        assert check_sessions(None) == []
        registry = CheckRegistry()
        monkeypatch.setattr("kt_cache.django.apps.register", registry.register)
        KTCacheConfig.create("kt_cache.django").ready()
        assert check_sessions in registry.get_checks()


def commands(proxy):
    """Return the commands that were sent, and forget them."""
    names = [read_request(request)[0].command for request in proxy.requests]
    proxy.forget()
    return names


class TestTrips:
    @pytest.fixture
    def recorded(self, session_site, recorded_site):
        """A site behind a recording proxy."""
        yield recorded_site
        caches["default"].client.close_all()

    def test_requests(self, recorded, visitor):
        """A request loads once and saves once; one that does not use the session does neither."""
        visitor.get("/put?key=a&value=1")
        assert commands(recorded) == ["cas"]
        visitor.get("/put?key=a&value=2")
        assert commands(recorded) == ["get_bulk", "cas"]
        visitor.get("/show")
        assert commands(recorded) == ["get_bulk"]
        Client().get("/numbered")
        assert commands(recorded) == []

    def test_save_every_request(self, recorded, visitor, session_site):
        """With SESSION_SAVE_EVERY_REQUEST what is read only is written when a tenth is over."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        visitor.get("/put?key=a&value=1")
        key = cookie_of(visitor)
        recorded.forget()
        for _ in range(2):
            visitor.get("/show")
            assert commands(recorded) == ["get_bulk"]
            assert cookie_of(visitor) == key
        caches["default"].store.touch(Records.record_key(key), TWO_WEEKS * 0.89)
        recorded.forget()
        for sent in (["get_bulk", "cas"], ["get_bulk"]):
            visitor.get("/show")
            assert commands(recorded) == sent
        assert abs(ends(key) - TWO_WEEKS) < 60

    def test_touch_after(self, recorded, visitor, session_site):
        """KT_SESSIONS["touch_after"] says after which part of its lifetime."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        session_site.KT_SESSIONS = {"touch_after": 0}
        visitor.get("/put?key=a&value=1")
        recorded.forget()
        visitor.get("/show")
        assert commands(recorded) == ["get_bulk", "cas"]

    def test_own_expiry(self, recorded, session_site):
        """A session with an expiry of its own is renewed by that."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        visitor = Client()
        visitor.get("/set-expiry?value=1000")
        key = cookie_of(visitor)
        caches["default"].store.touch(Records.record_key(key), 950)
        recorded.forget()
        visitor.get("/whoami")
        assert commands(recorded) == ["get_bulk"]
        caches["default"].store.touch(Records.record_key(key), 850)
        visitor.get("/whoami")
        assert abs(ends(key) - 1_000) < 5

    def test_changed_inside(self, recorded, session_site):
        """With SESSION_SAVE_EVERY_REQUEST a change inside of a value is saved, too."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        key = made(cart=[1])
        session = SessionStore(key)
        session["cart"].append(2)
        session.save()
        assert SessionStore(key)["cart"] == [1, 2]

    def test_login(self, recorded, visitor):
        """A login makes a new record, takes the old one away, and saves."""
        visitor.get("/put?key=a&value=1")
        recorded.forget()
        visitor.get("/login")
        assert commands(recorded) == ["get_bulk", "cas", "seize", "cas"]


@pytest.mark.usefixtures("engine")
class TestForeignCookies:
    @pytest.mark.parametrize("every_request", [True, False])
    def test_fixation(self, visitor, session_site, every_request):
        """An id that somebody made up is never taken over, at a login neither."""
        session_site.SESSION_SAVE_EVERY_REQUEST = every_request
        visitor.cookies["sessionid"] = made_up = "a" * 32
        visitor.get("/show")
        visitor.get("/put?key=a&value=1")
        assert cookie_of(visitor) != made_up
        visitor.get("/login")
        assert cookie_of(visitor) != made_up
        assert not SessionStore().exists(made_up)

    def test_on_pages_without_a_session(self, new_visitor, session_site):
        """With SESSION_SAVE_EVERY_REQUEST an unknown cookie is nobody's fault on any page."""
        session_site.SESSION_SAVE_EVERY_REQUEST = True
        session_site.MIDDLEWARE = [OURS]
        visitor = new_visitor()
        visitor.cookies["sessionid"] = "a" * 32
        assert visitor.get("/numbered").status_code == 200
        assert caches["default"].store.keys(b"") == []

    def test_known_before_login(self, visitor):
        """An id that somebody else knew before the login is worth nothing afterwards."""
        visitor.get("/put?key=a&value=1")
        known = cookie_of(visitor)
        visitor.get("/login")
        assert cookie_of(visitor) != known
        assert not SessionStore().exists(known)
        assert data_of(visitor) == {"a": "1", "user": 7}

    def test_tampering(self, new_visitor):
        """A cookie that differs in a character opens nothing."""
        visitor, thief = new_visitor(), new_visitor()
        visitor.get("/put?key=a&value=1")
        key = cookie_of(visitor)
        for tampered in (key[:-1] + chr(ord(key[-1]) ^ 1), key.upper(), key + "0", key[1:]):
            thief.cookies["sessionid"] = tampered
            assert data_of(thief) == {}
        assert data_of(visitor) == {"a": "1"}

    @pytest.mark.parametrize("value", ["x" * 5_000, "\xe2\x98\x83", "%ff", "a;b", "../x", "a\tb"])
    def test_strange(self, visitor, value):
        """Whatever a browser sends, the answer is a page, and saving works with a new id."""
        visitor.cookies["sessionid"] = value
        assert data_of(visitor) == {}
        visitor.cookies["sessionid"] = value
        assert visitor.get("/put?key=a&value=1").status_code == 200
        assert data_of(visitor) == {"a": "1"}


def test_nothing_is_stored_for_unknown_cookies(session_site):
    """With our middleware a made-up cookie does not make a record, at every request neither."""
    session_site.MIDDLEWARE = [OURS]
    session_site.SESSION_SAVE_EVERY_REQUEST = True
    for new_visitor in (Client, AsyncVisitor):
        visitor = new_visitor()
        visitor.cookies["sessionid"] = "a" * 32
        response = visitor.get("/show")
        assert response.cookies["sessionid"].value == ""
        assert response["Vary"] == "Cookie"
    assert "Vary" not in Client().get("/numbered").headers
    assert caches["default"].client.count() == 0


class Threads:
    """An observer that keeps the threads in which calls are made."""

    def __init__(self):
        self.seen = set()

    def __call__(self, event):
        self.seen.add((event.operation, threading.get_ident()))


def test_no_thread_under_asgi(session_site, location):
    """With our middleware everything about a session happens in the event loop's thread."""
    threads = Threads()
    session_site.CACHES = {
        "default": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": {"observer": threads}}
    }
    session_site.MIDDLEWARE = [OURS]

    async def visit():
        client = AsyncClient()
        await client.get("/aput?key=a&value=1")
        await client.get("/alogin")
        await client.get("/aput?key=a&value=2")
        await client.get("/alogout")
        return threading.get_ident()

    done = []
    thread = threading.Thread(target=lambda: done.append(async_to_sync(visit)()))
    thread.start()
    thread.join(30)
    operations = ("get_record", "swap_record", "pop", "remove")
    assert threads.seen == {(name, done[0]) for name in operations}
