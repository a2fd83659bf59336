"""Places without a server, and options for caches that no other test has."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from kt_cache.transport import PoolConfig
from tests.support.peers import nobody_listens

_numbers = itertools.count(1)


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port at which connecting is refused."""
    with nobody_listens() as port:
        yield port


def own(**options: Any) -> dict[str, Any]:
    """Return options that no other test has, so that nothing is known of the server's failures."""
    return {"max_lifetime": PoolConfig().max_lifetime + 1 + next(_numbers) / 1000, **options}
