"""Stores on the test servers, and clocks to give them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import ServerError
from kt_cache.transport import PoolConfig
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.recording import RecordingProxy


class StoppedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def shifted_clock(seconds: float) -> Callable[[], float]:
    """Return the clock of a host whose time is off by that much."""
    return lambda: time.time() + seconds


@pytest.fixture
def config(any_server: EmbeddedServer) -> PoolConfig:
    """Where the server is."""
    return PoolConfig(host=any_server.host, port=any_server.port)


@pytest.fixture
def store(kt: KyotoTycoon, config: PoolConfig) -> KyotoStore:
    """A store on an empty database."""
    return KyotoStore(config)


@pytest.fixture
def scripted(kt: KyotoTycoon) -> bool:
    """Whether the server has our script."""
    try:
        return bool(kt.script("ktcacheversion"))
    except ServerError:
        return False


@pytest.fixture
def cache(store: KyotoStore) -> Cache:
    """A cache on an empty database."""
    return Cache(store, Codec())


@pytest.fixture(params=["blocking", "asyncio"])
def either_cache(request: pytest.FixtureRequest, cache: Cache) -> Iterator[Cache | OverAsyncio]:
    """The same, once with its blocking methods and once with its a-methods under their names."""
    if request.param == "blocking":
        yield cache
        return
    with loop_in_a_thread() as loop:
        yield OverAsyncio(cache, loop)


@pytest.fixture
def clock() -> StoppedClock:
    """The clock of ``stopped_store`` and ``stopped_cache``."""
    return StoppedClock()


@pytest.fixture
def stopped_store(store: KyotoStore, clock: StoppedClock) -> KyotoStore:
    """A store whose clock stands still; the server's goes on."""
    return KyotoStore(store.config, clock=clock)


@pytest.fixture
def stopped_cache(stopped_store: KyotoStore) -> Cache:
    """A cache whose clock stands still; the server's goes on."""
    return Cache(stopped_store, Codec())


@pytest.fixture
def proxy(any_server: EmbeddedServer, kt: KyotoTycoon) -> Iterator[RecordingProxy]:
    """A recording proxy before an empty database."""
    with RecordingProxy(any_server.host, any_server.port) as recording:
        yield recording


@pytest.fixture
def recorded_store(proxy: RecordingProxy) -> Iterator[KyotoStore]:
    """A store behind the recording proxy."""
    store = KyotoStore(PoolConfig(host=proxy.host, port=proxy.port))
    store.client.close_all()  # what was left of another test's pool, if its proxy had this port
    yield store
    store.client.close_all()
