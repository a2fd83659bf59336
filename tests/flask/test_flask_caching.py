"""Flask-Caching, the package from PyPI, on our backend: all it does, from end to end."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from flask import Flask, render_template_string, request
from flask_caching import Cache
from werkzeug.test import TestResponse

from kt_cache import NEVER, KyotoTycoon
from kt_cache.errors import ConfigError, KTError
from kt_cache.flask import KyotoTycoonCache
from tests.flask.conftest import make_app
from tests.support.peers import nobody_listens

CACHE_TYPE = "kt_cache.flask.KyotoTycoonCache"


def make_site(**config) -> tuple[Flask, Cache]:
    """Return an app and its cache, with whatever the configuration says besides the backend."""
    app = make_app(CACHE_TYPE=CACHE_TYPE, **config)
    return app, Cache(app)


@pytest.fixture
def site(url):
    return make_site(CACHE_KT_URL=url)


@pytest.fixture
def app(site):
    return site[0]


@pytest.fixture
def cache(site):
    """The cache, in the context of its app."""
    app, cache = site
    with app.app_context():
        yield cache


class TestCachedViews:
    def test_a_view_runs_once(self, app, cache):
        """``cached`` keeps a view's answer; each path has its own."""
        runs = itertools.count(1)

        @app.get("/page/<name>")
        @cache.cached(timeout=60)
        def page(name):
            return f"{name} {next(runs)}"

        visitor = app.test_client()
        assert [visitor.get(f"/page/{name}").text for name in "aab"] == ["a 1", "a 1", "b 2"]

    def test_headers_and_status_are_kept(self, app, cache):
        """A cached answer has the status and headers of the first one."""

        @app.get("/")
        @cache.cached()
        def teapot():
            return {"tea": True}, 418, {"X-Tea": "Earl Grey"}

        answers = [app.test_client().get("/") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [418, 418]
        assert [answer.headers["X-Tea"] for answer in answers] == ["Earl Grey"] * 2
        assert answers[1].json == {"tea": True}

    def test_query_strings(self, app, cache):
        """With ``query_string`` each set of arguments has an answer, in whatever order."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(query_string=True)
        def search():
            return f"{request.args['q']} {next(runs)}"

        visitor = app.test_client()
        paths = ["/?q=a&p=1", "/?p=1&q=a", "/?q=b"]
        assert [visitor.get(path).text for path in paths] == ["a 1", "a 1", "b 2"]

    def test_unless_and_response_filter(self, app, cache):
        """An answer is kept only if ``unless`` and ``response_filter`` let it."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(
            unless=lambda: "fresh" in request.args,
            response_filter=lambda answer: answer != "1",
        )
        def page():
            return str(next(runs))

        visitor = app.test_client()
        assert [visitor.get(path).text for path in ["/", "/", "/", "/?fresh"]] == list("1223")

    def test_async_views(self, app, cache):
        """``cached`` keeps the answer of an ``async def`` view."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        async def page():
            return str(next(runs))

        assert [app.test_client().get("/").text for _ in range(2)] == ["1", "1"]

    def test_all_processes_share_the_answers(self, url):
        """A second app with the same settings, as in another worker, finds what the first kept."""

        def answer(text: str) -> TestResponse:
            app, cache = make_site(CACHE_KT_URL=url)
            app.add_url_rule("/", view_func=cache.cached(timeout=60)(lambda: text), endpoint="page")
            return app.test_client().get("/")

        assert [answer("first").text, answer("second").text] == ["first", "first"]


class TestFunctions:
    def test_cached_function(self, cache):
        """``cached`` with a key prefix keeps a function's value, None included if asked."""
        runs = itertools.count(1)

        @cache.cached(key_prefix="numbers", timeout=60)
        def numbers():
            return [next(runs)]

        assert [numbers(), numbers()] == [[1], [1]]
        cache.delete("numbers")
        assert numbers() == [2]

        @cache.cached(key_prefix="nothing", cache_none=True)
        def nothing():
            next(runs)

        nothing()
        nothing()
        assert next(runs) == 4

    def test_memoize(self, cache):
        """``memoize`` keeps a value for each set of arguments, however they are passed."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def add(a, b=0):
            return (a + b, next(runs))

        assert [add(1, 2), add(1, 2), add(a=1, b=2), add(1)] == [(3, 1), (3, 1), (3, 1), (1, 2)]

    def test_delete_memoized(self, cache):
        """``delete_memoized`` forgets one set of arguments, or all of a function."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def number(a):
            return (a, next(runs))

        @cache.memoize(60)
        def other(a):
            return next(runs)

        assert [number(1), number(2), other(1)] == [(1, 1), (2, 2), 3]
        cache.delete_memoized(number, 1)
        assert [number(1), number(2), other(1)] == [(1, 4), (2, 2), 3]
        cache.delete_memoized(number)
        assert [number(1), number(2), other(1)] == [(1, 5), (2, 6), 3]

    def test_delete_memoized_methods(self, cache):
        """A method can be forgotten for one object, one call, or the whole class."""
        runs = itertools.count(1)

        class Adder:
            def __init__(self, name):
                self.name = name

            def __repr__(self):
                return f"Adder({self.name})"

            @cache.memoize(60)
            def add(self, number):
                return next(runs)

        one, two = Adder("one"), Adder("two")
        assert [one.add(1), one.add(2), two.add(1)] == [1, 2, 3]
        assert [one.add(1), one.add(2), two.add(1)] == [1, 2, 3]
        cache.delete_memoized(one.add, one, 1)
        assert [one.add(1), one.add(2), two.add(1)] == [4, 2, 3]
        cache.delete_memoized(one.add)
        assert [one.add(1), one.add(2), two.add(1)] == [5, 6, 3]
        cache.delete_memoized(Adder.add)
        assert [one.add(1), one.add(2), two.add(1)] == [7, 8, 9]

    def test_delete_memoized_classmethods(self, cache):
        """A class method is forgotten by its name on the class."""
        runs = itertools.count(1)

        class Shop:
            @classmethod
            @cache.memoize(60)
            def count(cls, what):
                return next(runs)

        assert [Shop.count("a"), Shop.count("b"), Shop.count("a")] == [1, 2, 1]
        cache.delete_memoized(Shop.count, Shop, "a")
        assert [Shop.count("a"), Shop.count("b")] == [3, 2]
        cache.delete_memoized(Shop.count)
        assert [Shop.count("a"), Shop.count("b")] == [4, 5]

    def test_timeouts(self, cache, client: KyotoTycoon):
        """A decorator's timeout is the record's; 0 is for ever, and so are its version records."""

        @cache.memoize(timeout=timedelta(minutes=10))
        def short(a):
            return a

        @cache.memoize(timeout=0)
        def endless(a):
            return a

        short(1)
        assert NEVER not in {client.expire_time(key) for key in client.match_prefix("flask_cache_")}
        client.clear()
        endless(1)
        assert {client.expire_time(key) for key in client.match_prefix("flask_cache_")} == {NEVER}


