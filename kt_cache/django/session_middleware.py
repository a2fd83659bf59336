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
from kt_cache.errors import SessionConflict, SessionUnavailable
from kt_cache.sessions import note_dropped_write, note_refused_request
from kt_cache.sessions.options import READ_ONLY

__all__ = ["SessionMiddleware"]

_PLAIN_ANSWER = "This site cannot get at its sessions just now. Please try again in a moment.\n"
_ERROR_PAGE = 500  # the status of an exception that nobody has caught
_NOT_SAVED = (UpdateError, SessionConflict, SessionUnavailable)
_CONFLICT = "Another request changed the same things at the same time. Please try again.\n"


class SessionMiddleware(DjangosMiddleware):
    """Django's, with five differences.

    A store that fails is answered with 503, in views and other middleware too, instead of an error
    page; or, with ``KT_SESSIONS = {"on_failure": "read-only"}``, by leaving the visitor's cookie as
    it is. A session that was not saved because of a conflict is a 409. Under ASGI sessions are
    saved on the event loop, without a thread. And with ``SESSION_SAVE_EVERY_REQUEST`` a cookie of
    an unknown session does not become a stored one. The cookie lives as long as the session as it
    was stored, to which another request may have given another lifetime meanwhile.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        session_options()  # what is wrong with them is told when the site starts

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request."""
        if self.async_mode:
            return self.__acall__(request)
        try:
            return super().__call__(request)
        except SessionUnavailable as error:  # the site's error page asks for the session, too
            return self.unavailable(request, error)

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request on the event loop."""
        self.process_request(request)
        coming = cast("Awaitable[HttpResponse]", self.get_response(request))
        try:
            response = await coming
        except SessionUnavailable as error:
            return self.unavailable(request, error)
        return await self.aprocess_response(request, response)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save the session if it is to be, and set or delete its cookie."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionBase):
            return super().process_response(request, response)
        try:
            _raise_what_became_an_error_page(session, response)
            if _is_asked_for_anyway(session):
                session.get("")
            if _is_to_be_saved(session, response):
                session.save()
        except _NOT_SAVED as error:
            return self._not_saved(request, response, error)
        return self._saved(request, response)

    async def aprocess_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """See :meth:`process_response`."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionBase):
            return super().process_response(request, response)
        try:
            _raise_what_became_an_error_page(session, response)
            if _is_asked_for_anyway(session):
                await session.aget("")
            if _is_to_be_saved(session, response):
                await session.asave()
        except _NOT_SAVED as error:
            return self._not_saved(request, response, error)
        return self._saved(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that could not get at its session, or not save it."""
        if isinstance(exception, SessionUnavailable):
            return self.unavailable(request, exception)
        if isinstance(exception, SessionConflict):
            return self.conflicting(request, exception)
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

    def conflicting(
        self,
        request: HttpRequest,  # noqa: ARG002 - for those who override it
        error: SessionConflict,  # noqa: ARG002
    ) -> HttpResponse:
        """Return the answer for a request whose session others changed; override it for another."""
        response = HttpResponse(_CONFLICT, status=409, content_type="text/plain; charset=utf-8")
        add_never_cache_headers(response)
        return response

    def _not_saved(
        self, request: HttpRequest, response: HttpResponse, error: Exception
    ) -> HttpResponse:
        if isinstance(error, SessionConflict):
            return self.conflicting(request, error)
        if not isinstance(error, SessionUnavailable):
            raise SessionInterrupted(
                "another request ended the session while this one ran, by logging out for instance"
            ) from error
        is_error_page = response.status_code == _ERROR_PAGE
        if is_error_page or session_options().on_failure != READ_ONLY or _is_renewed(request):
            return self.unavailable(request, error)
        note_dropped_write(error)
        return _untouched(response)

    def _saved(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return the answer, if it may be given though the session could not be stored.

        Only now, as what others have stored may have given the session another lifetime, the
        cookie's is known.
        """
        session = request.session
        if not _is_read_only(session):
            saved = SimpleNamespace(session=_Saved(session), COOKIES=request.COOKIES)
            return super().process_response(saved, response)  # type: ignore[arg-type]
        if _is_renewed(request):
            lost = "the session has another id or user now, and could not be stored"
            return self.unavailable(request, SessionUnavailable(lost))
        if session.modified:
            note_dropped_write()
        return _untouched(response)


class _Saved:
    """A session that has been saved, for Django's middleware to set the cookie by."""

    def __init__(self, session: SessionBase) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def save(self) -> None:
        """Do nothing."""


def _is_asked_for_anyway(session: SessionBase) -> bool:
    """Tell whether a session will be loaded; before that it cannot be known to be an empty one."""
    return bool(settings.SESSION_SAVE_EVERY_REQUEST and session.session_key)


def _is_to_be_saved(session: SessionBase, response: HttpResponse) -> bool:
    is_changed = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
    is_error = response.status_code >= _ERROR_PAGE
    return bool(
        is_changed and not session.is_empty() and not is_error and not _is_read_only(session)
    )


def _raise_what_became_an_error_page(session: Any, response: HttpResponse) -> None:
    """Raise the failure of the session's store that Django has answered with an error page."""
    failure: SessionUnavailable | None = getattr(session, "failure", None)
    if failure is not None and response.status_code == _ERROR_PAGE:
        raise failure


def _is_read_only(session: Any) -> bool:
    return bool(getattr(session, "is_read_only", False))


def _is_renewed(request: HttpRequest) -> bool:
    return bool(getattr(request.session, "is_renewed", False))


def _untouched(response: HttpResponse) -> HttpResponse:
    """Return an answer that leaves the cookie alone, and is good for nobody and nothing else."""
    patch_vary_headers(response, ("Cookie",))
    add_never_cache_headers(response)
    return response
