"""A site's own backend for the tests."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpResponse
from django.utils.deprecation import MiddlewareMixin

from kt_cache.django import KyotoTycoonCache
from kt_cache.django.session_middleware import SessionMiddleware
from kt_cache.errors import SessionUnavailable


class OwnBackend(KyotoTycoonCache):
    """Nothing changed."""


class OwnSessionMiddleware(SessionMiddleware):
    """A site's own answer while there are no sessions."""

    def unavailable(self, request, error):
        return HttpResponse("back soon", status=503)


class ReadsSession(MiddlewareMixin):
    """Asks for the session before any view does."""

    def process_request(self, request):
        request.session.get("a")


class ReadsSessionAgain(MiddlewareMixin):
    """Asks for the session once more if it cannot be had."""

    def process_request(self, request):
        with suppress(SessionUnavailable):
            request.session.get("a")
        request.session.get("a")


class OutageAfterTheView(MiddlewareMixin):
    """Calls ``begin`` between the view and the saving of its session."""

    begin = staticmethod(lambda: None)

    def process_response(self, request, response):
        self.begin()
        return response
