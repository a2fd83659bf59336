"""The view and the serializer on the page about sessions do what the page says."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from kt_cache.django.session_checks import check_engine
from tests.docs.documents import ROOT, examples

PAGE = ROOT / "docs" / "how-to" / "sessions.md"
OURS = "kt_cache.django.session_middleware.SessionMiddleware"


def example_with(name):
    """Return what a block of the page defines under a name."""
    (block,) = (block for _, block in examples(PAGE) if f" {name}" in block)
    namespace = {}
    exec(block, namespace)
    return namespace[name]


MsgpackSerializer = example_with("MsgpackSerializer")
count = example_with("count")

urlpatterns = [path("count", lambda request: HttpResponse(str(count(request))))]


@pytest.fixture
def site(settings, included_server):
    included_server.client.clear()
    settings.CACHES = {
        "default": {
            "BACKEND": "kt_cache.django.KyotoTycoonCache",
            "LOCATION": f"127.0.0.1:{included_server.port}",
        }
    }
    settings.SESSION_ENGINE = "kt_cache.django.sessions"
    settings.ROOT_URLCONF = "tests.docs.test_session_page"
    settings.MIDDLEWARE = [OURS]
    settings.KT_SESSIONS = {"mode": "error"}
    return settings


@pytest.mark.parametrize("cookie", [None, "x" * 32])
def test_count(site, cookie):
    """Visits are counted from the first one on, whatever the cookie, in one record."""
    visitor = Client()
    if cookie:
        visitor.cookies["sessionid"] = cookie
    assert [visitor.get("/count").content for _ in range(3)] == [b"1", b"2", b"3"]
    assert len(caches["default"].store.keys(b"")) == 1


def test_serializer(site):
    """Sessions can be stored with it, and the checks have nothing to say."""
    site.SESSION_SERIALIZER = "tests.docs.test_session_page.MsgpackSerializer"
    visitor = Client()
    assert [visitor.get("/count").content for _ in range(2)] == [b"1", b"2"]
    assert check_engine(None) == []
