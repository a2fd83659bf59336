"""Django's ``BaseCacheTests`` on ``kt_cache.django.KyotoTycoonCache``."""

import cache.tests as django_tests
from django.conf import settings
from django.core.cache import cache, caches
from django.test import TestCase, override_settings

# As Django's own cases for Redis and memcached have it: these two aliases set MAX_ENTRIES and
# CULL_FREQUENCY, for backends that throw entries away by themselves.
EXCLUDED = {"cull", "zero_cull"}


@override_settings(
    CACHES=django_tests.caches_setting_for_tests(base=settings.CACHES["default"], exclude=EXCLUDED)
)
class KyotoTycoonCacheTests(django_tests.BaseCacheTests, TestCase):
    def setUp(self):
        super().setUp()
        cache.flush()

    def tearDown(self):
        for alias in ("default", "prefix", "v2", "custom_key", "custom_key2"):
            caches[alias].clear()
        super().tearDown()
