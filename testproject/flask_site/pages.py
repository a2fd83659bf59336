"""Pages that are cached as a whole, in part, or in an ``async def`` view."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, current_app, render_template
from werkzeug.exceptions import HTTPException

from testproject import slow
from testproject.flask_site.extensions import cache

SHARED = Path(__file__).resolve().parents[1] / "shared"
COUNTER_TIMEOUT = 24 * 60 * 60

pages = Blueprint("pages", __name__, template_folder=str(SHARED))


@pages.get("/")
def home() -> str:
    """Says what there is to see, and counts in the counter of the Django site's home page."""
    cache.add("hits:home", 0, COUNTER_TIMEOUT)
    return render_template("home.html", hits=cache.incr("hits:home"))


@pages.get("/report/")
@cache.cached(slow.RESULT_TIMEOUT)
def report() -> str:
    """A slow page, cached as a whole. It asks nothing of the session: one copy serves everybody."""
    return render_template("report.html", rows=slow.sales_by_region(), made_at=slow.now())


@pages.get("/headlines/")
def headlines() -> str:
    """A page of which only the slow part is cached: the template calls ``latest`` on a miss."""
    return render_template("headlines.html", latest=slow.latest_headlines, shown_at=slow.now())


@pages.get("/weather/")
async def weather() -> str:
    """An ``async def`` view, whose value is made by a coroutine function."""
    places, made_at = await cache.aget_or_set("weather", slow.weather, slow.RESULT_TIMEOUT)
    return render_template("weather.html", places=places, made_at=made_at)


@pages.get("/statistics/")
def statistics() -> str:
    """How often this process found in the cache what it asked for, by the cache's signals."""
    return render_template("statistics.html", tally=current_app.extensions["tally"])


@pages.app_errorhandler(500)
@pages.app_errorhandler(503)
def server_error(error: HTTPException) -> tuple[str, int]:
    """Says that something failed; it leaves the session alone, which may be what failed."""
    return render_template("500.html"), error.code or 500
