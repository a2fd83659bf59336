"""The example site's settings, made fast: what is slow there on purpose, and passwords."""

from __future__ import annotations

import json
import os

from testproject import slow
from testproject.django_site.settings import *  # noqa: F403
from testproject.django_site.settings import CACHES

slow.REPORT_SECONDS = slow.HEADLINES_SECONDS = 0.05
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES["default"]["OPTIONS"] = json.loads(os.environ.get("SITE_CACHE_OPTIONS", "{}"))
