"""Wrong settings fail at the start with a clear text; optional packages stay optional."""

from __future__ import annotations

import flask_caching.backends.base
import pytest

from kt_cache.errors import ConfigError
from kt_cache.flask import KyotoTycoonCache
from tests.support.programs import run_program

URL = "kt://127.0.0.1:1978"

WRONG = {
    "no url": ({"url": ""}, "the location must be 'host:port'"),
    "another scheme": ({"url": "redis://localhost"}, "unknown scheme 'redis'"),
    "misspelt option": ({"read_timeot": 1}, "'read_timeot'; did you mean 'read_timeout'"),
    "unknown option": ({"CULL": 500}, "unknown option 'CULL'; known are: breaker_reset"),
    "wrong option": ({"read_timeout": "soon"}, "read_timeout must be a positive number"),
    "wrong serializer": ({"serializer": "yaml"}, "serializer: unknown serializer 'yaml'"),
    "fractional default": ({"default_timeout": 1.5}, "default_timeout must be whole seconds"),
    "no default": ({"default_timeout": None}, "default_timeout must be whole seconds"),
    "true as default": ({"default_timeout": True}, "default_timeout must be whole seconds"),
    "no prefix": ({"key_prefix": None}, "key_prefix must be text, not None"),
    "computed prefix": ({"key_prefix": len}, "key_prefix must be text, not <built-in"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(wrong, message):
    """An argument that is not understood is a ConfigError that says what is accepted."""
    with pytest.raises(ConfigError, match=message):
        KyotoTycoonCache(**{"url": URL, **wrong})


def test_options_reach_the_connections():
    """The options beside the serializer are those of the connection pool."""
    backend = KyotoTycoonCache("kt://cache.example:2000/3", read_timeout=1.5, max_size=7)
    store = backend.cache.store
    assert (store.config.host, store.config.port, store.db) == ("cache.example", 2000, 3)
    assert (store.config.read_timeout, store.config.max_size) == (1.5, 7)


def test_nothing_is_connected_before_the_first_call():
    """A backend can be made while the server is away."""
    assert KyotoTycoonCache("127.0.0.1:9").make_key("k") == b"flask:1:k"


def test_it_is_what_flask_caching_asks_for():
    """Where Flask-Caching is installed, the backend is one of its own kind."""
    assert issubclass(KyotoTycoonCache, flask_caching.backends.base.BaseCache)


WITHOUT = """
import sys

sys.modules["flask_caching"] = None  # as if it were not installed
import cachelib
from kt_cache.flask import KTCache, KyotoTycoonCache

assert cachelib.BaseCache in KyotoTycoonCache.__bases__
backend = KyotoTycoonCache(sys.argv[1], key_prefix="without")
assert backend.set("k", {"a": 1}, timeout=0) is True
assert backend.get_dict("k", "missing") == {"k": {"a": 1}, "missing": None}
assert [backend.inc("n"), backend.dec("n", 3)] == [1, -2]
assert backend.add("n", 1) is False
assert backend.clear() is True
assert backend.has("k") is False
print("ok")
"""


def test_it_works_without_flask_caching(url):
    """Without Flask-Caching the backend stands on cachelib itself and does the same."""
    assert run_program(WITHOUT, url) == "ok\n"


def test_it_needs_cachelib_and_flask_only():
    """The Flask adapters load neither Django nor Flask-Session, nor the package's other extras."""
    source = """
    import sys
    import kt_cache.flask

    names = ("django", "flask_session", "lupa", "uvloop", "sortedcontainers")
    print([name for name in names if name in sys.modules])
    """
    assert run_program(source) == "[]\n"


def test_values_are_stored_as_asked_for(any_url):
    """The options for values reach the codec, as in Django."""
    options = {"serializer": "json", "compressor": "zlib", "signing_keys": "a key of this site"}
    backend, plain = KyotoTycoonCache(any_url, **options), KyotoTycoonCache(any_url)
    value = {"text": "x" * 5000}
    assert backend.set("k", value)
    assert backend.get("k") == value
    assert len(backend.client.get_bytes(backend.make_key("k"))) < 500
    assert plain.get("k") is None
    assert plain.set("k", value)
    assert backend.get("k") is None
    assert backend.inc("n") == 1
