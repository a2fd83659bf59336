"""KTCache: the cache as an extension of one or several apps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from kt_cache import NEVER, EmbeddedServer
from kt_cache.errors import ConfigError, KTError
from kt_cache.flask import KTCache, KyotoTycoonCache
from tests.flask.conftest import make_app, url_of
from tests.support.peers import nobody_listens
from tests.support.threads import run_threads


@pytest.fixture
def app(any_url) -> Flask:
    """An app on an empty database, on each kind of server in turn."""
    return make_app(KT_CACHE_URL=any_url)


@pytest.fixture
def cache(app) -> KTCache:
    """The cache of that app alone."""
    return KTCache(app)


def add_counter(app: Flask, cache: KTCache) -> None:
    """Add a page that counts its visits."""
    app.add_url_rule("/", view_func=lambda: str(cache.incr("visits")), endpoint="counter")


class TestCalls:
    def test_single_values(self, cache):
        """The calls and answers are cachelib's, and hold for any value."""
        assert cache.get("k") is None
        assert cache.set("k", {"a": (1, None)}) is True
        assert cache.get("k") == {"a": (1, None)}
        assert cache.has("k") is True
        assert cache.add("k", 1) is False
        assert cache.add("other", 1) is True
        assert cache.delete("k") is True
        assert cache.delete("k") is False

    def test_many_values(self, cache):
        """Lists come in the order of the keys."""
        assert cache.set_many({"a": 1, "b": 2}) == ["a", "b"]
        assert cache.get_many("b", "missing", "a") == [2, None, 1]
        assert cache.get_dict("a", "missing") == {"a": 1, "missing": None}
        assert cache.delete_many("a", "missing") == ["a", "missing"]
        assert cache.clear() is True
        assert cache.get("b") is None

    def test_numbers(self, cache):
        """``incr`` and ``decr`` count from 0 and refuse what is not an ``int``."""
        assert [cache.incr("n"), cache.incr("n", 5), cache.decr("n"), cache.decr("n", 9)] == [
            1,
            6,
            5,
            -4,
        ]
        cache.set("k", "text")
        with pytest.raises(TypeError):
            cache.incr("k")

    def test_timeouts(self, cache):
        """None is the default, 0 for ever, below 0 gone at once; ``touch`` changes it."""
        cache.set("k", "v", timeout=0)
        assert cache.client.expire_time(cache.make_key("k")) == NEVER
        assert cache.touch("k", timedelta(hours=1)) is True
        assert cache.client.expire_time(cache.make_key("k")) != NEVER
        cache.set("k", "v", timeout=-1)
        assert cache.has("k") is False
        assert cache.touch("k", 10) is False

    def test_the_direct_client(self, cache):
        """``client`` and ``make_key`` show the records as the server has them."""
        cache.incr("n", 41)
        assert cache.client.get_bytes(cache.make_key("n")) == b"41"


class TestApps:
    def test_an_app_factory(self, url):
        """The cache is created without an app and bound to it by ``init_app``."""
        cache = KTCache()
        app = make_app(KT_CACHE_URL=url)
        cache.init_app(app)
        add_counter(app, cache)
        visitor = app.test_client()
        assert [visitor.get("/").text for _ in range(3)] == ["1", "2", "3"]
        with app.app_context():
            assert cache.get("visits") == 3

    def test_several_apps_in_one_process(self, url):
        """One cache object serves several apps; each has its prefix, and none sees another's."""
        cache = KTCache()
        apps = [make_app(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX=name) for name in ("one", "two")]
        for app in apps:
            cache.init_app(app)
            add_counter(app, cache)
        one, two = (app.test_client() for app in apps)
        assert [one.get("/").text, one.get("/").text, two.get("/").text] == ["1", "2", "1"]
        with apps[0].app_context():
            cache.clear()
            assert cache.get("visits") is None
            with apps[1].app_context():
                assert cache.get("visits") == 1
        assert [one.get("/").text, two.get("/").text] == ["1", "2"]

    def test_several_caches_of_one_app(self, url):
        """An app may have two caches; each keeps the configuration it was bound with."""
        app = make_app(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX="one")
        one = KTCache(app)
        app.config["KT_CACHE_KEY_PREFIX"] = "two"
        two = KTCache(app)
        one.set("k", 1)
        two.set("k", 2)
        assert [one.get("k"), two.get("k")] == [1, 2]

    def test_apps_of_one_process_share_connections(self, url):
        """All apps and caches with the same server and options use one pool."""
        caches = [KTCache(make_app(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX=name)) for name in "ab"]
        for cache in caches:
            cache.set("k", 1)
        first, second = (cache.client for cache in caches)
        before = first.pool_stats.open
        run_threads(4, lambda number: [cache.get("k") for cache in caches])
        assert first.pool_stats == second.pool_stats
        assert first.pool_stats.open <= max(before, 4)

    def test_outside_of_an_app(self, url):
        """A cache of no app in particular says what it lacks; one of an app needs no context."""
        cache = KTCache()
        with pytest.raises(RuntimeError, match=r"in a request or in app\.app_context\(\)"):
            cache.get("k")
        own = KTCache(make_app(KT_CACHE_URL=url))
        assert own.set("k", 1) is True
        assert own.get("k") == 1

    def test_an_app_it_does_not_know(self, url):
        """In the context of another app, a cache does not fall back to its own one's values."""
        own = KTCache(make_app(KT_CACHE_URL=url))
        with make_app().app_context():
            for cache in (own, KTCache()):
                with pytest.raises(RuntimeError, match=r"does not know the app 'site'.*init_app"):
                    cache.get("k")


