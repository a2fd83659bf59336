"""KTSession: what a session holds, and whose it is."""

from __future__ import annotations

import datetime as dt
import logging
import pickle
import uuid

import pytest
from flask import flash, get_flashed_messages, session
from markupsafe import Markup

from kt_cache.errors import ConfigError
from kt_cache.flask import KTCache, KTSession, KTSessionInterface
from kt_cache.sessions import SessionStore
from tests.flask.conftest import make_app
from tests.flask.sites import make_site, records, session_id
from tests.support.bombs import Bomb

VALUES = {
    "text": "käse ☂",
    "containers": {"list": [1, 2.5, None, True], "nested": {"a": {"b": []}}},
    "datetime": dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc),
    "tuple": (1, ("two", 3)),
    "bytes": b"\x00\xff",
    "markup": Markup("<b>bold</b>"),
    "uuid": uuid.UUID(int=5),
    "looks tagged": {" t": [1, 2]},
    "looks tagged inside": [{"a": [{" d": "x"}]}],
    "blanks": {" a": " b", "c": '" t'},
    "one of a kind inside": {"a": [[{"b": (1, b"2")}]]},
}


@pytest.fixture
def app(any_url):
    """The site with its sessions on an empty database, on each kind of server in turn."""
    app = make_site(KT_CACHE_URL=any_url)
    KTSession(app)
    return app


@pytest.fixture
def visitor(app):
    return app.test_client()


