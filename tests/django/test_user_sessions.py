"""Listing and ending a user's sessions, with Django's own login and logout."""

from __future__ import annotations

import asyncio
import logging
import uuid

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client

import kt_cache.django
from kt_cache.cache.base import USER_PREFIX
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.django import (
    akill_session,
    akill_sessions,
    asessions_of,
    kill_session,
    kill_sessions,
    sessions_of,
)
from kt_cache.django.sessions import SessionStore
from kt_cache.errors import ConnectionClosed, KTError, SessionUnavailable
from tests.django.session_tools import made, without_index
from tests.django.test_session_requests import ENGINES
from tests.support.failing import dead_port
from tests.support.threads import run_threads

__all__ = ["dead_port"]

pytestmark = pytest.mark.django_db

both_engines = pytest.mark.parametrize(
    "site", ENGINES, indirect=True, ids=["store alone", "database too"]
)


@pytest.fixture(autouse=True)
def site(request, session_site):
    """A site with logins."""
    session_site.SESSION_ENGINE = getattr(request, "param", ENGINES[0])
    session_site.ROOT_URLCONF = "tests.django.user_urls"
    session_site.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    session_site.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return session_site


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada", password="engine")


@pytest.fixture
def bob(db):
    return get_user_model().objects.create_user("bob", password="builder")


def key_of(browser):
    """Return what a browser's session cookie holds."""
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


def browser_of(name, password):
    """Return a browser whose user has logged in with a password."""
    browser = Client()
    answer = browser.post("/login", {"name": name, "password": password})
    assert answer.content.decode() == f"welcome {name}"
    return browser


def who(browser):
    return browser.get("/who").content.decode()


@pytest.fixture(params=["blocking", "asyncio"])
def way(request):
    """Call a method of a session, or its twin on an event loop with the server's blocking calls."""
    if request.param == "blocking":
        return lambda session, name: getattr(session, name)()
    return lambda session, name: async_to_sync(getattr(session, "a" + name))()


def records():
    """Return the keys of all records on the server."""
    return caches["default"].store.keys(b"")


def run(coroutine):
    return asyncio.run(coroutine)


