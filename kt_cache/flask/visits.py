"""What an answer had to do with its visitor: the session, and the request's view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app, g, has_request_context, request
from flask.globals import request_ctx

__all__ = ["SessionWatch", "is_current_view", "leads_to", "watch_session"]

_DISPATCH = "dispatch_request"
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")


class SessionWatch:
    """What was found out about the visitor while something was made in a request.

    :ivar was_asked: whether the session was asked for something meanwhile.
    :ivar is_for_one: whether an answer made by a view may be for one visitor. That is so if the
        session was asked meanwhile; if it holds data and was asked before, or cannot tell, for
        ``g`` may have it then; if Flask-Login's user is logged in; and if the request says by
        ``Authorization`` whose it is.
    :ivar adds_later: whether ``after_this_request`` was called meanwhile, whose functions change
        the answer of this request alone.
    """

    was_asked = False
    is_for_one = False
    adds_later = False


@contextmanager
def watch_session() -> Iterator[SessionWatch]:
    """Watch the session of the current request, if there is one."""
    watch = SessionWatch()
    if not has_request_context():
        yield watch
        return
    session, notes_all = _session()
    if session is None:  # it is being opened
        yield watch
        return
    before = session.accessed
    held = _holds_data(session)
    session.accessed = False
    waiting = _count_waiting()
    try:
        yield watch
    finally:
        watch.was_asked = session.accessed
        suspect = (before or not notes_all) and (held or _holds_data(session))
        watch.is_for_one = watch.was_asked or suspect or _is_logged_in() or _is_authorized()
        watch.adds_later = _count_waiting() > waiting
        session.accessed = before or watch.was_asked


def is_current_view(function: Callable[..., Any]) -> bool:
    """Tell whether a function is the view of the current request, or decorated to be it."""
    if not has_request_context() or request.endpoint is None:
        return False
    view = current_app.view_functions.get(request.endpoint)
    method = request.method.lower()
    return leads_to(view, function, ("get", method) if method == "head" else (method,))


def leads_to(view: Any, function: Callable[..., Any], methods: tuple[str, ...] = _METHODS) -> bool:
    """Tell whether a view is a function, or that one decorated, or has it as its class's method.

    :param methods: those of HTTP that count, in small letters.
    """
    while view is not None:
        if view is function or _is_method(getattr(view, "view_class", None), function, methods):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def _is_method(view_class: Any, function: Callable[..., Any], methods: tuple[str, ...]) -> bool:
    """Tell whether a function answers requests in a view class; its other methods are helpers."""
    if view_class is None:
        return False
    return any(
        leads_to(getattr(view_class, name, None), function, methods)
        for name in (_DISPATCH, *methods)
    )


def _is_logged_in() -> bool:
    return bool(getattr(g.get("_login_user"), "is_authenticated", False))


def _is_authorized() -> bool:
    return "Authorization" in request.headers


def _count_waiting() -> int:
    """Return how many functions wait for the answer to the current request."""
    proxy: Any = request_ctx
    return len(proxy._get_current_object()._after_request_functions)  # noqa: SLF001


def _session() -> tuple[Any, bool]:
    """Return the session without that counting as an access, and whether every access does.

    Since 3.1.3 Flask's context notes accesses by its property. Before, the session itself did:
    Flask's own one those of some methods, and those of other programs perhaps none.
    """
    proxy: Any = request_ctx
    context = proxy._get_current_object()  # noqa: SLF001
    if hasattr(context, "_session"):
        return context._session, True  # noqa: SLF001
    return context.session, False


def _holds_data(session: Any) -> bool:
    """Tell whether there is anything in a session; that it would be permanent is nothing.

    That a session may note this as an access is the caller's business.
    """
    return any(name != "_permanent" for name in session)
