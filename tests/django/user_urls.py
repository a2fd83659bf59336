"""Pages of a site with logins, for the tests."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.http import HttpResponse
from django.urls import path

from kt_cache.django import akill_sessions, kill_sessions


def log_in(request):
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    login(request, user)
    if request.POST.get("alone"):
        kill_sessions(user, except_key=request.session.session_key)
    return HttpResponse(f"welcome {user.username}")


def log_out(request):
    logout(request)
    return HttpResponse("bye")


def who(request):
    return HttpResponse(request.user.username or "nobody")


def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    expiry = request.GET.get("expiry")
    if expiry == "date":
        request.session["_session_expiry"] = "2040-01-01T00:00:00+00:00"
    elif expiry is not None:
        request.session.set_expiry(int(expiry))
    return HttpResponse("seen")


def password(request):
    request.user.set_password(request.POST["password"])
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse("changed")


def kill_others(request):
    killed = kill_sessions(request.user, except_key=request.session.session_key)
    return HttpResponse(str(killed))


async def akill_others(request):
    user = await request.auser()
    killed = await akill_sessions(user, except_key=request.session.session_key)
    return HttpResponse(str(killed))


def killed_meanwhile(request, then):
    """Do something with a session that is ended by another request before this one is done."""
    request.session["before"] = then
    request.session.modified = then != "read"
    kill_sessions(request.user)
    if then == "cycle":
        request.session.cycle_key()
    return HttpResponse("done")


def ended_meanwhile(request, how):
    """Change the password while another request of the same visitor logs out."""
    assert request.user.is_authenticated
    other = type(request.session)(request.session.session_key)
    if how == "loaded":
        other.load()
    other.flush()
    return password(request)


urlpatterns = [
    path("login", log_in),
    path("logout", log_out),
    path("who", who),
    path("visit", visit),
    path("password", password),
    path("kill-others", kill_others),
    path("akill-others", akill_others),
    path("killed/<then>", killed_meanwhile),
    path("ended/<how>", ended_meanwhile),
]