@both_engines
class TestTwoBrowsers:
    def test_list(self, ada, bob):
        """Each login is listed, with the caller's own marked, and those of others are not."""
        one, _two = browser_of("ada", "engine"), browser_of("ada", "engine")
        browser_of("bob", "builder")
        listed = sessions_of(ada, current=key_of(one))
        assert sorted(session.current for session in listed) == [False, True]
        assert len(sessions_of(bob)) == 1
        assert len(sessions_of(bob.pk)) == len(sessions_of(str(bob.pk))) == 1
        for session in listed:
            assert abs(session.last_seen - session.created).total_seconds() < 5
            assert (session.address, session.agent) == (None, None)

    def test_end_the_others(self, ada, bob):
        """The browser that ends the other sessions stays logged in, and so does the other user."""
        one, two, other = (
            browser_of("ada", "engine"),
            browser_of("ada", "engine"),
            browser_of("bob", "builder"),
        )
        assert [who(browser) for browser in (one, two, other)] == ["ada", "ada", "bob"]
        assert one.post("/kill-others").content == b"1"
        assert [who(browser) for browser in (one, two, other)] == ["ada", "nobody", "bob"]
        assert len(sessions_of(ada)) == 1

    def test_end_one(self, ada, bob):
        """One session is ended by its handle, by its own user only."""
        one, two = browser_of("ada", "engine"), browser_of("ada", "engine")
        (handle,) = (each.handle for each in sessions_of(ada, key_of(two)) if each.current)
        assert kill_session(bob, handle) is False
        assert kill_session(ada, handle) is True
        assert kill_session(ada, handle) is False
        assert [who(one), who(two)] == ["ada", "nobody"]

    def test_end_all(self, ada):
        """Whoever is logged out in this way can log in again."""
        browsers = [browser_of("ada", "engine") for _ in range(3)]
        assert kill_sessions(ada) == 3
        assert {who(browser) for browser in browsers} == {"nobody"}
        assert sessions_of(ada) == []
        again = browser_of("ada", "engine")
        assert who(again) == "ada"
        assert len(sessions_of(ada)) == 1

    def test_logout(self, ada):
        """Whoever has logged out is not listed; the last one takes everything along."""
        one, two = browser_of("ada", "engine"), browser_of("ada", "engine")
        one.post("/logout")
        (left,) = sessions_of(ada, key_of(two))
        assert left.current
        two.post("/logout")
        assert records() == []

    def test_one_session_at_a_time(self, ada):
        """A site that ends all other sessions at each login keeps the new one."""
        one = browser_of("ada", "engine")
        two = Client()
        two.post("/login", {"name": "ada", "password": "engine", "alone": "1"})
        assert [who(one), who(two)] == ["nobody", "ada"]
        assert len(sessions_of(ada)) == 1

    def test_visitor_before(self, ada):
        """A session that was there before the login is listed under the id it has afterwards."""
        browser = Client()
        browser.get("/visit")
        before = key_of(browser)
        browser.post("/login", {"name": "ada", "password": "engine"})
        assert key_of(browser) != before
        (session,) = sessions_of(ada, key_of(browser))
        assert session.current

    def test_another_user_in_the_same_browser(self, ada, bob):
        """Who logs in where somebody else is logged in ends that one's session."""
        browser = browser_of("ada", "engine")
        browser.post("/login", {"name": "bob", "password": "builder"})
        assert who(browser) == "bob"
        assert sessions_of(ada) == []
        assert [each.current for each in sessions_of(bob, key_of(browser))] == [True]

    def test_again_in_the_same_browser(self, ada):
        """A second login of the same user is the same session."""
        browser = browser_of("ada", "engine")
        browser.post("/login", {"name": "ada", "password": "engine"})
        assert len(sessions_of(ada)) == 1

    def test_password_change(self, ada):
        """Who changes the password goes on under a new id, as the session of the same login."""
        one, two = browser_of("ada", "engine"), browser_of("ada", "engine")
        first = {each.created for each in sessions_of(ada, key_of(one)) if each.current}
        old = key_of(one)
        assert one.post("/password", {"password": "difference"}).status_code == 200
        assert key_of(one) != old
        assert [who(one), who(two)] == ["ada", "nobody"]
        assert {each.created for each in sessions_of(ada, key_of(one)) if each.current} == first
        assert kill_sessions(ada, except_key=key_of(one)) <= 1
        assert who(one) == "ada"
        kill_sessions(ada)
        assert who(one) == "nobody"

    def test_force_login(self, ada):
        """Logins of Django's test client count, which send no form."""
        browser = Client()
        browser.force_login(ada)
        assert [each.current for each in sessions_of(ada, key_of(browser))] == [True]


class TestVisitors:
    def login(self, **headers):
        browser = Client(headers=headers)
        browser.post("/login", {"name": "ada", "password": "engine"}, REMOTE_ADDR="192.0.2.7")
        return browser

    def test_noted_if_wanted(self, site, ada):
        """Address and browser are kept where the site wants that, as they were at the login."""
        site.KT_SESSIONS = {"note_visitors": ["address", "agent"]}
        browser = self.login(user_agent="Lynx/2.8", x_forwarded_for="198.51.100.1")
        browser.get("/visit", REMOTE_ADDR="192.0.2.8")
        (session,) = sessions_of(ada)
        assert (session.address, session.agent) == ("192.0.2.7", "Lynx/2.8")
        browser.post("/password", {"password": "difference"}, REMOTE_ADDR="192.0.2.8")
        assert {each.address for each in sessions_of(ada, key_of(browser))} == {"192.0.2.7"}

    def test_not_noted(self, site, ada):
        """Without that nothing is kept; and with one of them not the other."""
        self.login(user_agent="Lynx/2.8")
        site.KT_SESSIONS = {"note_visitors": ["agent"]}
        self.login(user_agent="Lynx/2.8")
        noted = {(session.address, session.agent) for session in sessions_of(ada)}
        assert noted == {(None, None), (None, "Lynx/2.8")}

    @pytest.mark.django_db(transaction=True)
    def test_async_login(self, site, ada):
        """Logins in async views are noted, too."""
        site.KT_SESSIONS = {"note_visitors": ["address"]}

        async def work():
            browser = AsyncClient()
            await browser.aforce_login(ada)
            return await asessions_of(ada)

        (session,) = run(work())
        assert session.address is None  # the test client comes from nowhere


