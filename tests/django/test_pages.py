"""Whole pages and parts of them in the cache, by Django's own means."""

from __future__ import annotations

import time

import pytest
from django.core.cache import caches
from django.core.cache.utils import make_template_fragment_key
from django.template import Context, Engine
from django.test import Client, RequestFactory
from django.utils.cache import get_cache_key
from django.views.decorators.cache import cache_page

from tests.django.urls import numbered

CACHE_MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]


@pytest.fixture
def site(site):
    site.ROOT_URLCONF = "tests.django.urls"
    site.ALLOWED_HOSTS = ["testserver"]
    return site


def page(path, **headers):
    response = Client().get(path, **headers)
    assert response.status_code == 200
    return response.content.decode()


class TestCachePage:
    def test_once(self, site):
        """The view runs once per address; the page is in the cache with its timeout."""
        assert page("/cached?q=a") == page("/cached?q=a")
        assert page("/cached?q=b") != page("/cached?q=a")
        client = caches["default"].client
        pages = client.match_prefix(":1:views.decorators.cache.cache_page")
        assert len(pages) == 2
        assert all(abs(client.expire_time(key) - time.time() - 60) < 5 for key in pages)

    def test_timeout(self, site):
        """A page is made anew when its timeout is over."""
        first = page("/cached-shortly")
        made = asked = time.time()
        while page("/cached-shortly") == first:
            assert asked - made < 0.4 + 0.1
            time.sleep(0.01)
            asked = time.time()

    def test_other_alias(self, site):
        """cache_page stores in the alias it names."""
        assert page("/cached-elsewhere") == page("/cached-elsewhere")
        assert caches["default"].client.match_prefix(":1:views") == []
        assert len(caches["other"].client.match_prefix("other:1:views")) == 2

    def test_request_factory(self, site):
        """The decorator works on a bare view, and a HEAD is answered from the cached GET."""
        view, make = cache_page(60)(numbered), RequestFactory()
        first = view(make.get("/x"))
        assert view(make.get("/x")).content == first.content
        head = view(make.head("/x"))
        assert head["Expires"] == first["Expires"]

    def test_key_of_a_page(self, site):
        """Django's function for a page's key names its record, so one page can be deleted."""
        first, other = page("/cached"), page("/cached?q=other")
        key = get_cache_key(RequestFactory().get("/cached"))
        assert caches["default"].client.exists(caches["default"].make_key(key))
        assert caches["default"].delete(key)
        assert page("/cached") != first
        assert page("/cached?q=other") == other


class TestMiddleware:
    @pytest.fixture(autouse=True)
    def _middleware(self, site):
        site.MIDDLEWARE = CACHE_MIDDLEWARE
        site.CACHE_MIDDLEWARE_SECONDS = 60

    def test_whole_site(self, site):
        """Every page is cached but those that forbid it."""
        assert page("/numbered") == page("/numbered")
        assert page("/never") != page("/never")
        assert page("/private") != page("/private")

    def test_headers_come_back(self, site):
        """A cached answer has the headers of the first one."""
        first, second = Client().get("/numbered"), Client().get("/numbered")
        assert int(second["Age"]) <= 60
        del second["Age"]
        assert {**first.headers} == {**second.headers}
        assert second["Cache-Control"] == "max-age=60"

    def test_clear(self, site):
        """Clearing the cache makes pages anew."""
        first = page("/numbered")
        caches["default"].clear()
        assert page("/numbered") != first


class TestTemplateFragment:
    SOURCE = "{% load cache %}{% cache 60 news user %}{{ make }}{% endcache %}"

    def render(self, user, make):
        engine = Engine(libraries={"cache": "django.templatetags.cache"})
        return engine.from_string(self.SOURCE).render(Context({"user": user, "make": make}))

    def test_once_per_argument(self, site):
        """The fragment is made once for each value it depends on."""
        assert self.render("ann", lambda: "one") == "one"
        assert self.render("ann", lambda: "two") == "one"
        assert self.render("bob", lambda: "three") == "three"

    def test_key(self, site):
        """make_template_fragment_key names the record: it can be seen and deleted."""
        self.render("ann", "one")
        key = make_template_fragment_key("news", ["ann"])
        assert caches["default"].get(key) == "one"
        assert caches["default"].client.exists(caches["default"].make_key(key))
        assert caches["default"].delete(key)
        assert self.render("ann", "two") == "two"