class TestConfiguration:
    def test_settings(self):
        """URL, prefix, default timeout and options are read from the app's configuration."""
        app = make_app(
            KT_CACHE_URL="kt://cache.example:2000/3",
            KT_CACHE_KEY_PREFIX="shop",
            KT_CACHE_DEFAULT_TIMEOUT=timedelta(hours=1),
            KT_CACHE_OPTIONS={"serializer": "json", "read_timeout": 1.5},
        )
        backend = KTCache(app).backend
        assert type(backend) is KyotoTycoonCache
        assert backend.default_timeout == 3600
        assert backend.make_key("k") == b"shop:1:k"
        assert backend.cache.codec.serializer.name == "json"
        store = backend.cache.store
        assert (store.config.address, store.client.default_db) == ("cache.example:2000", 3)
        assert store.config.read_timeout == 1.5

    def test_defaults(self):
        """Only the URL must be set."""
        backend = KTCache(make_app(KT_CACHE_URL="localhost")).backend
        assert backend.default_timeout == 300
        assert backend.make_key("k") == b"flask:1:k"
        assert backend.cache.store.config.port == 1978

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"KT_CACHE_URL": None}, r"set app\.config\['KT_CACHE_URL'\] to the server"),
            ({"KT_CACHE_URL": "redis://localhost"}, "'KT_CACHE_URL'.: unknown scheme 'redis'"),
            ({"KT_CACHE_URL": 1978}, r"\['KT_CACHE_URL'\]: the location must be .* not 1978"),
            ({"KT_CACHE_OPTIONS": {"read_timeot": 1}}, r"\['KT_CACHE_OPTIONS'\]: .*'read_timeout'"),
            ({"KT_CACHE_OPTIONS": {"read_timeout": 0}}, r"\['KT_CACHE_OPTIONS'\]: read_timeout"),
            ({"KT_CACHE_OPTIONS": {"key_prefix": "shop"}}, "unknown option 'key_prefix'"),
            ({"KT_CACHE_OPTIONS": ["json"]}, r"\['KT_CACHE_OPTIONS'\] must be a dictionary"),
            (
                {"KT_CACHE_OPTIONS": {"serializer": "yaml"}},
                "'KT_CACHE_OPTIONS'.: .*serializer 'yaml'",
            ),
            ({"KT_CACHE_OPTIONS": {"signing_keys": []}}, "signing_keys: there must be at least"),
            ({"KT_CACHE_OPTIONS": {"compressor": "gzip"}}, "compressor: there is no compressor"),
            ({"KT_CACHE_KEY_PREFIX": None}, r"\['KT_CACHE_KEY_PREFIX'\]: key_prefix must be text"),
            (
                {"KT_CACHE_DEFAULT_TIMEOUT": "60"},
                r"\['KT_CACHE_DEFAULT_TIMEOUT'\]: default_timeout",
            ),
            (
                {"KT_CACHE_DEFAULT_TIMEOUT": -1},
                r"\['KT_CACHE_DEFAULT_TIMEOUT'\]: .* below 0.* 0 is for ever",
            ),
            ({"KT_CACHE_OPTIONS": {"observer": 5}}, r"\['KT_CACHE_OPTIONS'\]: observer must be a"),
            ({"KT_CACHES": {}}, "'KT_CACHES'; did you mean 'KT_CACHE_OPTIONS'"),
            ({"KT_CACHE_URI": "localhost"}, "'KT_CACHE_URI'; did you mean 'KT_CACHE_URL'"),
            ({"KT_CACHE_LOCATION": "localhost"}, "did you mean 'KT_CACHE_URL'"),
            ({"KT_CACHE_TIMEOUT": 60}, "did you mean 'KT_CACHE_DEFAULT_TIMEOUT'"),
            ({"KT_CACHE_PREFIX": "shop"}, "did you mean 'KT_CACHE_KEY_PREFIX'"),
            (
                {"KT_CACHE_SERIALIZER": "json"},
                r"did you mean app\.config\['KT_CACHE_OPTIONS'\] = {'serializer': \.\.\.}",
            ),
            ({"KT_CACHE_SIGNING_KEY": b"secret"}, "= {'signing_keys': "),
            ({"KT_CACHE_SOCKET_TIMEOUT": 1}, r"calls it 'read_timeout' .*\['KT_CACHE_OPTIONS'\]"),
            ({"KT_CACHE_PASSWORD": "secret"}, "remove it: the server knows no users"),
            ({"KT_CACHE_FOO": 1}, "known are: KT_CACHE_DEFAULT_TIMEOUT, KT_CACHE_KEY_PREFIX"),
        ],
        ids=str,
    )
    def test_wrong_settings_fail_at_the_start(self, config, message):
        """What is not understood is an error of ``init_app``, not of the first request."""
        with pytest.raises(ConfigError, match=message):
            KTCache(make_app(**{"KT_CACHE_URL": "localhost", **config}))

    def test_what_is_understood_stays(self, url):
        """A second ``init_app`` with wrong settings leaves the app as it was."""
        app = make_app(KT_CACHE_URL=url)
        cache = KTCache(app)
        app.config["KT_CACHE_URI"] = url
        with pytest.raises(ConfigError):
            cache.init_app(app)
        assert cache.get("k") is None

    def test_from_the_environment(self, monkeypatch):
        """Settings may come from the environment, in the way that Flask has for it."""
        monkeypatch.setenv("FLASK_KT_CACHE_URL", "cache.example:2000")
        monkeypatch.setenv("FLASK_KT_CACHE_DEFAULT_TIMEOUT", "60")
        monkeypatch.setenv("FLASK_KT_CACHE_OPTIONS__serializer", "json")
        app = Flask("site")
        app.config.from_prefixed_env()
        backend = KTCache(app).backend
        assert backend.client.config.address == "cache.example:2000"
        assert backend.default_timeout == 60
        assert backend.cache.codec.serializer.name == "json"


