"""Logging in and out, what a session holds, and where else a visitor is logged in."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug import Response

from testproject.flask_site.extensions import sessions

visitors = Blueprint("visitors", __name__)


@visitors.get("/session/")
def show_session() -> str:
    """Counts this visitor's visits in the session and shows what the session holds."""
    session["visits"] = session.get("visits", 0) + 1
    return render_template("session.html", items=sorted(session.items()))


@visitors.post("/login/")
def log_in() -> Response:
    """Keeps the visitor's name; a real site would ask for a password too."""
    session["user"] = request.form["name"].strip() or "nameless"  # under a new id from now on
    return redirect(url_for("visitors.show_session"))


@visitors.post("/logout/")
def log_out() -> Response:
    """Ends the session, on the server and in the browser."""
    session.clear()
    return redirect(url_for("pages.home"))


@visitors.get("/session/all/")
def my_sessions() -> str | Response:
    """Shows where the visitor is logged in."""
    if "user" not in session:
        return redirect(url_for("visitors.show_session"))
    return render_template("my_sessions.html", sessions=sessions.sessions_of(session["user"]))


@visitors.post("/session/all/")
def end_sessions() -> Response:
    """Ends sessions of the visitor: one, or all but this one."""
    if "user" in session:
        if "session" in request.form:
            sessions.kill_session(session["user"], request.form["session"])
        else:
            sessions.kill_sessions(session["user"], except_current=True)
    return redirect(url_for("visitors.my_sessions"))
