"""What ``manage.py check`` says about the caches of a site."""

from __future__ import annotations

import socket

import pytest
from django.core.checks.registry import CheckRegistry
from django.core.exceptions import ImproperlyConfigured

from kt_cache.django.apps import KTCacheConfig
from kt_cache.django.cache import KyotoTycoonCache
from kt_cache.django.checks import check_key_functions, check_pickle, check_prefixes
from tests.django.conftest import BACKEND
from tests.support.programs import run_program


class OwnCache(KyotoTycoonCache):
    """A backend of a site's own."""


class Unmakeable:
    """A backend of another package."""

    def __init__(self, location, params):
        raise AssertionError("made")


@pytest.fixture
def found(settings):
    """Return what the checks find about one entry of CACHES, beside another one in order."""

    def check(**entry):
        good = {"BACKEND": BACKEND, "LOCATION": "127.0.0.1:1978"}
        settings.CACHES = {
            "default": good,
            "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "other": good | entry,
        }
        return [*check_key_functions(None), *check_prefixes(None), *check_pickle(None)]

    return check


def test_in_order(found):
    """There is nothing to say about a cache with the usual settings on this machine."""
    assert found() == []


def test_key_function(found):
    """A KEY_FUNCTION of one's own is warned of, with the alias, and what to do."""
    (warning,) = found(KEY_FUNCTION="tests.django.keys.own_key")
    assert warning.id == "kt_cache.W001"
    assert warning.obj == "CACHES['other']"
    assert "clear() of the cache 'other' removes every record" in warning.msg
    assert "KEY_PREFIX" in warning.hint


def test_own_make_key(found):
    """A backend whose make_key is its own is warned of in the same way."""
    (warning,) = found(BACKEND="tests.django.keys.OwnKeys")
    assert (warning.id, warning.obj) == ("kt_cache.W001", "CACHES['other']")


@pytest.mark.parametrize(
    ("prefix", "database", "warns"),
    [(":x", 0, True), (":x", 1, False), ("x", 0, False), ("", 0, False)],
)
def test_prefixes(found, prefix, database, warns):
    """A prefix that begins like the keys of another cache of that database is warned of."""
    warnings = found(KEY_PREFIX=prefix, LOCATION=f"kt://127.0.0.1:1978/{database}")
    assert [warning.id for warning in warnings] == ["kt_cache.W003"] * warns
    for warning in warnings:
        assert warning.obj == "CACHES['default']"
        assert "the keys of the cache 'other' for its own" in warning.msg


@pytest.mark.parametrize(
    ("location", "loopback"),
    [
        ("127.0.0.1:1978", True),
        ("kt://127.8.9.1", True),
        ("localhost", True),
        ("kt://[::1]:1978/2", True),
        ("kt://10.0.0.7:1978", False),
        ("kt://[fe80::1]", False),
        ("cache.example:1978", False),
        ("localhost.example:1978", False),
    ],
)
def test_pickle(found, location, loopback):
    """Pickle is warned of if the server is not on this machine; other serializers never."""
    warnings = found(LOCATION=location)
    assert [warning.id for warning in warnings] == ([] if loopback else ["kt_cache.W002"])
    for warning in warnings:
        assert warning.obj == "CACHES['other']"
        assert "'json' or 'msgpack'" in warning.hint
    for serializer in ("json", "msgpack", "none"):
        assert found(LOCATION=location, OPTIONS={"serializer": serializer}) == []


def test_signed_pickle(found):
    """Signed pickles are not warned of; unsigned ones are if they may be read at all."""
    far = "cache.example:1978"
    assert found(LOCATION=far, OPTIONS={"signing_keys": "0123456789abcdef"}) == []
    options = {"serializer": "json", "read_serializers": ["pickle"]}
    assert [warning.id for warning in found(LOCATION=far, OPTIONS=options)] == ["kt_cache.W002"]


