"""Servers for the tests: the included one always, a real ktserver where it is on PATH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from tests.support.ktserver import need_ktserver


def _running(kind: str) -> Iterator[EmbeddedServer]:
    if kind == "ktserver":
        need_ktserver()
    with EmbeddedServer(kind, database="*", quiet=True) as server:
        yield server


@pytest.fixture(scope="session", params=["included", "ktserver"])
def any_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with one in-memory database; shared by the whole run."""
    yield from _running(request.param)


@pytest.fixture(scope="session")
def included_server() -> Iterator[EmbeddedServer]:
    """The included server, with one in-memory database; shared by the whole run."""
    yield from _running("included")


@pytest.fixture
def kt(any_server: EmbeddedServer) -> KyotoTycoon:
    """A client of an empty database, on each kind of server."""
    any_server.client.clear()
    return any_server.client
