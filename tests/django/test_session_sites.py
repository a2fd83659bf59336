"""The session engine ``kt_cache.django.sessions``: ids, failures, settings, browsers."""

from __future__ import annotations

import datetime as dt
import json
import logging
import pickle
import traceback

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.core.cache import InvalidCacheBackendError, caches
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from kt_cache.django.sessions import SessionStore
from kt_cache.errors import EncodeError, KTError
from kt_cache.sessions import SessionStore as Records
from tests.django.conftest import BACKEND
from tests.django.session_tools import TWO_WEEKS, ends, made
from tests.support.recording import read_request


class PickleSerializer:
    """What Django removed and some sites still bring along."""

    def dumps(self, obj):
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data):
        return pickle.loads(data)


class TextSerializer:
    """A slip: Django's serializers make bytes."""

    def dumps(self, obj):
        return json.dumps(obj)

    def loads(self, data):
        return json.loads(data)


class Bomb:
    """Unpickling one creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(autouse=True)
def site(session_site):
    return session_site


class TestIds:
    @pytest.mark.parametrize(
        "session_key",
        [
            "x" * 100_000,
            "sitzung-☃-é",
            "lone-surrogate-\ud800",
            "with\x00nul-and\nline",
            "kt-session-" + "0" * 64,
            "../../../etc/passwd",
        ],
        ids=range(6),
    )
    def test_any_text(self, session_key):
        """Whatever a cookie holds: no error, no session, and it is never taken for an id."""
        session = SessionStore(session_key)
        assert not session.exists(session_key)
        assert session.load() == {}
        session.delete(session_key)
        session["a"] = 1
        session.save()
        assert session.session_key != session_key
        assert SessionStore(session.session_key)["a"] == 1

    @pytest.mark.parametrize("session_key", ["", None, "short", 0, "1234567"])
    def test_no_id(self, session_key):
        """Nothing, or less than Django's eight characters, is no id."""
        session = SessionStore(session_key)
        assert session.session_key is None
        assert not session.exists("")
        assert not session.exists(None)
        assert session.load() == {}

    def test_appears_nowhere(self, recorded_site, site, caplog):
        """No listing, no byte to the server, no log line and no error holds a session's id."""
        caplog.set_level(logging.DEBUG)
        shown = []
        session = SessionStore()
        session["user"] = 7
        session.save()
        key = session.session_key
        SessionStore(key).load()
        SessionStore().exists(key)
        session.cycle_key()
        ids = [key, session.session_key]
        backend = caches["default"]
        shown += [
            repr(backend.store.keys(b"")),
            str(backend.client.match_prefix("")),
            repr(session),
        ]
        backend.client.set_bytes(Records.record_key(ids[1]), b"\x8f{broken")
        assert SessionStore(ids[1]).load() == {}
        assert len(caplog.records) == 1

        def failing(call):
            with pytest.raises((KTError, UpdateError, CreateError, TypeError)) as caught:
                call()
            shown.append("".join(traceback.format_exception(caught.value)))
            shown.append(repr(caught.value))

        failing(lambda: SessionStore(ids[0]).save())
        failing(lambda: (session.update({"a": {1}}), session.save()))
        wire = recorded_site.requests
        host = f"{recorded_site.host}:9"
        for location in (f"kt://{recorded_site.host}:{recorded_site.port}/9", host):
            site.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": location}}
            for one_id in ids:
                other = SessionStore(one_id)
                other._session_cache = {"a": 1}
                failing(lambda other=other: other.save(must_create=True))
                failing(other.save)
                if location == host:
                    failing(lambda other=other: other.load())
                    failing(lambda other=other: other.exists(other.session_key))
                    failing(lambda other=other: other.delete())
        assert len(shown) > 20
        wire += recorded_site.requests
        named = [row.key for request in wire for row in read_request(request)]
        assert named.count(Records.record_key(ids[0])) >= 4
        everything = "\n".join([*shown, caplog.text, *(r.getMessage() for r in caplog.records)])
        assert not [one_id for one_id in ids if one_id in everything]
        assert not [one_id for one_id in ids if one_id.encode() in b"".join([*wire, *named])]


