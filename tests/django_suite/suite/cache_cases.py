"""Django's ``BaseCacheTests`` on ``kt_cache.django.KyotoTycoonCache``."""

import cache.tests as django_tests
from django.conf import settings
from django.core.cache import cache, caches
from django.test import TestCase, override_settings


def setting(**params):
    """Return ``CACHES`` with all that Django's cases use, but for two aliases.

    As Django's own cases for Redis and memcached have it: these two set MAX_ENTRIES and
    CULL_FREQUENCY, for backends that throw entries away by themselves.
    """
    base, exclude = settings.CACHES["default"], {"cull", "zero_cull"}
    return django_tests.caches_setting_for_tests(base, exclude, **params)


class CacheTests(django_tests.BaseCacheTests):
    def setUp(self):
        super().setUp()
        cache.flush()

    def tearDown(self):
        for alias in ("default", "prefix", "v2", "custom_key", "custom_key2"):
            caches[alias].clear()
        super().tearDown()


@override_settings(CACHES=setting())
class KyotoTycoonCacheTests(CacheTests, TestCase):
    pass


@override_settings(CACHES=setting(BACKEND="backends.AsyncMethods"))
class AsyncMethodsTests(CacheTests, TestCase):
    # Django forbids to read a query set on an event loop, as pickling it there would.
    test_cache_read_for_model_instance_with_deferred = None
    test_cache_write_for_model_instance_with_deferred = None
