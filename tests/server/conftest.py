"""Servers shared by the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.process import Connection, IncludedServer


@pytest.fixture(scope="module")
def server() -> Iterator[IncludedServer]:
    """A server with an ordered database and a hash, shared by a module's tests."""
    with IncludedServer("%", "*") as server:
        yield server


@pytest.fixture
def connection(server: IncludedServer) -> Iterator[Connection]:
    """A connection to the shared server, whose databases are empty."""
    with server.connect() as connection:
        connection.call("clear", DB=0)
        connection.call("clear", DB=1)
        yield connection
