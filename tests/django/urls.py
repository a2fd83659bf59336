"""Pages for the tests."""

from __future__ import annotations

import itertools

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.cache import cache_control, cache_page, never_cache

counter = itertools.count(1)


def numbered(request):
    """Answer with a number that is new each time the view runs."""
    return HttpResponse(f"page {next(counter)} of {request.GET.get('q', '')}")


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(f"visit {request.session['visits']}")


def login(request):
    request.session["user"] = 7
    request.session.cycle_key()
    return HttpResponse("welcome")


def logout(request):
    request.session.flush()
    return HttpResponse("bye")


def whoami(request):
    return HttpResponse(f"user {request.session.get('user')}")


def set_expiry(request):
    value = request.GET["value"]
    request.session.set_expiry(None if value == "None" else int(value))
    return HttpResponse("set")


def killed_meanwhile(request):
    """Change a session that another request ends before this one is done."""
    request.session["user"] = 8
    type(request.session)(request.session.session_key).delete()
    return HttpResponse("too late")


urlpatterns = [
    path("numbered", numbered),
    path("cached", cache_page(60)(numbered)),
    path("cached-shortly", cache_page(0.4)(numbered)),
    path("cached-elsewhere", cache_page(60, cache="other", key_prefix="pages")(numbered)),
    path("never", never_cache(numbered)),
    path("private", cache_control(private=True)(numbered)),
    path("visits", visits),
    path("login", login),
    path("logout", logout),
    path("whoami", whoami),
    path("set-expiry", set_expiry),
    path("killed", killed_meanwhile),
]
