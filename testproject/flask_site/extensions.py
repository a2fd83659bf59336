"""The site's extension objects, which every app of :func:`create_app` uses as its own."""

from __future__ import annotations

from kt_cache.flask import KTCache, KTSession

cache = KTCache()
sessions = KTSession()
