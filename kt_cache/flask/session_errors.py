"""Failures of sessions as answers to visitors.

A request for which the sessions fail is answered by whatever the app has for such an error. So the
errors are HTTP errors, too: the app's handlers for the class, for ``KTError``, for the status or
for all HTTP errors are found as Flask finds them, and without one there is a plain page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from flask import Flask, Response, after_this_request, has_request_context
from flask import session as current_session
from flask.sessions import SessionMixin
from werkzeug.exceptions import Conflict, HTTPException, ServiceUnavailable

from kt_cache.errors import SessionConflict, SessionUnavailable
from kt_cache.sessions.outage import note_refused_request

__all__ = ["UnloadedSession", "answer_instead", "as_http_error", "as_http_errors"]


_RETRY_AFTER = 5  # seconds


class SessionsAway(SessionUnavailable, ServiceUnavailable):
    """The store of the sessions failed; 503 to visitors."""

    description = "Something that this page needs is away. Please try again in a moment."


class SessionsCollide(SessionConflict, Conflict):
    """A session was not saved, because others changed it at the same time; 409 to visitors."""

    description = "Another request has changed the same at the same time. Please try again."


def as_http_error(error: SessionUnavailable | SessionConflict) -> HTTPException:
    """Return an error of sessions as one that is an HTTP error, too, and log that it comes."""
    made: SessionsAway | SessionsCollide
    if isinstance(error, SessionUnavailable):
        note_refused_request(error)
        made = SessionsAway(error.message, host=error.host, command=error.command)
        made.retry_after = _RETRY_AFTER
    else:
        made = SessionsCollide(error.message)
    # What visitors read names no host.
    made.description = type(made).description
    made.__cause__ = error.__cause__ or error
    return made


@contextmanager
def as_http_errors() -> Iterator[None]:
    """Raise errors of sessions as HTTP errors."""
    try:
        yield
    except SessionUnavailable as error:
        raise as_http_error(error) from error.__cause__


class UnloadedSession(SessionMixin):
    """The session of a request for which the store failed: whoever asks anything of it is refused.

    Pages that ask nothing of it are served. What makes the answer to a refusal, and what the app
    does after each request, cannot be refused any more, for that would end in an "internal server
    error": it finds an empty session, of which nothing is stored.

    :param error: why.
    """

    def __init__(self, error: SessionUnavailable) -> None:
        self.modified = False
        self.accessed = False
        self._error = error
        self._data: dict[str, Any] = {}
        self._refusal: Callable[[], BaseException | None] = lambda: None
        self._is_answered = False
        if has_request_context():
            after_this_request(self._let_pass)

    def __getitem__(self, key: str) -> Any:
        return self._asked()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._asked()[key] = value
        self.modified = True

    def __delitem__(self, key: str) -> None:
        del self._asked()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked())

    def __len__(self) -> int:
        return len(self._asked())

    def regenerate(self) -> None:
        """See :meth:`ServerSession.regenerate`."""
        self._asked()

    @property
    def is_read_only(self) -> bool:
        """No answer but behind a refusal: without a session there is nothing to go on with."""
        self._asked()
        return True

    def _asked(self) -> dict[str, Any]:
        """Return what there is, or refuse it.

        Handlers of an error are called while it is handled: by that they can be told from a view
        that has caught it and goes on.
        """
        self.accessed = True
        handled = sys.exc_info()[1]
        if self._is_answered or (handled is not None and handled is self._refusal()):
            return self._data
        error = as_http_error(self._error)
        self._refusal = ref(error)  # itself it would keep the request in memory
        raise error

    def _let_pass(self, response: Response) -> Response:
        self._is_answered = True
        return response


def answer_instead(
    app: Flask,
    session: SessionMixin,
    response: Response,
    error: SessionUnavailable | SessionConflict,
) -> None:
    """Make a response what the app answers to an error that storing the session ended in.

    Flask sends the response it has made before, whatever comes out of storing the session; and an
    exception would be an "internal server error" without asking the app's handlers.

    :raises HTTPException: if this is not the session of a request, but of a test's transaction.
    """
    http_error = as_http_error(error)
    if not _is_of_request(session):
        raise http_error
    # As for an exception of a view, and once more through what the app does after each request.
    answer = app.process_response(app.make_response(app.handle_user_exception(http_error)))
    given_up = response.response
    if hasattr(given_up, "close"):
        response.call_on_close(given_up.close)
    response.call_on_close(answer.close)
    response.direct_passthrough = answer.direct_passthrough
    response.response = answer.response
    response.status = answer.status
    response.headers = answer.headers


def _is_of_request(session: SessionMixin) -> bool:
    if not has_request_context():
        return False
    current: Any = current_session
    return current._get_current_object() is session  # noqa: SLF001
