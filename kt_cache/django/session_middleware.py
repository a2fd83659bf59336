"""Django's session middleware for sites that are to live through a failing session store.

In ``MIDDLEWARE`` it takes the place of ``django.contrib.sessions.middleware.SessionMiddleware``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist, loader
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from kt_cache.django.session_records import session_options
from kt_cache.errors import SessionUnavailable
from kt_cache.sessions import note_dropped_write, note_refused_request
from kt_cache.sessions.options import READ_ONLY

__all__ = ["SessionMiddleware"]

_PLAIN_ANSWER = "This site cannot get at its sessions just now. Please try again in a moment.\n"


class SessionMiddleware(DjangosMiddleware):
    """Django's, with three differences.

    A store that fails is answered with 503, in views too, instead of an error page; or, with
    ``KT_SESSIONS = {"on_failure": "read-only"}``, by leaving the visitor's cookie as it is. Under
    ASGI sessions are saved on the event loop, without a thread. And with
    ``SESSION_SAVE_EVERY_REQUEST`` a cookie of an unknown session does not become a stored one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        session_options()  # what is wrong with them is told when the site starts

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request on the event loop."""
        self.process_request(request)
        coming = cast("Awaitable[HttpResponse]", self.get_response(request))
        return await self.aprocess_response(request, await coming)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save the session if it is to be, and set or delete its cookie."""
        session: Any = getattr(request, "session", None)
        try:
            if _is_asked_for_anyway(session):
                session.get("")
            if getattr(session, "is_read_only", False):
                return _without_session(session, response)
            return super().process_response(request, response)
        except SessionUnavailable as error:
            return self._not_saved(request, response, error)

    async def aprocess_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """See :meth:`process_response`."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionBase):
            return super().process_response(request, response)
        try:
            if _is_asked_for_anyway(session):
                await session.aget("")
            if getattr(session, "is_read_only", False):
                return _without_session(session, response)
            changed = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
            if changed and not session.is_empty() and response.status_code < 500:
                await session.asave()
        except UpdateError as error:
            raise SessionInterrupted(
                "another request ended the session while this one ran, by logging out for instance"
            ) from error
        except SessionUnavailable as error:
            return self._not_saved(request, response, error)
        saved = SimpleNamespace(session=_Saved(session), COOKIES=request.COOKIES)
        return super().process_response(saved, response)  # type: ignore[arg-type]

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that could not get at its session."""
        if isinstance(exception, SessionUnavailable):
            return self.unavailable(request, exception)
        return None

    def unavailable(
        self,
        request: HttpRequest,  # noqa: ARG002 - for those who override it
        error: SessionUnavailable,
    ) -> HttpResponse:
        """Return the answer for a request whose session cannot be had; override it for another.

        It is the template ``503.html``, rendered without the request, if the site has one.
        """
        note_refused_request(error)
        response = HttpResponse(status=503, headers={"Retry-After": "5"})
        try:
            response.content = loader.get_template("503.html").render()
        except TemplateDoesNotExist:
            response["Content-Type"] = "text/plain; charset=utf-8"
            response.content = _PLAIN_ANSWER
        add_never_cache_headers(response)
        return response

    def _not_saved(
        self, request: HttpRequest, response: HttpResponse, error: SessionUnavailable
    ) -> HttpResponse:
        if session_options().on_failure == READ_ONLY:
            note_dropped_write(error)
            return _untouched(response)
        return self.unavailable(request, error)


class _Saved:
    """A session that has been saved, for Django's middleware to set the cookie by."""

    def __init__(self, session: SessionBase) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def save(self) -> None:
        """Do nothing."""


def _is_asked_for_anyway(session: Any) -> bool:
    """Tell whether a session will be loaded; before that it cannot be known to be an empty one."""
    return bool(settings.SESSION_SAVE_EVERY_REQUEST and getattr(session, "session_key", None))


def _without_session(session: SessionBase, response: HttpResponse) -> HttpResponse:
    """Return the answer for a visitor who got a session that cannot be stored."""
    if session.modified:
        note_dropped_write()
    return _untouched(response)


def _untouched(response: HttpResponse) -> HttpResponse:
    """Return an answer that leaves the cookie alone, but may be different for another one."""
    patch_vary_headers(response, ("Cookie",))
    return response
