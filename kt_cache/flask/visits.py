"""What an answer had to do with its visitor: the session, and the request's view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app, g, has_request_context, request
from flask.globals import request_ctx

__all__ = ["SessionWatch", "is_current_view", "leads_to", "watch_session"]


class SessionWatch:
    """Whether an answer may be for one visitor: the session was asked for something meanwhile.

    So it is if Flask-Login's user is logged in, whom it asks the session for once a request, and
    perhaps before the view runs.
    """

    was_used = False


@contextmanager
def watch_session() -> Iterator[SessionWatch]:
    """Watch the session of the current request, if there is one."""
    watch = SessionWatch()
    session = _session() if has_request_context() else None
    if session is None:
        yield watch
        return
    before = session.accessed
    session.accessed = False
    try:
        yield watch
    finally:
        watch.was_used = session.accessed or _is_logged_in()
        session.accessed = before or session.accessed


def is_current_view(function: Callable[..., Any]) -> bool:
    """Tell whether a function is the view of the current request, or decorated to be it."""
    if not has_request_context() or request.endpoint is None:
        return False
    return leads_to(current_app.view_functions.get(request.endpoint), function)


def leads_to(view: Any, function: Callable[..., Any]) -> bool:
    """Tell whether a view is a function, or that one decorated, or has it as its class's method."""
    while view is not None:
        if view is function or _is_method(getattr(view, "view_class", None), function):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def _is_method(view_class: Any, function: Callable[..., Any]) -> bool:
    method = getattr(view_class, getattr(function, "__name__", ""), None)
    return method is not None and leads_to(method, function)


def _is_logged_in() -> bool:
    return bool(getattr(g.get("_login_user"), "is_authenticated", False))


def _session() -> Any:
    """Return the session without that counting as an access."""
    proxy: Any = request_ctx
    context = proxy._get_current_object()  # noqa: SLF001
    # Since 3.1.3 Flask's context notes accesses by its property; before, the session itself did.
    return context._session if hasattr(context, "_session") else context.session  # noqa: SLF001
