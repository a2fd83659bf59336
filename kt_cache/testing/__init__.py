"""For tests: a server of their own, and a proxy that breaks connections on demand.

With pytest, ``pytest_plugins = ["kt_cache.testing.pytest_plugin"]`` in a ``conftest.py`` gives the
fixtures ``kt_server``, ``kt_client`` and ``kt_proxy``.
"""

from kt_cache.embedded import EmbeddedServer
from kt_cache.testing.proxy import FaultProxy

__all__ = ["EmbeddedServer", "FaultProxy"]
