"""A site's own backend for the tests."""

from __future__ import annotations

from django.http import HttpResponse

from kt_cache.django import KyotoTycoonCache
from kt_cache.django.session_middleware import SessionMiddleware


class OwnBackend(KyotoTycoonCache):
    """Nothing changed."""


class OwnSessionMiddleware(SessionMiddleware):
    """A site's own answer while there are no sessions."""

    def unavailable(self, request, error):
        return HttpResponse("back soon", status=503)
