"""Settings under which Django's own tests run on kt_cache."""

import os

SECRET_KEY = "tests only"
USE_TZ = False
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sites",
    "django.contrib.sessions",
    "cache",
    "sessions_tests",
]
CACHES = {
    "default": {
        "BACKEND": "kt_cache.django.KyotoTycoonCache",
        "LOCATION": os.environ["KT_CACHE_TEST_LOCATION"],
    }
}
SESSION_ENGINE = "kt_cache.django.sessions"