class TestFailures:
    @pytest.fixture
    def broken(self, site):
        """A site whose server is gone."""

        def break_it():
            site.CACHES = {
                "default": {
                    "BACKEND": BACKEND,
                    "LOCATION": "127.0.0.1:9",
                    "OPTIONS": {"connect_timeout": 0.5},
                }
            }

        return break_it

    def test_every_method_raises(self, broken):
        """Without its server the engine raises; nothing looks like an empty session."""
        key = made(user=7)
        broken()
        for call in (
            lambda: SessionStore(key).load(),
            lambda: SessionStore(key)["user"],
            lambda: SessionStore(key).get("user"),
            lambda: SessionStore().exists(key),
            lambda: SessionStore().create(),
            lambda: SessionStore(key).save(),
            lambda: SessionStore(key).flush(),
            lambda: SessionStore(key).cycle_key(),
            lambda: SessionStore(key).delete(),
        ):
            with pytest.raises(KTError, match=r"127\.0\.0\.1:9"):
                call()

    def test_login_does_not_vanish(self, broken, site, location):
        """A visitor keeps the cookie through an outage, and is logged in afterwards."""
        client = Client(raise_request_exception=False)
        client.get("/login")
        assert client.get("/whoami").content == b"user 7"
        cookie = client.cookies[site.SESSION_COOKIE_NAME].value
        client.logger = logging.getLogger("django.request")
        working = site.CACHES
        broken()
        logging.disable(logging.CRITICAL)
        try:
            for path in ("/whoami", "/visits", "/logout", "/login"):
                answer = client.get(path)
                assert answer.status_code == 500
                assert not answer.cookies
        finally:
            logging.disable(logging.NOTSET)
        site.CACHES = working
        assert client.cookies[site.SESSION_COOKIE_NAME].value == cookie
        assert client.get("/whoami").content == b"user 7"

    @pytest.mark.parametrize(
        "record", [b"", b"\x8f", b'\x8f{"user": 4111', b"\x8f[4111]", b"4111", b"\x81\x80N."]
    )
    def test_corrupt_record(self, record, caplog):
        """A record that cannot be read is a new session and one log line without content or id."""
        key = made(user=7)
        caches["default"].client.set_bytes(Records.record_key(key), record)
        with caplog.at_level(logging.DEBUG):
            session = SessionStore(key)
            assert session.get("user") is None
            assert session.get("other") is None
        (line,) = caplog.records
        text = logging.Formatter().format(line)
        assert "4111" not in text
        assert key not in text
        session["user"] = 8
        session.save()
        assert session.session_key != key
        assert SessionStore(session.session_key)["user"] == 8

    def test_data_that_json_cannot_hold(self):
        """Data the serializer cannot take is its own error, as with Django's engines."""
        key = made(a=1)
        session = SessionStore(key)
        session["a"] = {1, 2}
        with pytest.raises(TypeError, match="set is not JSON serializable"):
            session.save()
        assert SessionStore(key)["a"] == 1