class TestCacheObject:
    def test_its_calls_are_the_backends(self, cache):
        """The extension passes its calls on, with cachelib's answers."""
        assert cache.set("a", 1)
        assert cache.set_many({"b": 2}) == ["b"]
        assert cache.add("b", 3) is False
        assert cache.get_many("b", "missing", "a") == [2, None, 1]
        assert cache.get_dict("a") == {"a": 1}
        assert cache.has("a") is True
        assert cache.delete("a") is True
        assert cache.delete_many("b") == ["b"]
        assert cache.cache.inc("n") == 1

    def test_clear(self, cache, client: KyotoTycoon):
        """``clear`` removes what this cache stored and nothing else."""
        client.set("by hand", "kept")
        cache.set("k", 1)
        assert cache.clear() is True
        assert cache.get("k") is None
        assert client.get("by hand") == "kept"

    def test_the_template_tag(self, app, cache):
        """The ``{% cache %}`` block of a template is made once."""
        runs = itertools.count(1)
        source = "{% cache 60, 'block' %}{{ next(runs) }}{% endcache %} {{ next(runs) }}"
        with app.test_request_context():
            pages = [render_template_string(source, next=next, runs=runs) for _ in range(2)]
        assert pages == ["1 2", "1 3"]

    def test_a_server_that_is_away(self, caplog):
        """Decorators answer without a cache, as with every backend; direct calls raise."""
        with nobody_listens() as port:
            app, cache = make_site(CACHE_KT_URL=f"127.0.0.1:{port}")
            app.add_url_rule("/", view_func=cache.cached()(lambda: "fresh"), endpoint="page")
            answer = app.test_client().get("/")
            assert (answer.status_code, answer.text) == (200, "fresh")
            assert "possibly due to cache backend" in caplog.text
            with app.app_context(), pytest.raises(KTError):
                cache.get("k")


