"""Flask-Caching on our backend: what each setting means, and several caches and apps at once."""

from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta

import pytest
from flask import render_template_string
from flask_caching import Cache

from kt_cache import KyotoTycoon
from kt_cache.errors import ConfigError
from kt_cache.flask import KyotoTycoonCache
from tests.flask.caching_site import CACHE_TYPE, SINCE_2_5, make_site
from tests.flask.conftest import make_app

KEY = "a signing key for the tests"


def backend_of(**config) -> KyotoTycoonCache:
    app, cache = make_site(**config)
    with app.app_context():
        return cache.cache


def test_the_url(any_url):
    """The server is ``CACHE_KT_URL``, or the one entry of ``CACHE_ARGS``."""
    for config in ({"CACHE_KT_URL": any_url}, {"CACHE_ARGS": [any_url]}):
        backend = backend_of(**config)
        assert type(backend) is KyotoTycoonCache
        assert f"kt://{backend.cache.store.config.address}" == any_url


@pytest.mark.parametrize(
    ("config", "stored"),
    [
        ({}, "flask_cache_:1:k"),
        ({"CACHE_KEY_PREFIX": "shop"}, "shop:1:k"),
        ({"CACHE_KEY_PREFIX": ""}, ":1:k"),
        ({"CACHE_OPTIONS": {"key_prefix": "shop"}}, "shop:1:k"),
    ],
    ids=str,
)
def test_the_prefix(any_url, kt: KyotoTycoon, config, stored):
    """Keys begin with ``CACHE_KEY_PREFIX``, whose default is Flask-Caching's own."""
    app, cache = make_site(CACHE_KT_URL=any_url, **config)
    with app.app_context():
        cache.set("k", 1)
        assert cache.cache.make_key("k") == stored.encode()
    assert kt.match_prefix("") == [stored]


def test_the_default_timeout(url):
    """``CACHE_DEFAULT_TIMEOUT`` is seconds or a ``timedelta``; 300 if it is not set."""
    for given, seconds in [({}, 300), ({"CACHE_DEFAULT_TIMEOUT": timedelta(hours=1)}, 3600)]:
        assert backend_of(CACHE_KT_URL=url, **given).default_timeout == seconds


def test_limits(url):
    """``CACHE_OPTIONS`` takes the limits of the connections."""
    backend = backend_of(CACHE_KT_URL=url, CACHE_OPTIONS={"read_timeout": 1.5})
    assert backend.cache.store.config.read_timeout == 1.5


@SINCE_2_5
def test_the_hash_method(any_url, kt: KyotoTycoon):
    """Settings that are Flask-Caching's own go on meaning what they mean."""
    app, cache = make_site(CACHE_KT_URL=any_url, CACHE_HASH_METHOD=hashlib.sha1)
    app.add_url_rule(
        "/", view_func=cache.cached(query_string=True)(lambda: "page"), endpoint="page"
    )
    assert app.test_client().get("/?q=1").text == "page"
    (key,) = kt.match_prefix("")
    assert key.endswith(hashlib.sha1(str((("q", "1"),)).encode()).hexdigest())


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": "json"},
        {"serializer": "msgpack"},
        {"serializer": "json", "compressor": "zlib", "compress_threshold": 1},
        {"serializer": "msgpack", "signing_keys": [KEY]},
        {"signing_keys": [KEY, "the key that was in use before"]},
    ],
    ids=str,
)
class TestValues:
    """The decorators and the template tag with other serializers, compressed and signed."""

    @pytest.fixture
    def site(self, any_url, options):
        app, cache = make_site(CACHE_KT_URL=any_url, CACHE_OPTIONS=options)
        with app.app_context():
            yield app, cache

    def test_functions(self, site):
        """Values that the serializer takes are kept and forgotten."""
        _app, cache = site
        runs = itertools.count(1)

        @cache.memoize(60)
        def rows(a):
            return [{"a": a, "text": "größer" * 100, "run": next(runs)}]

        first = rows(1)
        assert rows(1) == first == [{"a": 1, "text": "größer" * 100, "run": 1}]
        cache.delete_memoized(rows, 1)
        assert rows(1)[0]["run"] == 2
        cache.delete_memoized(rows)
        assert rows(1)[0]["run"] == 3

    def test_pages(self, site):
        """Views that return text, and blocks of templates, are kept."""
        app, cache = site
        runs = itertools.count(1)
        source = "{% cache 60, 'block' %}<b>{{ next(runs) }}</b>{% endcache %}"

        @app.get("/")
        @cache.cached()
        def page():
            return f"{next(runs)} " + render_template_string(source, next=next, runs=runs)

        @app.get("/block")
        def block():
            return render_template_string(source, next=next, runs=runs)

        visitor = app.test_client()
        texts = [visitor.get(path).text for path in ("/", "/", "/block")]
        assert texts == ["1 <b>2</b>", "1 <b>2</b>", "<b>2</b>"]


