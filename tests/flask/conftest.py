"""Fixtures of this folder: addresses of servers, backends and apps on them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.other_servers import is_there, redis
from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.flask import KyotoTycoonCache
from tests.support.recording import RecordingProxy


def url_of(server: EmbeddedServer) -> str:
    """Return where a server is."""
    return f"kt://{server.host}:{server.port}"


@pytest.fixture
def any_url(any_server: EmbeddedServer, kt: KyotoTycoon) -> str:
    """Where an empty database is, on each kind of server in turn."""
    return url_of(any_server)


@pytest.fixture
def backend(any_url: str) -> KyotoTycoonCache:
    """A backend on an empty database, on each kind of server in turn."""
    return KyotoTycoonCache(any_url, key_prefix="test")


@pytest.fixture
def client(included_server: EmbeddedServer) -> KyotoTycoon:
    """A direct client of an empty database on the included server."""
    included_server.client.clear()
    return included_server.client


@pytest.fixture
def url(included_server: EmbeddedServer, client: KyotoTycoon) -> str:
    """Where that database is."""
    return url_of(included_server)


@pytest.fixture
def recording(included_server: EmbeddedServer, client: KyotoTycoon) -> Iterator[RecordingProxy]:
    """A proxy in front of that database that counts round trips."""
    with RecordingProxy(included_server.host, included_server.port or 0) as proxy:
        yield proxy
        KyotoTycoon(proxy.host, proxy.port).close_all()


@pytest.fixture
def stopping_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that a test may stop and start again; its records are in a file."""
    database = str(tmp_path / "records.sqlite")
    with EmbeddedServer("included", database=database, quiet=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """Where a Redis is, for what the documentation says of it."""
    if not is_there("redis-server") or not find_spec("redis"):
        pytest.skip("needs the program redis-server on PATH and the package redis")
    with redis() as port:
        yield port


def make_app(**config: Any) -> Flask:
    """Return an app with this configuration, which answers errors as in production."""
    app = Flask("site")
    app.config.update(config)
    return app
