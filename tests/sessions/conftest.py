"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kt_cache.cache import Codec, Store
from kt_cache.sessions import SessionOptions, SessionStore
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.stores import (
    cache,
    clock,
    config,
    proxy,
    recorded_store,
    stopped_cache,
    stopped_store,
    store,
)

__all__ = [
    "cache",
    "clock",
    "config",
    "proxy",
    "recorded_store",
    "stopped_cache",
    "stopped_store",
    "store",
]

Open = Callable[..., Any]


@pytest.fixture(params=["blocking", "asyncio"])
def open_sessions(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Make a session store on a store, once for blocking calls and once for the a-methods."""

    def make(store: Store, **options: Any) -> SessionStore:
        return SessionStore(store, Codec("json"), SessionOptions(**options))

    if request.param == "blocking":
        yield make
        return
    with loop_in_a_thread() as loop:
        yield lambda store, **options: OverAsyncio(make(store, **options), loop)


@pytest.fixture
def sessions(open_sessions: Open, store: Store) -> SessionStore | OverAsyncio:
    """A session store on an empty database."""
    return open_sessions(store)