class TestConfiguration:
    def backend(self, **config) -> KyotoTycoonCache:
        app, cache = make_site(**config)
        with app.app_context():
            return cache.cache

    def test_the_url(self, url):
        """The server is ``CACHE_KT_URL``, or the one entry of ``CACHE_ARGS``."""
        for config in ({"CACHE_KT_URL": url}, {"CACHE_ARGS": [url]}):
            backend = self.backend(**config)
            assert type(backend) is KyotoTycoonCache
            assert f"kt://{backend.cache.store.config.address}" == url

    @pytest.mark.parametrize(
        ("config", "stored"),
        [
            ({}, b"flask_cache_:1:k"),
            ({"CACHE_KEY_PREFIX": "shop"}, b"shop:1:k"),
            ({"CACHE_KEY_PREFIX": ""}, b":1:k"),
            ({"CACHE_OPTIONS": {"key_prefix": "shop"}}, b"shop:1:k"),
        ],
        ids=str,
    )
    def test_the_prefix(self, url, config, stored):
        """Keys begin with ``CACHE_KEY_PREFIX``, whose default is Flask-Caching's own."""
        assert self.backend(CACHE_KT_URL=url, **config).make_key("k") == stored

    def test_the_default_timeout(self, url):
        """``CACHE_DEFAULT_TIMEOUT`` is seconds or a ``timedelta``; 300 if it is not set."""
        for given, seconds in [({}, 300), ({"CACHE_DEFAULT_TIMEOUT": timedelta(hours=1)}, 3600)]:
            assert self.backend(CACHE_KT_URL=url, **given).default_timeout == seconds

    def test_options(self, url):
        """``CACHE_OPTIONS`` takes the serializer and the limits of the connections."""
        options = {"serializer": "json", "read_timeout": 1.5}
        backend = self.backend(CACHE_KT_URL=url, CACHE_OPTIONS=options)
        assert backend.cache.codec.serializer.name == "json"
        assert backend.cache.store.config.read_timeout == 1.5

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
        ],
        ids=lambda part: part if isinstance(part, str) else "-".join(part),
    )
    def test_wrong_settings_fail_at_the_start(self, config, message):
        """What is not understood is an error of ``init_app``, not of the first request."""
        with pytest.raises(ConfigError, match=message):
            make_site(**{"CACHE_KT_URL": "127.0.0.1:1978", **config})

    def test_another_serializer_of_cachelib_is_refused(self):
        """``CACHE_SERIALIZER`` would not be used, so it is an error instead of a surprise."""
        serializers = pytest.importorskip("cachelib.serializers")
        with pytest.raises(ConfigError, match=r"CACHE_OPTIONS, such as \{'serializer': 'json'\}"):
            make_site(CACHE_KT_URL="127.0.0.1:1978", CACHE_SERIALIZER=serializers.BaseSerializer())

    def test_two_apps_with_one_cache(self, url):
        """One extension object serves several apps, each with its own prefix."""
        cache = Cache()
        apps = [
            make_app(CACHE_TYPE=CACHE_TYPE, CACHE_KT_URL=url, CACHE_KEY_PREFIX=prefix)
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
