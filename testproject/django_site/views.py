"""Six pages, each showing one way to use a cache."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import cache_page

from kt_cache.django import kill_session, kill_sessions, sessions_of
from testproject import slow
from testproject.django_site.counter import acount_hit, ahits, count_hit


def home(request: HttpRequest) -> HttpResponse:
    """Says what there is to see, and counts how often it was asked for."""
    return render(request, "home.html", {"hits": count_hit("home")})


# This page asks nothing of the session, so one copy serves every visitor.
@cache_page(slow.RESULT_TIMEOUT)
def report(request: HttpRequest) -> HttpResponse:
    """A slow page, cached as a whole."""
    rows = slow.sales_by_region()
    return render(request, "report.html", {"rows": rows, "made_at": timezone.now()})


def headlines(request: HttpRequest) -> HttpResponse:
    """A page of which only the slow part is cached: the template calls ``latest`` on a miss."""
    context = {"latest": slow.latest_headlines, "hits": count_hit("headlines")}
    return render(request, "headlines.html", context)


async def statistics(request: HttpRequest) -> HttpResponse:
    """How often the pages that count were asked for, read without a thread."""
    hits = await acount_hit("statistics")
    counts = await ahits(["home", "headlines"])
    return render(request, "statistics.html", {"counts": counts, "hits": hits})


def session(request: HttpRequest) -> HttpResponse:
    """Counts this visitor's visits in the session and shows what the session holds."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "session.html", {"items": sorted(request.session.items())})


@login_required
def my_sessions(request: HttpRequest) -> HttpResponse:
    """Shows where the user is logged in, and ends sessions: one, or all but this one."""
    own_key = request.session.session_key
    if request.method == "POST":
        if "session" in request.POST:
            kill_session(request.user, request.POST["session"])
        else:
            kill_sessions(request.user, except_key=own_key)
        return redirect("my_sessions")
    sessions = sessions_of(request.user, current=own_key)
    return render(request, "my_sessions.html", {"sessions": sessions})
