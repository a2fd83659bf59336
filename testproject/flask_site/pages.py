"""Three pages, each showing one way to use the cache or the session."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from flask import Blueprint, render_template
from werkzeug.exceptions import HTTPException

from kt_cache.flask import KTCache
from testproject import slow

SHARED = Path(__file__).resolve().parents[1] / "shared"
COUNTER_TIMEOUT = 24 * 60 * 60

cache = KTCache()
pages = Blueprint("pages", __name__, template_folder=str(SHARED))


@pages.get("/")
def home() -> str:
    """Says what there is to see, and counts in the counter of the Django site's home page."""
    cache.add("hits:home", 0, COUNTER_TIMEOUT)
    return render_template("home.html", hits=cache.incr("hits:home"))


@pages.get("/report/")
def report() -> str:
    """A page whose slow part is cached."""
    made = cache.get("report")
    if made is None:
        made = {"rows": slow.sales_by_region(), "at": datetime.now(timezone.utc)}
        cache.set("report", made, slow.RESULT_TIMEOUT)
    return render_template("report.html", rows=made["rows"], made_at=made["at"])


@pages.app_errorhandler(500)
@pages.app_errorhandler(503)
def server_error(error: HTTPException) -> tuple[str, int]:
    """Says that something failed; it leaves the session alone, which may be what failed."""
    return render_template("500.html"), error.code or 500
