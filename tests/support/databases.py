"""Servers with two databases: an unordered and an ordered one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kt_cache import EmbeddedServer
from tests.support.ktserver import need_ktserver

__all__ = ["ORDERED", "UNORDERED", "two_databases"]

UNORDERED, ORDERED = 0, 1


@pytest.fixture(scope="session", params=["included", "ktserver"])
def two_databases(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn; shared by the tests of this folder."""
    if request.param == "ktserver":
        need_ktserver()
    with EmbeddedServer(request.param, database="%", server_args=["*"], quiet=True) as server:
        yield server
