"""For WSGI servers: ``gunicorn --threads 8 testproject.django_site.wsgi``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.django_site.settings")

application = get_wsgi_application()
