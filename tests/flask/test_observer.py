"""An observer named in a Flask app's configuration."""

from __future__ import annotations

import pytest
from flask import session
from flask_caching import Cache

from kt_cache.cache import CallEvent
from kt_cache.errors import ConfigError
from kt_cache.flask import KTCache, KTSession, KyotoTycoonCache
from tests.flask.conftest import make_app

seen: list[CallEvent] = []


def observe(event: CallEvent) -> None:
    seen.append(event)


@pytest.fixture
def path() -> str:
    """Where the function above is imported from; it has been told nothing."""
    seen.clear()
    return "tests.flask.test_observer.observe"


def told() -> list[tuple[str, str, str]]:
    return [(event.kind, event.operation, event.outcome) for event in seen]


def test_extension(any_url, path):
    """The extension's options name it."""
    cache = KTCache(make_app(KT_CACHE_URL=any_url, KT_CACHE_OPTIONS={"observer": path}))
    assert cache.add("k", "v")
    assert not cache.add("k", "v")
    assert cache.get_many("k", "l") == ["v", None]
    assert told() == [
        ("value", "add", "ok"),
        ("value", "add", "refused"),
        ("value", "get_many", "hit"),
    ]


def test_backend(any_url, path):
    """So do the arguments of the cachelib backend, as an object or a dotted path."""
    assert KyotoTycoonCache(any_url, observer=observe).get("k") is None
    assert KyotoTycoonCache(any_url, observer=path).delete("k") is False
    assert told() == [("value", "get", "miss"), ("value", "remove", "miss")]


def test_flask_caching(url, path):
    """Under Flask-Caching it is in CACHE_OPTIONS."""
    app = make_app(
        CACHE_TYPE="kt_cache.flask.KyotoTycoonCache",
        CACHE_KT_URL=url,
        CACHE_OPTIONS={"observer": path},
    )
    cache = Cache(app)
    with app.app_context():
        assert cache.get("k") is None
    assert told() == [("value", "get", "miss")]


def test_sessions(any_url, path):
    """The sessions have their own."""
    app = make_app(SECRET_KEY="s", KT_SESSION_URL=any_url, KT_SESSION_OPTIONS={"observer": path})
    KTSession(app)

    @app.route("/")
    def page():
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    visitor = app.test_client()
    assert [visitor.get("/").text, visitor.get("/").text] == ["1", "2"]
    assert {event.kind for event in seen} == {"session"}
    assert ("session", "get_record", "hit") in told()


def test_mistakes(url):
    """What is not understood is a ConfigError of the start."""
    with pytest.raises(ConfigError, match=r"observer: 'tests\.flask' has nothing named 'nothing'"):
        KyotoTycoonCache(url, observer="tests.flask.nothing")
    with pytest.raises(ConfigError, match="did you mean 'observer'"):
        KTCache(make_app(KT_CACHE_URL=url, KT_CACHE_OPTIONS={"observe": observe}))
    with pytest.raises(ConfigError, match="observer must be a function"):
        KTSession(make_app(KT_SESSION_URL=url, KT_SESSION_OPTIONS={"observer": 5}))
