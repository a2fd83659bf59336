"""Fixtures of this folder: backends on the test servers."""

from __future__ import annotations

import pytest

from kt_cache.django import KyotoTycoonCache
from tests.support.stores import (
    cache,
    clock,
    config,
    proxy,
    recorded_store,
    stopped_cache,
    stopped_store,
    store,
)

__all__ = [
    "cache",
    "clock",
    "config",
    "proxy",
    "recorded_store",
    "stopped_cache",
    "stopped_store",
    "store",
]

BACKEND = "kt_cache.django.KyotoTycoonCache"


@pytest.fixture
def location(store):
    """LOCATION of a server whose database is empty."""
    return store.config.address


@pytest.fixture
def make_backend(location):
    """Make a backend as Django does from a CACHES entry."""

    def make(**params):
        return KyotoTycoonCache(location, params)

    return make


@pytest.fixture
def backend(make_backend):
    """A backend with default settings."""
    return make_backend()


@pytest.fixture
def site(settings, location):
    """Settings of a site whose caches and sessions are on the server."""
    settings.CACHES = {
        "default": {"BACKEND": BACKEND, "LOCATION": location},
        "other": {"BACKEND": BACKEND, "LOCATION": f"kt://{location}/0", "KEY_PREFIX": "other"},
    }
    settings.SESSION_ENGINE = "kt_cache.django.sessions"
    return settings


@pytest.fixture
def session_site(site):
    """The same, with pages that use sessions."""
    site.ROOT_URLCONF = "tests.django.urls"
    site.ALLOWED_HOSTS = ["testserver"]
    site.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    return site


@pytest.fixture
def recorded_site(site, proxy):
    """The same, through a recording proxy."""
    site.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": f"{proxy.host}:{proxy.port}"}}
    return proxy