class TestSlowRequests:
    def saved_too_late(self, path, ada):
        """Begin a request of Ada's, in which all of her sessions are ended."""
        browser = browser_of("ada", "engine")
        logging.disable(logging.CRITICAL)
        try:
            answer = browser.post(path)
        finally:
            logging.disable(logging.NOTSET)
        assert sessions_of(ada) == []
        assert [key for key in records() if not key.startswith(USER_PREFIX)] == []
        assert who(browser) == "nobody"
        return answer

    @both_engines
    def test_save(self, ada):
        """A request that saves a killed session is told so with 400, and revives nothing."""
        assert self.saved_too_late("/killed/save", ada).status_code == 400

    @both_engines
    def test_new_id(self, ada):
        """No killed session goes on under a new id."""
        assert self.saved_too_late("/killed/cycle", ada).status_code == 400

    @both_engines
    @pytest.mark.parametrize("is_loaded", [True, False])
    def test_logged_out(self, ada, is_loaded):
        """Nor does one that another tab has logged out, whether that has loaded it or not."""
        browser = browser_of("ada", "engine")
        path = "/ended/loaded" if is_loaded else "/ended/unloaded"
        logging.disable(logging.CRITICAL)
        try:
            answer = browser.post(path, {"password": "difference"})
        finally:
            logging.disable(logging.NOTSET)
        assert answer.status_code == 400
        assert who(browser) == "nobody"
        assert sessions_of(ada) == []
        assert [key for key in records() if not key.startswith(USER_PREFIX)] == []

    def test_logged_out_between_the_steps(self, ada, way):
        """A logout at the last moment before the new id is stored is not overtaken either."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session.load()
        key, store = session.session_key, session._records

        def log_out():
            other = SessionStore(key)
            other.load()
            other.flush()

        class Overtaken(type(store)):
            def _moving(self, *arguments):
                log_out()
                return super()._moving(*arguments)

        session._records = Overtaken(store.store, store.codec)
        with pytest.raises(SessionInterrupted, match="ended"):
            way(session, "cycle_key")
        assert session.session_key == key
        assert records() == []

    def test_killed_after_the_move(self, ada, way):
        """A kill that comes just after the new id was stored ends the session under that id."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session.load()
        store = session._records

        class Overtaken(type(store)):
            def _moving(self, *arguments):
                moved = yield from super()._moving(*arguments)
                kill_sessions(ada)
                return moved

        session._records = Overtaken(store.store, store.codec)
        with pytest.raises(SessionInterrupted, match="ended"):
            way(session, "cycle_key")
        assert records() == []

    def test_read(self, ada):
        """A request that only reads is answered; its session is gone all the same."""
        assert self.saved_too_late("/killed/read", ada).status_code == 200

    def test_login_overtaken(self, ada):
        """A login that is overtaken by a kill is not one."""
        session = SessionStore()
        session[SESSION_KEY] = str(ada.pk)
        store, users = session._records, session.users

        class Overtaken(type(store)):
            def create(self, session_id, *arguments):
                created = super().create(session_id, *arguments)
                users.kill_sessions(ada.pk)
                return created

        session._records = Overtaken(store.store, store.codec)
        with pytest.raises(SessionInterrupted, match="ended"):
            session.save()
        assert records() == []


