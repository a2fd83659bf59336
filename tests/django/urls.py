"""Pages for the tests."""

from __future__ import annotations

import itertools

from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views.decorators.cache import cache_control, cache_page, never_cache

counter = itertools.count(1)


def numbered(request):
    """Answer with a number that is new each time the view runs."""
    return HttpResponse(f"page {next(counter)} of {request.GET.get('q', '')}")


async def anumbered(request):
    return numbered(request)


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


def put(request):
    request.session[request.GET["key"]] = request.GET["value"]
    return HttpResponse("put")


def put_slowly(request):
    """Load the session, let another request of the same visitor pass, and change it then."""
    request.session.get("")
    other = Client()
    other.cookies.load(request.COOKIES)
    other.get(request.GET["meanwhile"])
    response = put(request)
    if "save" in request.GET:
        request.session.save()
    return response


def show(request):
    return JsonResponse(dict(request.session.items()))


async def aput(request):
    await request.session.aset(request.GET["key"], request.GET["value"])
    return HttpResponse("put")


async def aput_slowly(request):
    await request.session.aget("")
    other = AsyncClient()
    other.cookies.load(request.COOKIES)
    await other.get(request.GET["meanwhile"])
    response = await aput(request)
    if "save" in request.GET:
        await request.session.asave()
    return response


async def ashow(request):
    return JsonResponse(dict(await request.session.aitems()))


async def alogin(request):
    await request.session.aset("user", 7)
    await request.session.acycle_key()
    return HttpResponse("welcome")


async def alogout(request):
    await request.session.aflush()
    return HttpResponse("bye")


async def aset_expiry(request):
    await request.session.aset_expiry(int(request.GET["value"]))
    return HttpResponse("set")


def become(request):
    """Log in by hand, without a new id."""
    request.session["_auth_user_id"] = "7"
    return HttpResponse("welcome")


async def abecome(request):
    await request.session.aset("_auth_user_id", "7")
    return HttpResponse("welcome")


def leave(request):
    """Log out by hand, without a new id."""
    del request.session["_auth_user_id"]
    return HttpResponse("bye")


async def aleave(request):
    await request.session.apop("_auth_user_id")
    return HttpResponse("bye")


urlpatterns = [
    path("become", become),
    path("leave", leave),
    path("aleave", aleave),
    path("abecome", abecome),
    path("put", put),
    path("put-slowly", put_slowly),
    path("show", show),
    path("aput", aput),
    path("aput-slowly", aput_slowly),
    path("ashow", ashow),
    path("alogin", alogin),
    path("alogout", alogout),
    path("numbered", numbered),
    path("anumbered", anumbered),
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
    path("aset-expiry", aset_expiry),
    path("killed", killed_meanwhile),
]
