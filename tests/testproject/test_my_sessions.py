"""The example site's page on which users see and end their sessions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

pytestmark = pytest.mark.django_db

SITE = Path(__file__).resolve().parents[2] / "testproject"
PAGE = "/session/all/"


@pytest.fixture(autouse=True, params=["sessions", "sessions_cached_db"])
def site(request, settings, included_server):
    """The example site's settings, with the cache on an empty server."""
    included_server.client.clear()
    settings.CACHES = {
        "default": {
            "BACKEND": "kt_cache.django.KyotoTycoonCache",
            "LOCATION": f"{included_server.host}:{included_server.port}",
        }
    }
    settings.SESSION_ENGINE = f"kt_cache.django.{request.param}"
    settings.KT_SESSIONS = {"note_visitors": ["agent"]}
    settings.ROOT_URLCONF = "testproject.django_site.urls"
    settings.LOGIN_URL = "login"
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "testproject.django_site"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.MIDDLEWARE = [
        "kt_cache.django.session_middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [SITE / "shared"],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                ]
            },
        }
    ]


@pytest.fixture
def demo(db):
    return get_user_model().objects.create_user("demo", password="demo")


def browser_of(user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


def rows(browser):
    """Return the rows of the table, without its heading."""
    return browser.get(PAGE).content.decode().split("<tr>")[2:]


def press(browser, **button):
    """Press a button of the page, which sends its form."""
    page = browser.get(PAGE).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    return browser.post(PAGE, {"csrfmiddlewaretoken": token, **button}, follow=True)


def is_logged_in(browser):
    return browser.get(PAGE).status_code == 200


def test_the_others_are_ended(demo):
    """The button ends all other sessions of the user and leaves the own one."""
    one, two, three = (browser_of(demo) for _ in range(3))
    assert len(rows(one)) == 3
    assert sum("this one" in row for row in rows(one)) == 1
    assert press(one).status_code == 200
    assert [is_logged_in(browser) for browser in (one, two, three)] == [True, False, False]
    assert len(rows(one)) == 1
    assert "End all others" not in one.get(PAGE).content.decode()


def test_browsers_are_shown(demo):
    """Users recognize their sessions by the browser; what it says is text and nothing else."""
    browser = Client(headers={"user-agent": "<b>Lynx</b>"})
    browser.get("/login/")
    demo.set_password("demo")
    demo.save()
    browser.post("/login/", {"username": "demo", "password": "demo"})
    (row,) = rows(browser)
    assert "&lt;b&gt;Lynx&lt;/b&gt;" in row


def test_one_is_ended(demo):
    """Each other session has a button of its own."""
    one, two = browser_of(demo), browser_of(demo)
    (other,) = (row for row in rows(one) if "this one" not in row)
    press(one, session=re.search(r'name="session" value="(\w+)"', other)[1])
    assert [is_logged_in(browser) for browser in (one, two)] == [True, False]


def test_it_takes_a_token(demo):
    """No other site's form can end sessions."""
    one, two = browser_of(demo), browser_of(demo)
    assert one.post(PAGE).status_code == 403
    assert is_logged_in(two)


def test_visitors_have_to_log_in(db):
    """The page is for users; the start page leads to it."""
    browser = Client()
    assert browser.get(PAGE).headers["Location"] == f"/login/?next={PAGE}"
    assert f'href="{PAGE}"' in browser.get("/").content.decode()