class TestLogin:
    def test_login_and_logout(self, visitor, app, kt):
        """A visitor stays logged in over requests, until the logout; others are not."""
        visitor.post("/login/ada")
        assert [visitor.get("/").text, app.test_client().get("/").text] == ["ada", "nobody"]
        assert [visitor.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        assert len(records(kt)) == 1
        visitor.post("/logout")
        assert visitor.get("/").text == "nobody"
        assert records(kt) == []

    def test_a_copied_cookie_is_worth_nothing_after_the_logout(self, visitor, app):
        """Sessions live on the server: logging out ends them wherever the cookie is."""
        visitor.post("/login/ada")
        thief = app.test_client()
        thief.set_cookie("session", session_id(visitor))
        assert thief.get("/").text == "ada"
        visitor.post("/logout")
        assert thief.get("/").text == "nobody"

    def test_no_secret_key_is_needed(self, visitor, app):
        """The cookie is a random id and nothing to sign: ``SECRET_KEY`` may be missing."""
        assert app.secret_key is None
        visitor.post("/login/ada")
        assert len(session_id(visitor)) >= 43
        assert visitor.get("/").text == "ada"

    def test_each_session_has_its_own_id(self, app):
        """Ids are never given twice."""
        visitors = [app.test_client() for _ in range(20)]
        for visitor in visitors:
            visitor.post("/login/ada")
        assert len({session_id(visitor) for visitor in visitors}) == 20

    def test_all_processes_share_the_sessions(self, visitor, any_url):
        """A second app with the same settings, as in another worker, knows the visitor."""
        visitor.post("/login/ada")
        other = make_site(KT_SESSION_URL=any_url)
        KTSession().init_app(other)
        same = other.test_client()
        same.set_cookie("session", session_id(visitor))
        assert same.get("/").text == "ada"

    def test_clearing_the_cache_logs_nobody_out(self, visitor, app):
        """``cache.clear()`` on the same database leaves sessions alone, whatever the prefix."""
        visitor.post("/login/ada")
        for prefix in ("flask", ""):
            app.config["KT_CACHE_KEY_PREFIX"] = prefix
            KTCache(app).clear()
        assert visitor.get("/").text == "ada"


class TestData:
    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
    def test_types_of_flasks_own_sessions_come_back(self, visitor, value):
        """Everything that Flask's cookie sessions can hold comes back equal, of the same type."""
        with visitor.session_transaction() as stored:
            stored["value"] = value
        with visitor.session_transaction() as loaded:
            assert loaded["value"] == value
            assert type(loaded["value"]) is type(value)

    def test_what_json_cannot_hold_is_an_error(self, visitor, kt):
        """An object of another type is an error when the session is saved; pickle is never used."""
        with pytest.raises(TypeError), visitor.session_transaction() as stored:
            stored["value"] = object()
        assert records(kt) == []

    def test_large_sessions(self, visitor):
        """Data need not fit a cookie."""
        with visitor.session_transaction() as stored:
            stored["basket"] = ["item"] * 20_000
        assert len(session_id(visitor)) < 100
        with visitor.session_transaction() as loaded:
            assert len(loaded["basket"]) == 20_000

    def test_flash(self, app, visitor):
        """Flashed messages travel in the session and are shown once."""
        app.add_url_rule("/say", view_func=lambda: flash("saved") or "", endpoint="say")
        app.add_url_rule("/see", view_func=lambda: str(get_flashed_messages()), endpoint="see")
        visitor.get("/say")
        assert [visitor.get("/see").text for _ in range(2)] == ["['saved']", "[]"]

    def test_changes_inside_a_value_need_modified(self, app, visitor):
        """As in Flask's own sessions, a change within a list counts if ``modified`` is set."""

        @app.get("/append/<int:modified>")
        def append(modified):
            session.setdefault("list", []).append(1)
            session.modified = session.modified or bool(modified)
            return str(len(session["list"]))

        answers = [visitor.get(f"/append/{modified}").text for modified in (0, 0, 1, 0)]
        assert answers == ["1", "2", "2", "3"]

    def test_new(self, visitor):
        """``new`` is True until the session was stored."""
        with visitor.session_transaction() as first:
            assert first.new is True
            first["a"] = 1
        with visitor.session_transaction() as second:
            assert second.new is False

    def test_sessions_of_django_are_others(self, visitor, any_url, kt):
        """On a database shared with Django's sessions, an id of one site is unknown to the other.

        Both are JSON under the same prefix; only a mark in the record keeps them apart.
        """
        from django.test import override_settings

        from kt_cache.django.sessions import SessionStore as DjangoSession

        backend = {"BACKEND": "kt_cache.django.KyotoTycoonCache", "LOCATION": any_url}
        with override_settings(CACHES={"default": backend}):
            theirs = DjangoSession()
            theirs["user"] = "django's"
            theirs.save()
            visitor.set_cookie("session", theirs.session_key)
            assert visitor.get("/").text == "nobody"
            visitor.post("/login/ada")
            assert DjangoSession(session_id(visitor)).get("user") is None
            assert DjangoSession(theirs.session_key)["user"] == "django's"
        assert visitor.get("/").text == "ada"


class TestIds:
    @pytest.mark.parametrize(
        "made_up", ["made-up", "x" * 4000, "käse", "../..", "kt-session-", "0"], ids=lambda i: i[:9]
    )
    def test_an_unknown_id_is_never_adopted(self, visitor, kt, made_up):
        """Whoever brings an id that the server did not give out gets a new one."""
        visitor.set_cookie("session", made_up)
        assert visitor.get("/").text == "nobody"
        assert records(kt) == []
        visitor.post("/login/ada")
        assert session_id(visitor) != made_up
        assert visitor.get("/").text == "ada"
        assert len(records(kt)) == 1

    def test_a_tampered_cookie_is_another_id(self, visitor, app):
        """One changed character and the visitor is nobody; the real session stays as it is."""
        visitor.post("/login/ada")
        real = session_id(visitor)
        other = app.test_client()
        for changed in (real[:-1] + ("A" if real[-1] != "A" else "B"), real[:-1], real.swapcase()):
            other.set_cookie("session", changed)
            assert other.get("/").text == "nobody"
        assert visitor.get("/").text == "ada"

    def test_ids_are_in_no_key_and_no_log(self, visitor, kt, caplog):
        """Neither keys and values of the server nor log lines contain an id."""
        caplog.set_level(logging.DEBUG)
        visitor.post("/login/ada")
        visitor.get("/count")
        secret = session_id(visitor)
        key = SessionStore.record_key(secret).decode()
        assert kt.match_prefix("") == [key]
        assert secret.encode() not in kt.get_bytes(key)
        kt.set_bytes(key, b"broken")
        assert visitor.get("/").text == "nobody"
        assert "unreadable session" in caplog.text
        visitor.get("/count")
        visitor.post("/logout")
        assert session_id(visitor) is None
        assert secret not in caplog.text


class TestConfiguration:
    def test_a_server_of_their_own(self):
        """``KT_SESSION_URL`` names another server or database than the cache's."""
        app = make_app(
            KT_CACHE_URL="kt://cache.example",
            KT_SESSION_URL="kt://sessions.example/1",
            KT_SESSION_OPTIONS={"read_timeout": 1.5},
        )
        KTSession(app)
        assert isinstance(app.session_interface, KTSessionInterface)
        store = app.session_interface.store.store
        assert (store.config.host, store.db, store.config.read_timeout) == (
            "sessions.example",
            1,
            1.5,
        )

    def test_signed(self, any_url, kt, caplog):
        """Sessions can be compressed and signed: one that a stranger wrote is none."""
        app = make_site(
            KT_CACHE_URL=any_url,
            KT_SESSION_OPTIONS={"signing_keys": "a key of this site", "compressor": "zlib"},
        )
        KTSession(app)
        visitor, other = app.test_client(), app.test_client()
        visitor.post("/login/ada" + "a" * 2000)
        assert visitor.get("/").text == "ada" + "a" * 2000
        (key,) = records(kt)
        stored = kt.get_bytes(key)
        assert len(stored) < 500
        other.post("/login/bob")
        (others,) = set(records(kt)) - {key}
        kt.set_bytes(others, stored)
        assert other.get("/").text == "nobody"
        assert "signature fits none of the signing keys" in caplog.text

    def test_msgpack(self, any_url, kt):
        """Another serializer can be named; the earlier one is read still, if that is named, too."""
        before = make_site(KT_CACHE_URL=any_url)
        KTSession(before)
        old = before.test_client()
        old.post("/login/ada")
        options = {"serializer": "msgpack", "read_serializers": ["tagged-json"]}
        app = make_site(KT_CACHE_URL=any_url, KT_SESSION_OPTIONS=options)
        KTSession(app)
        visitor = app.test_client()
        visitor.set_cookie("session", session_id(old))
        assert [visitor.get("/").text, visitor.get("/count").text] == ["ada", "1"]
        (key,) = records(kt)
        assert b"flask:" not in kt.get_bytes(key)
        assert visitor.get("/").text == "ada"
        assert old.get("/").text == "nobody"  # who is not told of msgpack reads none

    def test_pickle_only_by_name(self, any_url, kt, caplog, tmp_path):
        """What is pickled is never unpickled unless the site has named pickle."""
        app = make_site(KT_CACHE_URL=any_url)
        KTSession(app)
        visitor = app.test_client()
        visitor.post("/login/ada")
        (key,) = records(kt)
        kt.set_bytes(key, b"\x81" + pickle.dumps(Bomb(tmp_path / "trace")))
        assert visitor.get("/").text == "nobody"
        assert not (tmp_path / "trace").exists()
        assert "unreadable session" in caplog.text
        app = make_site(KT_CACHE_URL=any_url, KT_SESSION_OPTIONS={"serializer": "pickle"})
        KTSession(app)
        with app.test_client().session_transaction() as stored:
            stored["value"] = {1, 2}

    def test_several_apps(self, url):
        """One extension object serves several apps, each with its own server or database."""
        sessions = KTSession()
        apps = [make_site(KT_CACHE_URL=url), make_app(KT_CACHE_URL="kt://elsewhere")]
        for app in apps:
            sessions.init_app(app)
        visitor = apps[0].test_client()
        visitor.post("/login/ada")
        assert visitor.get("/").text == "ada"

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({}, r"set app\.config\['KT_SESSION_URL'\] or app\.config\['KT_CACHE_URL'\]"),
            (
                {"KT_CACHE_URL": "redis://localhost"},
                r"^app\.config\['KT_CACHE_URL'\]: unknown scheme 'redis'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_URL": "localhost:port"},
                r"^app\.config\['KT_SESSION_URL'\]: the location's port must be",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSIONS": {"mode": "error"}},
                "'KT_SESSIONS'; did you mean 'KT_SESSION_OPTIONS'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": {"read_timeout": -1}},
                r"^app\.config\['KT_SESSION_OPTIONS'\]: read_timeout must be",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": {"touch_afer": 0.5}},
                r"^app\.config\['KT_SESSION_OPTIONS'\]: .* 'touch_afer'.*'touch_after'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": {"mode": "marge"}},
                r"^app\.config\['KT_SESSION_OPTIONS'\]: mode: unknown choice 'marge'; .*'merge'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": {"touch_after": 1}},
                "touch_after must be a part of the lifetime",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": {"serializer": "tagged_json"}},
                "serializer: unknown serializer 'tagged_json'.*; did you mean 'tagged-json'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTION": {}},
                "unknown setting 'KT_SESSION_OPTION'; did you mean 'KT_SESSION_OPTIONS'",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_MODE": "error"},
                r"'KT_SESSION_MODE'.*app.config\['KT_SESSION_OPTIONS'\] = \{'mode': ...\}",
            ),
            (
                {"KT_CACHE_URL": "localhost", "KT_SESSION_OPTIONS": "fast"},
                r"\['KT_SESSION_OPTIONS'\] must be a dictionary",
            ),
        ],
        ids=str,
    )
    def test_wrong_settings_fail_at_the_start(self, config, message):
        """What is not understood is an error of ``init_app``, not of the first request."""
        with pytest.raises(ConfigError, match=message):
            KTSession(make_app(**config))

    def test_async_views(self, any_url):
        """``async def`` views read and change the session as any view does."""
        app = make_site(KT_CACHE_URL=any_url)
        KTSession(app)

        @app.get("/async")
        async def count_too():
            session["count"] = session.get("count", 0) + 1
            return str(session["count"])

        visitor = app.test_client()
        assert [visitor.get("/async").text, visitor.get("/count").text] == ["1", "2"]