class TestSession:
    def test_a_usual_request_asks_for_nothing_more(self, ada, recorded_site):
        """Reading and changing a logged-in session is one round trip each, as without the index."""
        browser = Client()
        browser.force_login(ada)
        before = len(recorded_site.requests)
        session = SessionStore(key_of(browser))
        assert session[SESSION_KEY] == str(ada.pk)
        assert len(recorded_site.requests) == before + 1
        session["more"] = 1
        session.save()
        assert len(recorded_site.requests) == before + 2

    def test_logins_and_logouts(self, ada, recorded_site):
        """Logins, new ids and logouts take the round trips that are documented."""

        def trips(call):
            before = recorded_site.trips
            call()
            return recorded_site.trips - before

        one, two = SessionStore(), SessionStore()
        for session in (one, two):
            session[SESSION_KEY] = str(ada.pk)
            assert trips(session.save) == 1 + 3
        assert trips(lambda: sessions_of(ada)) == 2
        assert trips(one.cycle_key) == 2 + 6
        assert trips(one.flush) == 1 + 2
        assert trips(two.flush) == 1 + 3
        three = SessionStore()
        three[SESSION_KEY] = str(ada.pk)
        three.save()
        assert trips(lambda: kill_sessions(ada)) == 5

    def test_no_user_no_index(self):
        """Sessions of visitors are in no index."""
        session = SessionStore()
        session["a"] = 1
        session.save()
        session.cycle_key()
        session["b"] = 1
        session.save()
        assert [key for key in records() if key.startswith(USER_PREFIX)] == []

    def test_cleared_without_a_look(self, ada):
        """A session that was cleared without having been loaded is nobody's from then on."""
        browser = browser_of("ada", "engine")
        session = SessionStore(key_of(browser))
        session.clear()
        session["cart"] = 1
        session.save()
        assert dict(SessionStore(key_of(browser)).items()) == {"cart": 1}
        assert sessions_of(ada) == []

    def test_created_once_more(self, ada, way):
        """Django's create() leaves the earlier session live, so both are listed."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        assert session[SESSION_KEY] == str(ada.pk)
        earlier = session.session_key
        way(session, "create")
        assert SessionStore().exists(earlier)
        assert len(sessions_of(ada)) == kill_sessions(ada) == 2
        assert records() == []

    def test_flushed_and_logged_in_again(self, ada, way):
        """Whoever ends a session may begin one of the same user in the same request."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session.load()
        way(session, "flush")
        session[SESSION_KEY] = str(ada.pk)
        way(session, "save")
        assert [each.current for each in sessions_of(ada, session.session_key)] == [True]

    def test_deleted(self, ada, way):
        """What stays in memory of a session that was ended is not taken for what is stored."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        assert session[SESSION_KEY] == str(ada.pk)
        assert not session.is_renewed
        way(session, "delete")
        assert session.is_renewed

    def test_flushed(self, ada, way):
        """A session that was ended leaves nothing in the index."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session.load()
        way(session, "flush")
        assert records() == []

    def test_new_id_though_the_index_fails_then(self, ada, way, monkeypatch):
        """A session that has its new id keeps it, also if the index still has the earlier one."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk), "cart": 1}))
        session.load()
        earlier, store = session.session_key, session._records

        class FailingThen(type(store)):
            def _moving(self, *arguments):
                moved = yield from super()._moving(*arguments)
                for name in ("swap_record", "aswap_record"):
                    monkeypatch.setattr(KyotoStore, name, fail)
                return moved

        def fail(*_):
            raise ConnectionClosed("gone")

        session._records = FailingThen(store.store, store.codec)
        way(session, "cycle_key")
        monkeypatch.undo()
        assert not SessionStore().exists(earlier)
        assert SessionStore(session.session_key)["cart"] == 1
        assert [each.current for each in sessions_of(ada, session.session_key)] == [True]

    def test_user_taken_out(self, ada):
        """A session that loses its user leaves the list and goes on."""
        browser = browser_of("ada", "engine")
        session = SessionStore(key_of(browser))
        del session[SESSION_KEY]
        session.save()
        assert sessions_of(ada) == []
        assert SessionStore().exists(key_of(browser))

    def test_new_id_for_others(self, ada, bob, way):
        """Who gets a new id with another user, or none, is in that one's list alone."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session[SESSION_KEY] = str(bob.pk)
        way(session, "cycle_key")
        assert sessions_of(ada) == []
        assert [each.current for each in sessions_of(bob, session.session_key)] == [True]
        del session[SESSION_KEY]
        way(session, "cycle_key")
        assert sessions_of(bob) == []
        assert SessionStore().exists(session.session_key)

    def test_new_id_of_a_cleared_session(self, ada, way):
        """A session that is cleared without being read leaves the list with its new id."""
        session = SessionStore(made(**{SESSION_KEY: str(ada.pk)}))
        session.clear()
        session["cart"] = 1
        way(session, "cycle_key")
        assert sessions_of(ada) == []
        assert dict(SessionStore(session.session_key).items()) == {"cart": 1}
        assert len(records()) == 1

    def test_lost_id(self, ada):
        """An id that is taken is an error, and puts nobody else's session into a list."""
        other = SessionStore()
        other["a"] = 1
        other.save()
        mine = SessionStore(other.session_key)
        mine._session_cache = {SESSION_KEY: str(ada.pk)}
        with pytest.raises(CreateError):
            mine.save(must_create=True)
        assert sessions_of(ada) == []
        assert SessionStore(other.session_key)["a"] == 1

    def test_clear_expired(self, ada):
        """What clearsessions calls leaves live sessions in the lists."""
        browser = browser_of("ada", "engine")
        SessionStore.clear_expired()
        run(SessionStore.aclear_expired())
        assert who(browser) == "ada"
        assert len(sessions_of(ada)) == 1

    def test_cleared_cache(self, ada):
        """``cache.clear()`` leaves the lists as it leaves the sessions."""
        browser_of("ada", "engine")
        caches["default"].clear()
        assert len(sessions_of(ada)) == 1

    def test_many_at_once(self, ada):
        """Eight who log in and out at once with the same account are all listed, or not."""

        def work(me):
            keys = []
            for _ in range(5):
                session = SessionStore()
                session[SESSION_KEY] = str(ada.pk)
                session.save()
                keys.append(session.session_key)
                session.cycle_key()
                if me % 2:
                    session.flush()
            return keys

        run_threads(8, work)
        assert len(sessions_of(ada)) == 20
        assert kill_sessions(ada) == 20
        assert records() == []

    @pytest.mark.parametrize(
        ("expiry", "is_known"), [(None, True), (500, True), (0, True), ("date", False)]
    )
    def test_last_seen(self, ada, expiry, is_known):
        """When a session was stored last is told by what it has left, whatever its lifetime."""
        browser = browser_of("ada", "engine")
        browser.get("/visit", {"expiry": expiry} if expiry is not None else {})
        (session,) = sessions_of(ada)
        age = (session.last_seen - session.created).total_seconds()
        assert 0 <= age < 10
        assert is_known or age == 0