class TestSettings:
    def test_alias(self, site, location):
        """SESSION_CACHE_ALIAS names the cache whose server, database and connections are used."""
        entry = {"BACKEND": BACKEND, "LOCATION": location}
        site.CACHES = {
            "default": {"BACKEND": BACKEND, "LOCATION": "127.0.0.1:9"},
            "for sessions": {**entry, "KEY_PREFIX": "p", "OPTIONS": {"serializer": "pickle"}},
        }
        site.SESSION_CACHE_ALIAS = "for sessions"
        key = made(user=7)
        assert SessionStore(key)["user"] == 7
        keys = caches["for sessions"].store.keys(b"")
        assert keys == [Records.record_key(key)]
        # JSON, whatever the cache's own serializer is.
        record = caches["for sessions"].client.get_bytes(keys[0])
        assert json.loads(record[record.index(b'{"user"') :]) == {"user": 7}

    def test_other_backend(self, site):
        """A cache of another kind is ImproperlyConfigured and named, with the setting."""
        site.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        }
        with pytest.raises(ImproperlyConfigured, match=r"'default' \(SESSION_CACHE_ALIAS\)"):
            SessionStore()

    def test_unknown_alias(self, site):
        """An alias that is not in CACHES is Django's error, with the setting and the aliases."""
        site.SESSION_CACHE_ALIAS = "nope"
        with pytest.raises(
            InvalidCacheBackendError,
            match=r"SESSION_CACHE_ALIAS is 'nope', .* known are: default, other",
        ):
            SessionStore()

    def test_missing_backend(self, site):
        """An entry of CACHES that cannot be made is an error about that entry."""
        site.CACHES = {"default": {"BACKEND": "tests.django.backends.Missing"}}
        with pytest.raises(InvalidCacheBackendError, match="Could not find backend"):
            SessionStore()

    def test_serializer_that_makes_text(self, site):
        """A serializer that returns text is an error that names the setting and the class."""
        site.SESSION_SERIALIZER = "tests.django.test_session_sites.TextSerializer"
        with pytest.raises(
            EncodeError, match=r"TextSerializer \(SESSION_SERIALIZER\): .*, not str"
        ):
            made(a=1)

    def test_subclass_of_our_backend(self, site, location):
        """A site's own subclass of the backend will do."""
        site.CACHES = {
            "default": {"BACKEND": "tests.django.backends.OwnBackend", "LOCATION": location}
        }
        assert SessionStore(made(a=1))["a"] == 1

    def test_pickle_serializer(self, site):
        """SESSION_SERIALIZER may be a class of one's own, such as one that pickles."""
        site.SESSION_SERIALIZER = "tests.django.test_session_sites.PickleSerializer"
        value = {"when": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), "set": {1, 2}}
        assert SessionStore(made(value=value))["value"] == value

    def test_pickled_session_under_json(self, site, caplog, tmp_path):
        """After going back to JSON, pickled sessions are new ones; nothing is unpickled."""
        site.SESSION_SERIALIZER = "tests.django.test_session_sites.PickleSerializer"
        key = made(bomb=Bomb(tmp_path / "bang"))
        site.SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
        assert SessionStore(key).load() == {}
        assert len(caplog.records) == 1
        assert list(tmp_path.iterdir()) == []

    def test_clear_leaves_sessions(self, site):
        """cache.clear() of every alias leaves sessions; flush() ends them all."""
        key = made(user=7)
        for alias in ("default", "other"):
            caches[alias].set("k", "v")
            caches[alias].clear()
        assert SessionStore(key)["user"] == 7
        caches["default"].flush()
        assert not SessionStore().exists(key)


class TestInABrowser:
    def test_visits(self):
        """A session goes from request to request, apart for each visitor."""
        one, two = Client(), Client()
        assert [one.get("/visits").content for _ in range(3)][-1] == b"visit 3"
        assert two.get("/visits").content == b"visit 1"

    def test_login_and_logout(self, site):
        """Logging in changes the id, logging out deletes the cookie and the record."""
        client = Client()
        client.get("/visits")
        before = client.cookies[site.SESSION_COOKIE_NAME].value
        client.get("/login")
        after = client.cookies[site.SESSION_COOKIE_NAME].value
        assert before != after
        assert not SessionStore().exists(before)
        client.get("/logout")
        assert not SessionStore().exists(after)
        assert client.cookies[site.SESSION_COOKIE_NAME].value == ""
        assert client.get("/whoami").content == b"user None"

    def test_ended_by_another_request(self):
        """A request that is overtaken by a logout is told so with 400, and revives nothing."""
        client = Client()
        client.get("/login")
        logging.disable(logging.CRITICAL)
        try:
            assert client.get("/killed").status_code == 400
        finally:
            logging.disable(logging.NOTSET)
        assert client.get("/whoami").content == b"user None"

    def test_cookie_of_browser_close(self, site):
        """Expiry 0 gives a cookie without an end and a record with the usual one."""
        client = Client()
        client.get("/login")
        client.get("/set-expiry?value=0")
        cookie = client.cookies[site.SESSION_COOKIE_NAME]
        assert cookie["max-age"] == ""
        assert abs(ends(cookie.value) - TWO_WEEKS) < 5

    def test_unused_session_is_not_stored(self):
        """A page that does not use the session stores none."""
        Client().get("/numbered")
        assert caches["default"].client.count() == 0

    @pytest.mark.parametrize("value", ["x" * 5_000, "\xe2\x98\x83", "%ff", "a;b", "../x"])
    def test_strange_cookies(self, site, value):
        """Whatever a browser sends as the cookie, the answer is a page."""
        client = Client()
        client.cookies[site.SESSION_COOKIE_NAME] = value
        assert client.get("/whoami").content == b"user None"
        assert client.get("/visits").content == b"visit 1"