class TestThreads:
    def test_every_thread_uses_its_apps_cache(self, any_url):
        """Threads in contexts of different apps, at the same time, never meet."""
        cache = KTCache()
        apps = [make_app(KT_CACHE_URL=any_url, KT_CACHE_KEY_PREFIX=f"app{n}") for n in range(4)]
        for app in apps:
            cache.init_app(app)

        def work(number):
            app = apps[number % 4]
            with app.app_context():
                for turn in range(25):
                    cache.set("k", (number % 4, turn))
                    assert cache.get("k")[0] == number % 4
                    assert cache.incr("n") > 0
                    cache.set_many({"a": number % 4, "b": turn})
                    assert cache.get_many("a") == [number % 4]

        run_threads(8, work)
        for app in apps:
            with app.app_context():
                assert cache.get("n") == 50


class TestFailures:
    def test_a_server_that_is_away_raises(self):
        """An outage is an error of the call, and names the server; the page is a 500."""
        with nobody_listens() as port:
            app = make_app(KT_CACHE_URL=f"127.0.0.1:{port}")
            cache = KTCache(app)
            with pytest.raises(KTError, match=f"127.0.0.1:{port}"):
                cache.get("k")
            add_counter(app, cache)
            assert app.test_client().get("/").status_code == 500

    def test_it_recovers_when_the_server_is_back(self, stopping_server: EmbeddedServer):
        """The app goes on by itself after a restart of the server, with what was stored."""
        app = make_app(KT_CACHE_URL=url_of(stopping_server))
        cache = KTCache(app)
        add_counter(app, cache)
        visitor = app.test_client()
        assert visitor.get("/").text == "1"
        stopping_server.stop()
        assert visitor.get("/").status_code == 500
        stopping_server.run()
        assert [visitor.get("/").text for _ in range(2)] == ["2", "3"]
