"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer
from tests.support.servers import SERVERS, running
from tests.support.stores import (
    cache,
    clock,
    config,
    either_cache,
    proxy,
    recorded_store,
    scripted,
    stopped_cache,
    stopped_store,
    store,
)

__all__ = [
    "cache",
    "clock",
    "config",
    "either_cache",
    "proxy",
    "recorded_store",
    "scripted",
    "stopped_cache",
    "stopped_store",
    "store",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests on the servers that their mark names."""
    if "any_server" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("servers")
        names = mark.args if mark else SERVERS
        metafunc.parametrize("any_server", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def any_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each of these servers in turn."""
    yield from running(request.param)
