"""The small site that the session tests visit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, session
from flask.testing import FlaskClient

from kt_cache import KyotoTycoon
from kt_cache.cache.base import PROTECTED_PREFIX
from kt_cache.cache.store import Store
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.flask import KTSessionInterface
from kt_cache.flask.session_owners import SessionOwners
from kt_cache.sessions import SessionStore
from tests.flask.conftest import make_app


def add_pages(app: Flask) -> Flask:
    """Add pages that log in, show who is logged in, change the session and log out."""

    @app.post("/login/<name>")
    def login(name: str) -> str:
        session["user"] = name
        return "welcome"

    @app.post("/login/<name>/for-long")
    def login_for_long(name: str) -> str:
        session["user"] = name
        session.permanent = True
        return "welcome"

    @app.get("/")
    def home() -> str:
        return session.get("user", "nobody")

    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/about")
    def about() -> str:
        return "asks nothing of the session"

    @app.post("/new-id")
    def new_id() -> str:
        session.regenerate()
        return "welcome again"

    @app.post("/logout")
    def logout() -> str:
        session.clear()
        return "goodbye"

    return app


def make_site(**config: Any) -> Flask:
    """Return the site without sessions yet."""
    return add_pages(make_app(**config))


def cookies_set(answer: Any) -> list[str]:
    """Return the Set-Cookie headers of an answer."""
    return answer.headers.getlist("Set-Cookie")


def session_id(visitor: FlaskClient) -> str | None:
    """Return what the visitor's session cookie holds."""
    cookie = visitor.get_cookie("session")
    return cookie.value if cookie else None


def records(client: KyotoTycoon) -> list[str]:
    """Return the keys of the stored sessions."""
    return client.match_prefix(PROTECTED_PREFIX)


class Meddled(StoreWrapper):
    """A store behind whose back something happens.

    :ivar before: called with the name of a method and a key, before the method is.
    :ivar after: likewise, when it has done its work.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.strict = self
        self.before = self.after = lambda operation, key: None

    def _run(self, operation: str, call: Callable[..., Any], *args: Any) -> Any:
        self.before(operation, args[0])
        result = call(*args)
        self.after(operation, args[0])
        return result


def meddle(app: Flask) -> Meddled:
    """Put a store that a test can meddle with under the app's sessions."""
    before = app.session_interface
    assert isinstance(before, KTSessionInterface)
    meddled = Meddled(before.store.store)
    store = SessionStore(meddled, before.store.codec, before.store.options)
    owners = SessionOwners(store, before.owners.user_key, lambda _: None)
    app.session_interface = KTSessionInterface(store, owners)
    return meddled
