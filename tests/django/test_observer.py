"""An observer named in the CACHES setting."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from kt_cache import KyotoTycoon
from kt_cache.cache import CallEvent
from kt_cache.django import KyotoTycoonCache
from tests.django.conftest import BACKEND
from tests.support.failing import dead_port, own

__all__ = ["dead_port"]

seen: list[CallEvent] = []


def observe(event: CallEvent) -> None:
    seen.append(event)


def take(events: list[CallEvent]) -> list[tuple[str, str, str]]:
    """Return what was told up to now, and forget it."""
    told = [(event.kind, event.operation, event.outcome) for event in events]
    events.clear()
    return told


def site_with(settings: Any, location: str, **options: Any) -> Any:
    settings.CACHES = {
        "default": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": options},
    }
    settings.SESSION_ENGINE = "kt_cache.django.sessions"
    return caches["default"]


def test_dotted_path(settings, location):
    """It is named by its dotted path, and told of blocking and native async calls alike."""
    seen.clear()
    cache = site_with(settings, location, observer="tests.django.test_observer.observe")
    cache.set("k", "v")
    assert cache.get("k") == "v"
    assert asyncio.run(cache.aget_many(["k", "l"])) == {"k": "v"}
    assert "l" not in cache
    assert (seen[2].keys, seen[2].hits, seen[2].misses) == (2, 1, 1)
    assert take(seen) == [
        ("value", "set", "ok"),
        ("value", "get", "hit"),
        ("value", "get_many", "hit"),
        ("value", "get", "miss"),
    ]


def test_one_for_each_alias(settings, location):
    """With ``partial`` one function tells the aliases apart."""
    told = []

    def count(alias: str, event: CallEvent) -> None:
        told.append((alias, event.outcome))

    settings.CACHES = {
        alias: {
            "BACKEND": BACKEND,
            "LOCATION": location,
            "OPTIONS": {"observer": partial(count, alias)},
        }
        for alias in ("default", "pages")
    }
    caches["pages"].get("k")
    caches["default"].set("k", "v")
    assert told == [("pages", "miss"), ("default", "ok")]


def test_sessions(settings, location):
    """Sessions on the cache's server are told of as such, and by no id."""
    told: list[CallEvent] = []
    site_with(settings, location, observer=told.append)
    from kt_cache.django.sessions import SessionStore  # needs the settings

    session = SessionStore()
    session["user"] = "somebody"
    session.save()
    assert SessionStore(session.session_key).load() == {"user": "somebody"}
    assert session.session_key not in repr(told)
    assert {event.kind for event in told} == {"session"}
    assert take(told)[-1] == ("session", "get_record", "hit")


def test_ignored_errors_can_be_counted(settings, dead_port):
    """What a site that ignores errors does not see is seen by its observer."""
    told: list[CallEvent] = []
    options = own(ignore_errors=True, breaker_threshold=1, observer=told.append)
    cache = site_with(settings, f"127.0.0.1:{dead_port}", **options)
    assert cache.get("k", "default") == "default"
    assert cache.get_or_set("k", lambda: "made") == "made"
    assert take(told) == [
        ("value", "get", "ignored"),
        ("value", "get", "skipped"),
        ("value", "add", "skipped"),
    ]


def test_with_a_client(location):
    """Beside a ready-made client, too."""
    host, port = location.split(":")
    told: list[CallEvent] = []
    options = {"client": KyotoTycoon(host, int(port)), "observer": told.append}
    KyotoTycoonCache("", {"OPTIONS": options}).get("k")
    assert take(told) == [("value", "get", "miss")]


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("observer", 5, "observer must be a function that takes an event"),
        ("observer", "tests.nothing.observe", "observer: cannot import 'tests.nothing.observe'"),
        ("observer", "tests.django.test_observer.nothing", "has nothing named 'nothing'"),
        ("OBSERVER", observe, "did you mean 'observer'"),
    ],
)
def test_mistakes(settings, location, option, value, problem):
    """What is not understood is ImproperlyConfigured when the cache is made."""
    with pytest.raises(ImproperlyConfigured, match=f"CACHES: .*{problem}"):
        site_with(settings, location, **{option: value})
