"""Apps with Flask-Caching, the package from PyPI, on our backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from flask import Flask
from flask_caching import Cache

from tests.flask.conftest import make_app

CACHE_TYPE = "kt_cache.flask.KyotoTycoonCache"

VERSION = tuple(int(part) for part in version("flask-caching").split(".")[:2])

SINCE_2_5 = pytest.mark.skipif(VERSION < (2, 5), reason="Flask-Caching has this since 2.5")


def make_site(**config: Any) -> tuple[Flask, Cache]:
    """Return an app and its cache, with whatever the configuration says besides the backend."""
    app = make_app(CACHE_TYPE=CACHE_TYPE, **config)
    return app, Cache(app)


@pytest.fixture
def app(any_url: str) -> Iterator[Flask]:
    """An app in its own context, on each kind of server in turn."""
    app = make_app(CACHE_TYPE=CACHE_TYPE, CACHE_KT_URL=any_url)
    with app.app_context():
        yield app


@pytest.fixture
def cache(app: Flask) -> Cache:
    """The cache of that app."""
    return Cache(app)


def seconds_left(cache: Cache, key: str) -> float:
    """Return how long the server keeps a value of the current app."""
    backend = cache.cache
    return backend.client.expire_time(backend.make_key(key)) - time.time()
