"""What becomes of visitors when a site changes its session engine, as the documentation has it."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from kt_cache.django import kill_sessions, sessions_of
from kt_cache.django.management.commands.kt_sessions import Command

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "kt_cache.django.sessions"
BOTH = "kt_cache.django.sessions_cached_db"
ROWS = "django.contrib.sessions.backends.db"
CACHED_ROWS = "django.contrib.sessions.backends.cached_db"
CACHE = "django.contrib.sessions.backends.cache"
COOKIES = "django.contrib.sessions.backends.signed_cookies"

STAYS = [(ROWS, BOTH), (CACHED_ROWS, BOTH), (BOTH, ROWS), (BOTH, CACHED_ROWS), (BOTH, OURS)]
LOGGED_OUT = [
    *((engine, OURS) for engine in (ROWS, CACHED_ROWS, CACHE, COOKIES)),
    *((OURS, engine) for engine in (ROWS, CACHED_ROWS, CACHE, COOKIES)),
    *((engine, BOTH) for engine in (CACHE, COOKIES)),
]


def flush_records():
    caches["default"].flush()


def clear_copies():
    caches["default"].clear()


def delete_rows():
    Session.objects.all().delete()


def restore():
    call_command(Command(), "restore", stdout=io.StringIO())


class Visitor:
    """Somebody with a browser, while the site changes."""

    def __init__(self, settings):
        self._settings = settings
        self._client = Client()

    def at(self, engine):
        """Go on with the same cookie at a site that was started anew."""
        self._settings.SESSION_ENGINE = engine
        cookies, self._client = self._client.cookies, Client()
        self._client.cookies = cookies
        return self

    def who(self):
        return self._client.get("/who").content.decode()

    def log_in(self):
        self._client.post("/login", {"name": "ada", "password": "engine"})
        return self

    def visit(self):
        """Change the session."""
        return self._client.get("/visit").status_code

    def visits(self):
        return self._client.session.get("visits", 0)

    def log_out(self):
        """Log out, and keep the cookie, as somebody does who has stolen it."""
        cookie = self.cookie
        self._client.post("/logout")
        self.cookie = cookie
        return self

    @property
    def cookie(self):
        return self._client.cookies["sessionid"].value

    @cookie.setter
    def cookie(self, value):
        self._client.cookies["sessionid"] = value


@pytest.fixture
def site(session_site):
    session_site.ROOT_URLCONF = "tests.django.user_urls"
    session_site.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    session_site.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return session_site


@pytest.fixture
def ada(site, db):
    return get_user_model().objects.create_user("ada", password="engine")


@pytest.fixture
def visitor(site, ada):
    return Visitor(site)


@pytest.mark.parametrize(("earlier", "later"), STAYS)
def test_who_stays(visitor, ada, earlier, later):
    """With these, visitors stay logged in, can change their sessions, and are listed by ours."""
    visitor.at(earlier).log_in().visit()
    assert visitor.at(later).who() == "ada"
    assert visitor.visit() == 200
    assert (visitor.who(), visitor.visits()) == ("ada", 2)
    if later in (OURS, BOTH):
        assert len(sessions_of(ada)) == 1
        kill_sessions(ada)
        assert visitor.who() == "nobody"


@pytest.mark.parametrize(("earlier", "later"), LOGGED_OUT)
def test_who_is_logged_out(visitor, earlier, later):
    """With these, visitors are logged out; who has been there is so after going back, too."""
    visitor.at(earlier).log_in()
    assert visitor.at(later).who() == "nobody"
    assert visitor.visit() == 200
    assert visitor.at(earlier).who() == "nobody"


@pytest.mark.parametrize("rows", [ROWS, CACHED_ROWS])
def test_by_way_of_both(visitor, ada, rows):
    """From rows to records alone: putting all back in between keeps everybody logged in."""
    visitor.at(rows).log_in().visit()
    visitor.at(BOTH)
    restore()
    assert len(sessions_of(ada)) == 1
    assert visitor.at(OURS).who() == "ada"
    assert visitor.visit() == 200
    assert visitor.visits() == 2


class TestAgain:
    """An engine that was in use before does not know what has happened since."""

    @pytest.mark.parametrize(
        ("first", "between", "remove"),
        [
            (BOTH, ROWS, flush_records),
            (BOTH, CACHED_ROWS, flush_records),
            (CACHED_ROWS, BOTH, clear_copies),
            (CACHED_ROWS, ROWS, clear_copies),
            (ROWS, BOTH, None),
            (ROWS, CACHED_ROWS, None),
        ],
    )
    def test_what_is_to_be_removed(self, visitor, first, between, remove):
        """Without that, an ended session is back and changes are lost; with it, neither is so."""
        visitor.at(first).log_in().visit()
        visitor.at(between).visit()
        if remove:
            assert visitor.at(first).visits() == 1
            remove()
        assert visitor.at(first).visits() == 2
        visitor.at(between).log_out()
        if remove:
            remove()
        assert visitor.at(first).who() == "nobody"

    def test_records_are_up_to_date(self, visitor):
        """Sessions that were kept in both places need nothing to go on as records alone."""
        visitor.at(BOTH).log_in()
        visitor.at(OURS).visit()
        visitor.at(BOTH).visit()
        assert visitor.at(OURS).visits() == 2
        visitor.at(BOTH).log_out()
        assert visitor.at(OURS).who() == "nobody"

    @pytest.mark.parametrize(
        ("first", "between", "remove"),
        [
            (BOTH, ROWS, flush_records),
            (CACHED_ROWS, BOTH, clear_copies),
            (BOTH, OURS, delete_rows),
            (ROWS, OURS, delete_rows),
        ],
    )
    def test_ended_sessions(self, visitor, first, between, remove):
        """An ended session comes back if that is not removed, and does not if it is."""
        visitor.at(first).log_in()
        visitor.at(between).log_out()
        assert visitor.at(first).who() == "ada"
        visitor.at(first).log_in()
        visitor.at(between).log_out()
        remove()
        assert visitor.at(first).who() == "nobody"


class TestFromRecordsToBoth:
    def test_as_it_is(self, visitor):
        """A session without a row looks alive, and ends with its first change."""
        visitor.at(OURS).log_in()
        assert visitor.at(BOTH).who() == "ada"
        assert visitor.visit() == 400
        assert visitor.who() == "nobody"

    def test_flushed(self, visitor):
        """Without the records, visitors are logged out and can log in."""
        visitor.at(OURS).log_in()
        flush_records()
        assert visitor.at(BOTH).who() == "nobody"
        assert visitor.log_in().who() == "ada"
        assert visitor.visit() == 200


@pytest.mark.parametrize("earlier", [ROWS, CACHE])
def test_another_name_for_the_cookie(site, visitor, earlier):
    """With a cookie of another name, going back finds the earlier sessions as they were."""
    visitor.at(earlier).log_in()
    site.SESSION_COOKIE_NAME = "sid"
    assert visitor.at(OURS).who() == "nobody"
    assert visitor.log_in().who() == "ada"
    site.SESSION_COOKIE_NAME = "sessionid"
    assert visitor.at(earlier).who() == "ada"
