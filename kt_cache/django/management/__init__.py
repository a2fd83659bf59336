"""What ``manage.py`` can do with the app ``kt_cache.django`` in ``INSTALLED_APPS``."""
