"""Clients of one test."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from kt_cache import AsyncKyotoTycoon, KyotoTycoon
from kt_cache.client.aio_executor import AsyncExecutor
from kt_cache.client.executor import Executor
from kt_cache.errors import TimeoutExceeded
from kt_cache.transport import PoolConfig, get_pool
from tests.support.aio import LOOPS, Awaited, resting_loop
from tests.support.peers import TIMEOUT

T = TypeVar("T")
ClientFor = Callable[..., KyotoTycoon]

KINDS = ["blocking", *LOOPS]

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


@pytest.fixture(params=KINDS)
def any_client_for(request: pytest.FixtureRequest) -> Iterator[ClientFor]:
    """Give ``client_for``, for the blocking client and the asyncio client on each kind of loop."""
    if request.param == "blocking":
        yield request.getfixturevalue("client_for")
        return
    max_lifetime = PoolConfig().max_lifetime + next(_numbers) / 1000
    with resting_loop(request.param) as loop:

        def make(port: int, **options: Any) -> Any:
            options.setdefault("max_lifetime", max_lifetime)
            config = PoolConfig(port=port, **options)
            return Awaited(loop, lambda: AsyncKyotoTycoon(config=config))

        yield make


def executor_of(kt: KyotoTycoon) -> Executor:
    """Return an executor on the pool of a client, of either kind."""
    config = kt.config
    if isinstance(kt, Awaited):
        return kt.beside(lambda: AsyncExecutor(config))  # type: ignore[return-value]
    return Executor(get_pool(config))


def patiently(call: Callable[[], T]) -> T:
    """Make a call of a client with short limits until it is in time.

    With limits that are there to expire soon, a busy machine may be late for an answer that is
    not held back.
    """
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return call()
        except TimeoutExceeded:
            assert time.monotonic() < deadline, "every attempt took too long"


def assert_nothing_leaked(kt: KyotoTycoon) -> None:
    """Every connection that is open is an unused one, and nobody waits."""
    stats = kt.pool_stats
    assert stats.open == stats.idle
    assert stats.waiting == 0
