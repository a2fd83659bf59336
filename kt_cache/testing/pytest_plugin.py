"""Fixtures: ``pytest_plugins = ["kt_cache.testing.pytest_plugin"]`` in a ``conftest.py``.

========== ======= =============================================================================
kt_server  session a running server with one in-memory database, an ``EmbeddedServer``
kt_client  test    its client, on a database that is empty at the start of the test
kt_proxy   test    a ``FaultProxy`` in front of it
========== ======= =============================================================================

With pytest-xdist every worker has a server of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache.client import KyotoTycoon
from kt_cache.embedded import EmbeddedServer
from kt_cache.testing.proxy import FaultProxy

__all__ = ["kt_client", "kt_proxy", "kt_server"]


@pytest.fixture(scope="session")
def kt_server() -> Iterator[EmbeddedServer]:
    """Run the included server, on a free port of this machine, for the whole test run."""
    with EmbeddedServer("included", quiet=True) as server:
        yield server


@pytest.fixture
def kt_client(kt_server: EmbeddedServer) -> KyotoTycoon:
    """Return a client of the server, whose database was just emptied."""
    kt_server.client.clear()
    return kt_server.client


@pytest.fixture
def kt_proxy(kt_server: EmbeddedServer) -> Iterator[FaultProxy]:
    """Run a proxy in front of the server, for one test."""
    if kt_server.port is None:
        raise RuntimeError("the server is not running")
    with FaultProxy(kt_server.port, kt_server.host) as proxy:
        yield proxy
