"""Django's ``SessionTestsMixin`` on ``kt_cache.django.sessions``."""

import sessions_tests.tests as django_tests
from django.test import TestCase

from kt_cache.django.sessions import SessionStore


class KyotoTycoonSessionTests(django_tests.SessionTestsMixin, TestCase):
    backend = SessionStore