class TestAsync:
    @both_engines
    @pytest.mark.django_db(transaction=True)
    def test_functions(self, ada):
        """The a-functions do what the others do."""
        one, two = browser_of("ada", "engine"), browser_of("ada", "engine")

        async def work():
            listed = await asessions_of(ada, key_of(one))
            assert sorted(each.current for each in listed) == [False, True]
            (handle,) = (each.handle for each in listed if not each.current)
            assert await akill_session(ada, handle)
            assert await akill_sessions(ada, except_key=key_of(one)) == 0
            return await asessions_of(ada)

        assert len(run(work())) == 1
        assert [who(one), who(two)] == ["ada", "nobody"]

    def test_session(self, ada):
        """A session's a-methods keep the list as the others do."""

        async def work():
            session = SessionStore()
            await session.aset(SESSION_KEY, str(ada.pk))
            await session.asave()
            first = session.session_key
            assert [each.current for each in await asessions_of(ada, first)] == [True]
            await session.acycle_key()
            listed = await asessions_of(ada, session.session_key)
            assert [each.current for each in listed] == [True]
            again = SessionStore(session.session_key)
            await again.aset("more", 1)
            await again.asave()
            assert await akill_sessions(ada) == 1
            await again.aset("more", 2)
            with pytest.raises(UpdateError):
                await again.asave()
            other = SessionStore()
            await other.aset(SESSION_KEY, str(ada.pk))
            await other.asave()
            await other.aflush()
            return await asessions_of(ada)

        assert run(work()) == []
        assert records() == []

    @both_engines
    @pytest.mark.django_db(transaction=True)
    def test_views(self, ada):
        """An async view sees and ends sessions; the test client sends to it over ASGI."""
        one = browser_of("ada", "engine")

        async def work():
            browser = AsyncClient()
            browser.cookies[django_settings.SESSION_COOKIE_NAME] = key_of(one)
            return (await browser.post("/akill-others")).content

        two = browser_of("ada", "engine")
        assert run(work()) == b"1"
        assert [who(one), who(two)] == ["ada", "nobody"]


