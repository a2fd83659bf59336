"""The Flask cache when the server is gone and errors are ignored."""

from __future__ import annotations

import pytest
from flask_caching import Cache

from kt_cache.errors import ConfigError, TransportError
from kt_cache.flask import KTCache, KTSession, KyotoTycoonCache
from tests.flask.conftest import make_app
from tests.support.failing import dead_port, own

__all__ = ["dead_port"]

GIVES = {
    "get": (("k",), None),
    "get_many": (("k", "l"), [None, None]),
    "get_dict": (("k", "l"), {"k": None, "l": None}),
    "has": (("k",), False),
    "set": (("k", "v"), False),
    "set_many": (({"k": "v"},), []),
    "touch": (("k", 60), False),
    "delete": (("k",), False),
    "delete_many": (("k", "l"), ["k", "l"]),
}

RAISES = {"add": ("k", "v"), "inc": ("k",), "dec": ("k",), "clear": ()}


@pytest.fixture
def lost(dead_port) -> KyotoTycoonCache:
    """A backend that ignores errors, on a server that is gone."""
    return KyotoTycoonCache(f"kt://127.0.0.1:{dead_port}", **own(ignore_errors=True))


@pytest.mark.parametrize("name", GIVES)
def test_ignored(lost, name):
    """Each call gives what it gives for a missing key or a failed write, of its very type."""
    arguments, gives = GIVES[name]
    for _ in range(5):  # the first ones fail at the server, the others at the circuit breaker
        given = getattr(lost, name)(*arguments)
        assert given == gives
        assert type(given) is type(gives)


@pytest.mark.parametrize("name", RAISES)
def test_never_ignored(lost, name):
    """Calls whose answer decides something raise, whatever the option says."""
    for _ in range(5):
        with pytest.raises(TransportError):
            getattr(lost, name)(*RAISES[name])


def test_extension(dead_port):
    """The extension takes the options, too, and a page with it goes on."""
    options = own(ignore_errors=True, breaker_threshold=2, breaker_reset=60)
    app = make_app(KT_CACHE_URL=f"kt://127.0.0.1:{dead_port}", KT_CACHE_OPTIONS=options)
    cache = KTCache(app)
    app.add_url_rule("/", view_func=lambda: cache.get("k") or "made anew")
    for _ in range(4):
        assert app.test_client().get("/").text == "made anew"


def test_flask_caching(dead_port):
    """Under Flask-Caching, direct calls go on as well as the decorators."""
    app = make_app(
        CACHE_TYPE="kt_cache.flask.KyotoTycoonCache",
        CACHE_KT_URL=f"kt://127.0.0.1:{dead_port}",
        CACHE_OPTIONS=own(ignore_errors=True),
    )
    cache = Cache(app)
    square = cache.memoize(timeout=60)(lambda number: number * number)
    with app.app_context():
        for _ in range(4):
            assert cache.get("k") is None
            assert cache.set("k", "v") is False
            assert square(3) == 9


def test_sessions_take_no_such_option(dead_port):
    """Sessions cannot ignore errors, which would log everybody out; a breaker they can have."""
    app = make_app(
        SECRET_KEY="s",
        KT_SESSION_URL=f"kt://127.0.0.1:{dead_port}",
        KT_SESSION_OPTIONS=own(ignore_errors=True),
    )
    with pytest.raises(ConfigError, match="unknown option 'ignore_errors'"):
        KTSession(app)
    app.config["KT_SESSION_OPTIONS"] = own(breaker_threshold=2)
    KTSession(app)


def test_wrong_option():
    """A wrong value is refused at once, and the message names the option."""
    with pytest.raises(ConfigError, match="breaker_threshold must be a whole number"):
        KyotoTycoonCache("kt://127.0.0.1:9", breaker_threshold=0.5)
