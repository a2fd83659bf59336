"""Clients of one test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kt_cache import KyotoTycoon
from kt_cache.transport import PoolConfig

ClientFor = Callable[..., KyotoTycoon]

_numbers = itertools.count(1)


@pytest.fixture
def client_for() -> Iterator[ClientFor]:
    """Give ``client_for(port, **pool_options)``; the connections go when the test ends."""
    clients = []
    # A port may have been another test's before. A setting of its own keeps this one's pools,
    # and what they counted, apart.
    max_lifetime = PoolConfig().max_lifetime + next(_numbers) / 1000

    def make(port: int, **options: Any) -> KyotoTycoon:
        options.setdefault("max_lifetime", max_lifetime)
        clients.append(KyotoTycoon(config=PoolConfig(port=port, **options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close_all()


def assert_nothing_leaked(kt: KyotoTycoon) -> None:
    """Every connection that is open is an unused one, and nobody waits."""
    stats = kt.pool_stats
    assert stats.open == stats.idle
    assert stats.waiting == 0