def test_mistakes_are_found(found):
    """A setting that is not understood fails in the checks, before the first page needs it."""
    with pytest.raises(ImproperlyConfigured, match="did you mean 'serializer'"):
        found(OPTIONS={"serialiser": "json"})


def test_the_app_registers_them(monkeypatch, settings):
    """In INSTALLED_APPS the app adds the checks, the one about pickle to ``check --deploy``."""
    registry = CheckRegistry()
    monkeypatch.setattr("kt_cache.django.apps.register", registry.register)
    settings.CACHES = {
        "default": {
            "BACKEND": BACKEND,
            "LOCATION": "10.0.0.7",
            "KEY_FUNCTION": "tests.django.keys.own_key",
        },
    }
    KTCacheConfig.create("kt_cache.django").ready()
    assert [found.id for found in registry.run_checks()] == ["kt_cache.W001"]
    both = registry.run_checks(include_deployment_checks=True)
    assert sorted(found.id for found in both) == ["kt_cache.W001", "kt_cache.W002"]


class TestStart:
    """What happens when a site starts that has the app in INSTALLED_APPS."""

    @pytest.fixture
    def start(self, settings, monkeypatch):
        def start_with(**entries):
            settings.CACHES = entries
            monkeypatch.setattr("kt_cache.django.apps.register", CheckRegistry().register)
            KTCacheConfig.create("kt_cache.django").ready()

        return start_with

    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            ({"OPTIONS": {"serialiser": "json"}}, "did you mean 'serializer'"),
            ({"ignore_errors": True}, "'ignore_errors' belongs into OPTIONS"),
            ({"LOCATION": ""}, "the location must be"),
            ({"BACKEND": "kt_cache.django.KyotoTyconCache"}, "Could not find backend"),
        ],
    )
    def test_mistakes(self, start, entry, problem):
        """A setting of ours that is not understood ends it, and the message names the alias."""
        good = {"BACKEND": BACKEND, "LOCATION": "127.0.0.1:1978"}
        with pytest.raises(ImproperlyConfigured, match=f"in the cache 'other': .*{problem}"):
            start(default=good, other=good | entry)

    def test_subclasses(self, start):
        """A backend of the site's own that stands on ours is looked at, too."""
        own = {"BACKEND": "tests.django.test_checks.OwnCache", "LOCATION": "127.0.0.1:port"}
        with pytest.raises(ImproperlyConfigured, match=r"in the cache 'default': .*port"):
            start(default=own)

    @pytest.mark.parametrize("name", ["Unmakeable", "Missing"])
    def test_others_are_left_alone(self, start, name):
        """A cache of another package is not made, and not missed."""
        start(default={"BACKEND": f"tests.django.test_checks.{name}"})

    def test_nothing_is_connected(self, start):
        """The server is not asked."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0)
            host, port = listener.getsockname()
            start(default={"BACKEND": BACKEND, "LOCATION": f"{host}:{port}"})
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.mark.parametrize("listed", [True, False])
def test_a_site(listed):
    """``mysite.wsgi`` of a site with a mistake fails with the app; without it a call does."""
    said = run_program(
        """
        import sys

        from django.conf import settings
        from django.core.cache import cache
        from django.core.exceptions import ImproperlyConfigured

        settings.configure(
            INSTALLED_APPS=["kt_cache.django"] if sys.argv[1] == "True" else [],
            CACHES={
                "default": {
                    "BACKEND": "kt_cache.django.KyotoTycoonCache",
                    "LOCATION": "127.0.0.1:1",
                    "OPTIONS": {"serialiser": "json"},
                }
            },
        )
        from django.core.wsgi import get_wsgi_application
        try:
            get_wsgi_application()
            print("started")
            cache.get("k")
        except ImproperlyConfigured as error:
            print(error)
        """,
        listed,
    )
    assert said.startswith(
        "in the cache 'default': CACHES: unknown" if listed else "started\nCACHES"
    )
    assert "did you mean 'serializer'?" in said
