"""Three pages, each showing one way to use the cache or the session."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug import Response
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


@pages.get("/session/")
def show_session() -> str:
    """Counts this visitor's visits in the session and shows what the session holds."""
    session["visits"] = session.get("visits", 0) + 1
    return render_template("session.html", items=sorted(session.items()))


@pages.post("/login/")
def log_in() -> Response:
    """Keeps the visitor's name; a real site would ask for a password too."""
    session["user"] = request.form["name"].strip() or "nameless"
    session.regenerate()  # an id that somebody has planted is worth nothing now
    return redirect(url_for("pages.show_session"))


@pages.post("/logout/")
def log_out() -> Response:
    """Ends the session, on the server and in the browser."""
    session.clear()
    return redirect(url_for("pages.home"))


@pages.app_errorhandler(500)
@pages.app_errorhandler(503)
def server_error(error: HTTPException) -> tuple[str, int]:
    """Says that something failed; it leaves the session alone, which may be what failed."""
    return render_template("500.html"), error.code or 500
