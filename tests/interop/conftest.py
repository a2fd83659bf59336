"""Clients that were written elsewhere, and ours, on one empty database of each kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import kyototycoon
import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from tests.support.ukt import need_ukt

Connect = Callable[..., Any]


@pytest.fixture
def ours(any_server: EmbeddedServer) -> Connect:
    """Return our client; the database is empty."""
    any_server.client.clear()

    def connect(serializer: Any = None) -> KyotoTycoon:
        return KyotoTycoon(any_server.host, any_server.port, serializer=serializer)

    return connect


@pytest.fixture
def theirs(any_server: EmbeddedServer) -> Iterator[Connect]:
    """Return ukt's client."""
    ukt = need_ukt()
    clients: list[Any] = []

    def connect(serializer: str | None = None) -> Any:
        clients.append(ukt.KyotoTycoon(any_server.host, any_server.port, serializer=serializer))
        return clients[-1]

    yield connect
    for client in clients:
        client.close_all()


@pytest.fixture
def ng(any_server: EmbeddedServer) -> Iterator[Connect]:
    """Return the client of python-kyototycoon-ng, of one protocol."""
    clients: list[kyototycoon.KyotoTycoon] = []

    def custom(packer: object) -> dict[str, Any]:
        return {"pack_type": kyototycoon.KT_PACKER_CUSTOM, "custom_packer": packer}

    def connect(packer: Any, *, binary: bool) -> kyototycoon.KyotoTycoon:
        named = {"pack_type": packer} if isinstance(packer, int) else custom(packer)
        client = kyototycoon.KyotoTycoon(binary=binary, **named)
        client.open(any_server.host, any_server.port)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()
