"""Our sessions for Flask beside Flask-Session on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from benchmarks.measure import Effort, Way, compare
from benchmarks.other_servers import lack_of, redis
from benchmarks.rows import Row
from benchmarks.ways import repeating
from kt_cache import EmbeddedServer

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["flask_session_rows"]

_BAR = 1.2  # set on ktserver: Redis is written in C as well
_PACKAGES = ("flask", "flask_session", "redis", "hiredis")
# What a shop knows of a visitor who is logged in.
_DATA = {
    "_user_id": "4711",
    "_id": "c0ffee" * 20,
    "_fresh": True,
    "cart": [{"id": number, "count": 1, "price": "19.95"} for number in range(3)],
    "language": "en",
}


def flask_session_rows(
    servers: Mapping[str, str], effort: Effort, say: Callable[[str], object] = print
) -> Iterator[Row]:
    """Compare what both do for a request that changes the session, from its cookie to its answer.

    :param servers: kind of server, as for :class:`~kt_cache.EmbeddedServer`, and its name for
        the table.
    :param say: called with each reason to leave rows out.
    """
    reason = lack_of("Flask-Session", _PACKAGES, "redis-server")
    if reason:
        say(f"\nLeft out: Flask's sessions: {reason}.")
        return
    with redis() as port:
        for server, name in servers.items():
            with EmbeddedServer(server, quiet=True) as running:
                floor, way = _visits(_their_app(port)), _visits(_our_app(running))
                bar = _BAR if server == "ktserver" else None
                section = f"Flask's sessions on {name}, one thread : Flask-Session on Redis"
                yield Row(section, "load + save", compare(floor, way, effort), bar)


def _our_app(running: EmbeddedServer) -> Flask:
    from flask import Flask  # it may not be there

    from kt_cache.flask import KTSession

    app = Flask("ours")
    app.config["KT_SESSION_URL"] = f"kt://{running.host}:{running.port}"
    KTSession(app)
    return app


def _their_app(port: int) -> Flask:
    """Return an app with Flask-Session as its documentation sets it up."""
    from flask import Flask  # neither may be there
    from flask_session import Session
    from redis import Redis

    app = Flask("theirs")
    app.config["SESSION_TYPE"] = "redis"
    app.config["SESSION_REDIS"] = Redis.from_url(f"redis://127.0.0.1:{port}")
    Session(app)
    return app


def _visits(app: Flask) -> Way:
    """Return what lets one visitor come back that many times."""
    sessions = app.session_interface
    with app.test_client() as visitor:
        with visitor.session_transaction() as session:
            session.update(_DATA)
        cookie = visitor.get_cookie("session")
        assert cookie
        headers = {"Cookie": f"session={cookie.value}"}
    request = app.test_request_context(headers=headers).request

    def visit() -> None:
        session = sessions.open_session(app, request)
        assert session
        session["seen"] = session.get("seen", 0) + 1
        sessions.save_session(app, session, app.response_class())

    return repeating(visit)
