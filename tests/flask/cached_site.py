"""The site that the tests of decorated views visit."""

from __future__ import annotations

import itertools

import pytest

from kt_cache.flask import KTCache
from tests.flask.conftest import make_app

__all__ = ["Site", "either", "site", "small"]


class Site:
    """An app with a cache, whose pages say how often they ran."""

    def __init__(self, url: str, *, is_async: bool = False, **config) -> None:
        self.is_async = is_async
        self.app = make_app(SECRET_KEY="s", KT_CACHE_URL=url, **config)
        self.cache = KTCache(self.app)
        self.runs = itertools.count(1)

    def page(self, rule="/", result=None, methods=None, **options):
        """Add a page that returns what ``result`` makes of the number of its run."""

        def view(**_):
            number = next(self.runs)
            return str(number) if result is None else result(number)

        async def on_a_loop(**_):
            return view()

        decorated = self.cache.cached(**options)(on_a_loop if self.is_async else view)
        self.app.add_url_rule(rule, rule, decorated, methods=methods)
        return decorated

    def get(self, path="/", **options):
        """Visit a page as somebody who was never there."""
        return self.app.test_client().get(path, **options)

    def texts(self, *paths):
        return [self.get(path).text.strip() for path in paths]


@pytest.fixture
def site(any_url):
    """A site on each kind of server in turn."""
    return Site(any_url)


@pytest.fixture
def small(url):
    """A site on the included server."""
    return Site(url)


@pytest.fixture(params=["def", "async def"])
def either(request, url):
    """A site on the included server whose views are plain functions, or coroutine functions."""
    return Site(url, is_async=request.param == "async def")
