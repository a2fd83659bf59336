"""Arguments that would be taken without a word and do nothing, or fail later without saying why."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest
from flask import Flask

from kt_cache.errors import ConfigError
from kt_cache.flask import KTCache, KTSession, KyotoTycoonCache
from tests.flask.conftest import make_app


@pytest.fixture(params=["backend", "extension"])
def cache(request, url) -> KyotoTycoonCache | KTCache:
    """Each of both, on an empty database."""
    return KyotoTycoonCache(url) if request.param == "backend" else KTCache(app_on(url))


def app_on(url: str) -> Flask:
    """Return an app whose cache is there."""
    return make_app(KT_CACHE_URL=url, SECRET_KEY="s")


class TestKeys:
    """Keys are given one by one; what holds several of them is no key."""

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("get", ()),
            ("get_many", ()),
            ("get_dict", ()),
            ("has", ()),
            ("set", (1,)),
            ("add", (1,)),
            ("replace", (1,)),
            ("touch", ()),
            ("delete", ()),
            ("delete_many", ()),
            ("incr", ()),
            ("decr", ()),
            ("inc", ()),
            ("dec", ()),
            ("ttl", ()),
            ("expire", (60,)),
            ("expire_at", (0,)),
            ("persist", ()),
            ("pop", ()),
            ("get_or_set", (1,)),
            ("make_key", ()),
        ],
    )
    def test_a_list(self, cache, method, arguments):
        """Each call says so instead of looking for a value of that name."""
        with pytest.raises(TypeError, match=r"must be text, not a list; .* delete_many\(\*keys\)"):
            getattr(cache, method)(["a", "b"], *arguments)

    def test_on_an_event_loop(self, cache):
        """So does the call for async views."""
        with pytest.raises(TypeError, match="a key must be text, not a list"):
            asyncio.run(cache.aget_or_set(["a"], 1))

    @pytest.mark.parametrize(
        "keys",
        [("a",), {"a"}, {"a": 1}, {"a": 1}.keys(), iter("a")],
        ids=lambda keys: type(keys).__name__,
    )
    def test_others_that_hold_keys(self, cache, keys):
        """What can be gone through like a list is refused, too, also among keys."""
        cache.set("a", 1)
        with pytest.raises(TypeError, match="one by one"):
            cache.delete_many("a", keys)
        assert cache.get("a") == 1

    def test_numbers(self, cache):
        """A number is the key of its digits, as in Django."""
        cache.set(5, "five")
        assert cache.get("5") == cache.get(5) == "five"
        assert cache.delete_many(5) == [5]
        assert cache.has("5") is False

    def test_tags(self, cache):
        """``delete_tag`` takes one; the call for several is named."""
        cache.set("a", 1, tags=["t"])
        with pytest.raises(ConfigError, match=r"not a list; delete_tags\(tags\) is for several"):
            cache.delete_tag(["t"])
        cache.delete_tags(["t"])
        assert cache.has("a") is False


class TestTimeouts:
    """A timeout is a number or a ``timedelta``, and not text from the environment."""

    @pytest.mark.parametrize("timeout", ["60", b"60", [60], True], ids=repr)
    @pytest.mark.parametrize("method", ["set", "add", "replace"])
    def test_what_is_stored(self, cache, method, timeout):
        """It is an error of the call, and nothing has changed."""
        cache.set("k", "before")
        with pytest.raises(ConfigError, match="timeout must be seconds or a timedelta, not"):
            getattr(cache, method)("k", "v", timeout=timeout)
        assert cache.get("k") == "before"

    def test_other_calls(self, cache):
        """So it is where something stored gets another timeout."""
        for call in (cache.touch, cache.expire):
            with pytest.raises(ConfigError, match="timeout must be seconds"):
                call("k", "60")

    @pytest.mark.parametrize("timeout", [60, 60.5, timedelta(minutes=1)], ids=repr)
    def test_what_is_taken(self, cache, timeout):
        """Numbers and ``timedelta``s."""
        cache.set("k", "v", timeout)
        assert 50 < cache.ttl("k") <= 61

    @pytest.mark.parametrize("timeout", ["60", "view/x"])
    def test_of_a_decorator(self, url, timeout):
        """A decorator says so when it decorates, and where a key belongs."""
        cache = KTCache(app_on(url))
        with pytest.raises(ConfigError, match=r"not '.*'; a key is key_prefix='\.\.\.'"):
            cache.cached(timeout)
        with pytest.raises(ConfigError, match=f"timeout must be seconds .*, not '{timeout}'$"):
            cache.memoize(timeout)

    def test_that_is_changed_later(self, url):
        """The attribute ``cache_timeout`` is looked at when the function is called."""
        cache = KTCache(app_on(url))
        view = cache.cached(60, key_prefix="k")(lambda: 1)
        view.cache_timeout = "60"
        with pytest.raises(ConfigError, match="timeout must be seconds"):
            view()


class TestDecorating:
    def warnings(self, caplog):
        return [line for line in caplog.messages if "was registered before" in line]

    def decorate_a_view(self, cache: KTCache, app: Flask, caplog) -> None:
        with caplog.at_level(logging.WARNING, "kt_cache.cache"):

            @cache.cached(60)
            @app.get("/")
            def home():
                return "home"

    def test_above_the_route(self, url, caplog):
        """A decorator above ``@app.get`` comes too late; the log says where to put it."""
        app = app_on(url)
        self.decorate_a_view(KTCache(app), app, caplog)
        (line,) = self.warnings(caplog)
        assert "home was registered" in line
        assert "below @app.route" in line

    def test_an_app_that_came_later(self, url, caplog):
        """So it does for an app that the cache knows by ``init_app``."""
        app, cache = app_on(url), KTCache()
        cache.init_app(app)
        self.decorate_a_view(cache, app, caplog)
        assert len(self.warnings(caplog)) == 1

    def test_below_the_route(self, url, caplog):
        """In the right order nothing is logged."""
        app = app_on(url)
        cache = KTCache(app)
        with caplog.at_level(logging.WARNING, "kt_cache.cache"):

            @app.get("/")
            @cache.cached(60)
            def home():
                return "home"

        assert app.test_client().get("/").text == "home"
        assert self.warnings(caplog) == []


class TestExtensions:
    @pytest.mark.parametrize("extension", [KTCache, KTSession])
    def test_a_location_for_an_app(self, extension):
        """Who gives the server's address to an extension is told where it belongs."""
        with pytest.raises(ConfigError, match=r"takes the app, not 'kt://.*app\.config\['KT_"):
            extension("kt://127.0.0.1:1978")
        with pytest.raises(ConfigError, match=r"takes the app, not None"):
            extension().init_app(None)