def test_a_serializer_that_does_not_take_a_value(any_url, caplog):
    """What JSON cannot say, such as a response object, is made each time, and the log says so."""
    app, cache = make_site(CACHE_KT_URL=any_url, CACHE_OPTIONS={"serializer": "json"})
    runs = itertools.count(1)

    @app.get("/")
    @cache.cached()
    def page():
        return app.make_response(str(next(runs)))

    visitor = app.test_client()
    assert [visitor.get("/").text for _ in range(2)] == ["1", "2"]
    assert "possibly due to cache backend" in caplog.text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"CACHE_KT_URL": None}, "set CACHE_KT_URL to the server"),
        ({"CACHE_ARGS": ["127.0.0.1:1978"]}, "CACHE_ARGS may hold the URL instead"),
        ({"CACHE_KT_URL": None, "CACHE_ARGS": ["127.0.0.1", 60]}, "and nothing else"),
        ({"CACHE_KT_URL": "memcached://localhost"}, "unknown scheme 'memcached'"),
        ({"CACHE_OPTIONS": {"timeout": 1}}, "unknown option 'timeout'"),
        ({"CACHE_OPTIONS": {"max_size": 0}}, "max_size must be a whole number"),
        ({"CACHE_KEY_PREFIX": lambda: "shop"}, "key_prefix must be text"),
        ({"CACHE_DEFAULT_TIMEOUT": None}, "default_timeout must be whole seconds"),
        ({"CACHE_DEFAULT_TIMEOUT": -1}, "nothing would ever be kept; 0 is for ever"),
        ({"CACHE_KT_OPTIONS": {}}, "'CACHE_KT_OPTIONS'; did you mean 'CACHE_OPTIONS'"),
        ({"CACHE_KT_TIMEOUT": 60}, "did you mean 'CACHE_DEFAULT_TIMEOUT'"),
        ({"CACHE_KT_KEY_PREFIX": "shop"}, "did you mean 'CACHE_KEY_PREFIX'"),
        ({"CACHE_KT_PREFIX": "shop"}, "did you mean 'CACHE_KEY_PREFIX'"),
        ({"CACHE_KT_HOST": "localhost"}, "did you mean 'CACHE_KT_URL'"),
        (
            {"CACHE_KT_SERIALIZER": "json"},
            r"did you mean app\.config\['CACHE_OPTIONS'\] = {'serializer': \.\.\.}",
        ),
        ({"CACHE_KT_FOO": 1}, "known are: CACHE_DEFAULT_TIMEOUT, CACHE_KEY_PREFIX, CACHE_KT_URL"),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_wrong_settings_fail_at_the_start(config, message):
    """What is not understood is an error of ``init_app``, not of the first request."""
    with pytest.raises(ConfigError, match=message):
        make_site(**{"CACHE_KT_URL": "127.0.0.1:1978", **config})


def test_other_settings_stay_with_others():
    """What Flask-Caching and its other backends have settings for is not looked at."""
    others = {"CACHE_REDIS_URL": "redis://localhost", "CACHE_THRESHOLD": 500, "CACHE_DIR": "/tmp"}
    assert backend_of(CACHE_KT_URL="127.0.0.1:1978", **others).default_timeout == 300


def test_another_serializer_of_cachelib_is_refused():
    """``CACHE_SERIALIZER`` would not be used, so it is an error instead of a surprise."""
    serializers = pytest.importorskip("cachelib.serializers")
    with pytest.raises(ConfigError, match=r"CACHE_OPTIONS, such as \{'serializer': 'json'\}"):
        make_site(CACHE_KT_URL="127.0.0.1:1978", CACHE_SERIALIZER=serializers.BaseSerializer())


def test_two_apps_with_one_cache(any_url):
    """One extension object serves several apps, each with its own prefix."""
    cache = Cache()
    apps = [
        make_app(CACHE_TYPE=CACHE_TYPE, CACHE_KT_URL=any_url, CACHE_KEY_PREFIX=prefix)
        for prefix in ("one", "two")
    ]
    for number, app in enumerate(apps):
        cache.init_app(app)
        with app.app_context():
            cache.set("k", number)
    for number, app in enumerate(apps):
        with app.app_context():
            assert cache.get("k") == number
    with apps[0].app_context():
        cache.clear()
    with apps[1].app_context():
        assert cache.get("k") == 1


def test_two_caches_in_one_app(any_url):
    """Two extension objects with settings of their own do not see each other's values."""
    app = make_app(CACHE_KT_URL=any_url, CACHE_TYPE=CACHE_TYPE)
    short = Cache(app, config={"CACHE_KEY_PREFIX": "short", "CACHE_DEFAULT_TIMEOUT": 60})
    long = Cache(
        app,
        config={
            "CACHE_KEY_PREFIX": "long",
            "CACHE_DEFAULT_TIMEOUT": 86400,
            "CACHE_OPTIONS": {"serializer": "json"},
        },
    )
    runs = itertools.count(1)

    def page():
        return str(next(runs))

    for name, cache in (("short", short), ("long", long)):
        app.add_url_rule(f"/{name}", view_func=cache.cached()(page), endpoint=name)
    numbers = [cache.memoize()(lambda a: [a, next(runs)]) for cache in (short, long)]
    visitor = app.test_client()

    def seen():
        with app.app_context():
            values = [number(0) for number in numbers]
        return [visitor.get("/short").text, visitor.get("/long").text, *values]

    assert seen() == seen() == ["3", "4", [0, 1], [0, 2]]
    with app.app_context():
        assert [short.cache.default_timeout, long.cache.default_timeout] == [60, 86400]
        short.clear()
    assert seen() == ["6", "4", [0, 5], [0, 2]]
