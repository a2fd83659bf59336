"""The WSGI application of a site that used its cache before its workers were forked."""

from __future__ import annotations

from django.core.cache import cache

from testproject.django_site.wsgi import application

__all__ = ["application"]

cache.set("preloaded", "by the parent of the workers")
