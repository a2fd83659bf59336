"""What ``manage.py check`` says about the settings for sessions."""

from __future__ import annotations

import json

import pytest
from django.core.checks.registry import CheckRegistry

from kt_cache.django.apps import KTCacheConfig
from kt_cache.django.sessions import SessionStore
from tests.django.conftest import BACKEND
from tests.support.programs import run_program

OURS = "kt_cache.django.sessions"
CACHED_DB = "kt_cache.django.sessions_cached_db"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
HERE = "tests.django.test_session_checks"


class MakesText:
    """A session serializer with a slip."""

    def dumps(self, obj):
        return json.dumps(obj)

    def loads(self, data):
        return json.loads(data)


class Forgets(MakesText):
    """Another one."""

    def dumps(self, obj):
        return super().dumps(obj).encode()

    def loads(self, data):
        return {}


class Takes(Forgets):
    """One that cannot be made without an argument."""

    def __init__(self, protocol):
        raise AssertionError("made")


class OwnStore(SessionStore):
    """An engine of the site's own that stands on ours; a module's SessionStore in its test."""


@pytest.fixture
def found(settings, monkeypatch):
    """Return what the checks of the app find, sessions in order unless a setting says otherwise."""
    settings.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": "127.0.0.1:1"}}
    settings.SESSION_ENGINE = OURS

    def check(**given):
        for name, value in given.items():
            setattr(settings, name, value)
        registry = CheckRegistry()
        monkeypatch.setattr("kt_cache.django.apps.register", registry.register)
        KTCacheConfig.create("kt_cache.django").ready()
        return registry.run_checks()

    return check


def test_in_order(found):
    """There is nothing to say about either engine with the usual settings, nor about another."""
    assert found() == []
    assert found(SESSION_ENGINE=CACHED_DB) == []
    assert found(SESSION_ENGINE="django.contrib.sessions.backends.db") == []


class TestEngine:
    @pytest.mark.parametrize(
        ("path", "meant"),
        [
            ("kt_cache.django.session", OURS),
            ("kt_cache.sessions", OURS),
            ("kt_cache.django.sessions.SessionStore", OURS),
            ("kt_cache.django.session_cached_db", CACHED_DB),
            ("kt_cache.django", OURS),
        ],
    )
    def test_slips(self, found, path, meant):
        """What begins like our engines and is none of them is an error with the right one."""
        (error,) = found(SESSION_ENGINE=path)
        assert (error.id, error.obj) == ("kt_cache.E001", "SESSION_ENGINE")
        assert repr(path) in error.msg
        assert repr(meant) in error.hint

    @pytest.mark.parametrize(
        "path", ["ktcache.django.sessions", "django.core", "tests.django.keys"]
    )
    def test_those_of_others(self, found, path):
        """Others' engines are none of our business, not even if they do not exist."""
        assert found(SESSION_ENGINE=path, SESSION_CACHE_ALIAS="nope", SESSION_SERIALIZER="x") == []

    def test_an_own_engine(self, found, monkeypatch):
        """An engine of the site's own that stands on ours is looked at as ours are."""
        monkeypatch.setattr("tests.django.keys.SessionStore", OwnStore, raising=False)
        (error,) = found(SESSION_ENGINE="tests.django.keys", SESSION_CACHE_ALIAS="nope")
        assert error.id == "kt_cache.E002"


@pytest.mark.parametrize("engine", [OURS, CACHED_DB])
class TestCache:
    def test_unknown_alias(self, found, engine):
        """An alias that is not in CACHES is an error that names the setting and the nearest one."""
        (error,) = found(SESSION_ENGINE=engine, SESSION_CACHE_ALIAS="defalt")
        assert (error.id, error.obj) == ("kt_cache.E002", "SESSION_CACHE_ALIAS")
        assert "SESSION_CACHE_ALIAS is 'defalt'" in error.msg
        assert "did you mean 'default'?" in error.msg

    def test_another_kind(self, found, engine):
        """A cache of another kind is an error that names its alias, the setting and ours."""
        local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
        (error,) = found(SESSION_ENGINE=engine, CACHES={"default": local})
        assert (error.id, error.obj) == ("kt_cache.E002", "SESSION_CACHE_ALIAS")
        assert "need a kt_cache.django.KyotoTycoonCache; the cache 'default'" in error.msg

    def test_a_missing_backend(self, found, engine):
        """So is an entry that cannot be made."""
        (error,) = found(SESSION_ENGINE=engine, CACHES={"default": {"BACKEND": "nowhere.Cache"}})
        assert error.id == "kt_cache.E002"
        assert "nowhere.Cache" in error.msg


