"""Settings of the example site: cache and sessions in kt_cache, users in a SQLite file.

Three environment variables change it:

- ``KT_CACHE_URL``: the cache server, ``kt://127.0.0.1:1978`` if not set;
- ``TESTPROJECT_DATA_DIR``: where the user database is kept, ``.demo/`` if not set;
- ``TESTPROJECT_DEBUG``: ``1`` for Django's debug pages.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA_DIR = Path(os.environ.get("TESTPROJECT_DATA_DIR") or REPOSITORY / ".demo")
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

# The part that matters here.

CACHES = {
    "default": {
        "BACKEND": "kt_cache.django.KyotoTycoonCache",
        "LOCATION": os.environ.get("KT_CACHE_URL") or "kt://127.0.0.1:1978",
        "KEY_PREFIX": "example",
    },
}
SESSION_ENGINE = "kt_cache.django.sessions"
# So that users recognize their sessions in the list of them.
KT_SESSIONS = {"note_visitors": ["agent"]}

# The rest is what any small site has.

SECRET_KEY = "for this example only: a real site keeps its own key, and keeps it secret"
DEBUG = os.environ.get("TESTPROJECT_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "testproject.django_site.urls"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "kt_cache.django",  # looks at CACHES at the start, system checks, and manage.py kt_sessions
    "testproject.django_site",
]

MIDDLEWARE = [
    # In the place of Django's own: a page whose session cannot be had is 503.html.
    "kt_cache.django.session_middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [REPOSITORY / "testproject" / "shared"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    },
]

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "users.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "session"
LOGOUT_REDIRECT_URL = "home"

# Errors go to the terminal with and without DEBUG.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"terminal": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django": {"handlers": ["terminal"], "level": "WARNING"},
        "django.server": {"handlers": ["terminal"], "level": "INFO", "propagate": False},
        "kt_cache": {"handlers": ["terminal"], "level": "WARNING"},
    },
}
