"""Servers with a script, and containers of either client on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kt_cache import AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon, containers
from kt_cache.lua import SCRIPT
from tests.support.aio import Awaited, resting_loop
from tests.support.ktserver import need_ktserver
from tests.support.ukt import need_ukt, ukt_script

Make = Callable[..., Any]

THEIR_SCRIPT = ukt_script()
SERVERS = ["included", "ktserver"]
SCRIPTS = {"ours": SCRIPT, "theirs": THEIR_SCRIPT}


def running(kind: str, script: Path | None, *databases: str) -> Iterator[EmbeddedServer]:
    """Run a server of that kind with databases in memory and a script."""
    if script is None:
        need_ukt()
    if kind == "ktserver":
        need_ktserver()
    *others, last = databases
    arguments = ["-scr", str(script), *others]
    with EmbeddedServer(
        kind, database=last, server_args=arguments, quiet=True, script=False
    ) as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def scripted_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with our script and two ordered databases."""
    yield from running(request.param, SCRIPT, "%", "%")


@pytest.fixture(params=SERVERS)
def scripted_unordered(request: pytest.FixtureRequest) -> Iterator[KyotoTycoon]:
    """A client of each kind of server in turn, with our script and a database without order."""
    for server in running(request.param, SCRIPT, "*"):
        yield server.client


@pytest.fixture(scope="session")
def their_server() -> Iterator[EmbeddedServer]:
    """A real server with ukt's script and two ordered databases."""
    yield from running("ktserver", THEIR_SCRIPT, "%", "%")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param((kind, name), id=f"{kind}-{name}") for name in SCRIPTS for kind in SERVERS
    ],
)
def either_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with our script and with ukt's."""
    kind, name = request.param
    yield from running(kind, SCRIPTS[name], "%")


@pytest.fixture
def scripted(scripted_server: EmbeddedServer) -> KyotoTycoon:
    """A client of a server with our script, whose two databases are empty."""
    for db in (0, 1):
        scripted_server.client.clear(db)
    return scripted_server.client


@pytest.fixture(params=["blocking", "asyncio"])
def make(request: pytest.FixtureRequest, scripted: KyotoTycoon) -> Iterator[Make]:
    """Give ``make(name, *arguments, serializer=...)``: a container of either client."""
    if request.param == "blocking":

        def blocking(name: str, *arguments: Any, serializer: str = "json", **options: Any) -> Any:
            kt = KyotoTycoon(scripted.host, scripted.port, serializer=serializer)
            return getattr(containers, name)(kt, *arguments, **options)

        yield blocking
        return
    with resting_loop("asyncio") as loop:

        def waiting(name: str, *arguments: Any, serializer: str = "json", **options: Any) -> Any:
            kt = AsyncKyotoTycoon(scripted.host, scripted.port, serializer=serializer)
            kind = getattr(containers, f"Async{name}")
            return Awaited(loop, lambda: kind(kt, *arguments, **options))

        yield waiting
