"""Django's ``SessionTestsMixin``, blocking and a-methods, on both session engines."""

import sessions_tests.tests as django_tests
from django.test import TestCase

from kt_cache.django import sessions, sessions_cached_db


class KyotoTycoonSessionTests(django_tests.SessionTestsMixin, TestCase):
    backend = sessions.SessionStore


class CachedDatabaseSessionTests(django_tests.SessionTestsMixin, TestCase):
    backend = sessions_cached_db.SessionStore
