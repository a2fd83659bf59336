"""The smallest settings that the tests of the Django parts need; no server, no files."""

from __future__ import annotations

SECRET_KEY = "for the tests only"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Tests that need a server of their own override this.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