class TestMistakes:
    @pytest.mark.parametrize("nobody", [AnonymousUser(), None, ""])
    def test_nobody(self, nobody):
        """Visitors without a user have no list; to ask for it is a mistake in the site."""
        for function in (sessions_of, kill_sessions):
            with pytest.raises(ValueError, match="whose sessions"):
                function(nobody)

    def test_unsaved_user(self):
        """Nor does a user who is not stored yet."""
        with pytest.raises(ValueError, match="whose sessions"):
            sessions_of(get_user_model()(username="new"))

    def test_other_engine(self, site):
        """With sessions elsewhere the functions say which setting is to be changed."""
        site.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE"):
            sessions_of(7)

    def test_keys_of_other_types(self):
        """A primary key may be given as it is, such as a UUID."""
        user = uuid.uuid4()
        session = SessionStore()
        session[SESSION_KEY] = str(user)
        session.save()
        assert len(sessions_of(user)) == 1

    def test_server_gone(self, site, ada):
        """Without the server it is an error, and no empty list."""
        backend = "kt_cache.django.KyotoTycoonCache"
        site.CACHES = {"default": {"BACKEND": backend, "LOCATION": "127.0.0.1:9"}}
        for function in (sessions_of, kill_sessions):
            with pytest.raises(KTError):
                function(ada)

    def test_index_gone(self, ada, way, dead_port):
        """If the index alone fails, so does the login, and the middleware is told of that, too."""
        session = without_index(SessionStore, dead_port)()
        session[SESSION_KEY] = str(ada.pk)
        with pytest.raises(SessionUnavailable):
            way(session, "save")
        assert session.failure is not None
        assert records() == []

    def test_index_gone_at_the_end(self, ada, way, dead_port):
        """Who is logged out is told so, though the index fails; the session is listed no more."""
        session = without_index(SessionStore, dead_port)(made(**{SESSION_KEY: str(ada.pk)}))
        session.load()
        key = session.session_key
        way(session, "flush")
        assert not SessionStore().exists(key)
        assert sessions_of(ada) == []

    def test_all_are_exported(self):
        """The functions are where the documentation has them."""
        names = ["sessions_of", "kill_sessions", "kill_session"]
        assert {*names, *("a" + name for name in names)} <= set(kt_cache.django.__all__)
