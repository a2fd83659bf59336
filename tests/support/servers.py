"""Servers for the tests: the included one always, a real ktserver where it is on PATH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from tests.support.ktserver import need_ktserver

WITHOUT_SCRIPT = "-scriptless"
"""What stands behind the kind of a server that is to run without our script."""

SERVERS = ["included", "ktserver"]
SCRIPTLESS = [kind + WITHOUT_SCRIPT for kind in SERVERS]

WITH_AND_WITHOUT = pytest.mark.servers(*SERVERS, *SCRIPTLESS)
"""For tests of what goes another way on servers without our script. Slow ones take fewer."""


def running(name: str) -> Iterator[EmbeddedServer]:
    """Run a server of that kind with an in-memory database."""
    kind = name.removesuffix(WITHOUT_SCRIPT)
    if kind == "ktserver":
        need_ktserver()
    with EmbeddedServer(kind, database="*", quiet=True, script=kind == name) as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def any_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with one in-memory database; shared by the whole run."""
    yield from running(request.param)


@pytest.fixture(scope="session")
def included_server() -> Iterator[EmbeddedServer]:
    """The included server, with one in-memory database; shared by the whole run."""
    yield from running("included")


@pytest.fixture
def kt(any_server: EmbeddedServer) -> KyotoTycoon:
    """A client of an empty database, on each kind of server."""
    any_server.client.clear()
    return any_server.client