class TestSerializer:
    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            (f"{HERE}.MakesText", "its dumps() returns str instead of bytes"),
            (f"{HERE}.Forgets", "its loads() does not return what dumps() was given"),
            (f"{HERE}.Takes", "missing 1 required positional argument"),
            (f"{HERE}.Missing", "ImportError: Module"),
            ("json", "ImportError: json doesn't look like a module path"),
            (f"{HERE}.json", "TypeError: 'module' object is not callable"),
        ],
    )
    def test_slips(self, found, path, problem):
        """A serializer with which no session can be stored and loaded is an error that says why."""
        (error,) = found(SESSION_SERIALIZER=path)
        assert (error.id, error.obj) == ("kt_cache.E004", "SESSION_SERIALIZER")
        assert repr(path) in error.msg
        assert problem in error.msg

    def test_several_mistakes(self, found):
        """All are told at once."""
        errors = found(SESSION_SERIALIZER="nope", SESSION_CACHE_ALIAS="nope")
        assert [error.id for error in errors] == ["kt_cache.E002", "kt_cache.E004"]


class TestNames:
    @pytest.mark.parametrize("name", ["KT_SESSION", "KT_SESSION_OPTIONS", "KT_SESSION_MODE"])
    def test_what_nobody_reads(self, found, name):
        """A setting that looks like ours is warned of; those of the site's own are not."""
        (warning,) = found(**{name: {"mode": "error"}}, KT_CACHE_URL="kt://127.0.0.1:1978")
        assert (warning.id, warning.obj) == ("kt_cache.W005", name)
        assert "KT_SESSIONS" in warning.hint

    def test_the_right_one(self, found):
        """KT_SESSIONS is read."""
        assert found(KT_SESSIONS={"mode": "error"}) == []


class TestReadOnly:
    def test_djangos_middleware(self, found):
        """What does not work with Django's middleware is told, with what to put in its place."""
        (warning,) = found(KT_SESSIONS={"on_failure": "read-only"}, MIDDLEWARE=[DJANGOS])
        assert warning.id == "kt_cache.W004"
        for matter in ("error page", "kept by caches", "set_expiry()"):
            assert matter in warning.msg

    def test_other_engines(self, found):
        """Options for sessions of ours do not matter to others."""
        options = {"on_failure": "read-only"}
        django = "django.contrib.sessions.backends.cache"
        assert found(KT_SESSIONS=options, MIDDLEWARE=[DJANGOS], SESSION_ENGINE=django) == []


@pytest.mark.parametrize("apps", ["", "django.contrib.sessions"])
def test_the_table(apps):
    """The engine that needs the table of sessions says so if the app is missing that has it."""
    said = run_program(
        """
        import sys

        import django
        from django.conf import settings
        from django.core.management import call_command

        settings.configure(
            INSTALLED_APPS=["kt_cache.django", *sys.argv[1].split()],
            CACHES={
                "default": {
                    "BACKEND": "kt_cache.django.KyotoTycoonCache",
                    "LOCATION": "127.0.0.1:1",
                }
            },
            SESSION_ENGINE="kt_cache.django.sessions_cached_db",
        )
        django.setup()
        try:
            call_command("check")
        except SystemExit as end:
            print(end)
        except Exception as error:
            print(type(error).__name__, error)
        """,
        apps,
    )
    assert ("kt_cache.E003" in said) is (not apps)
    assert ("Put 'django.contrib.sessions' into INSTALLED_APPS" in said) is (not apps)
