"""Servers with scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from kt_cache import EmbeddedServer
from tests.support.ktserver import need_ktserver

DATA = Path(__file__).parents[2] / "data" / "lua"
SERVERS = ["included", "ktserver"]

Start = Callable[..., AbstractContextManager[EmbeddedServer]]


@contextmanager
def scripted(kind: str, *scripts: Path, words: tuple[str, ...] = ()) -> Iterator[EmbeddedServer]:
    """Run a server with scripts, an ordered database (0) and a hash (1)."""
    if kind == "ktserver":
        need_ktserver()
    arguments = [word for script in scripts for word in ("-scr", str(script))]
    with EmbeddedServer(
        kind, database="*", server_args=[*arguments, *words, "%"], quiet=True
    ) as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def evaluator(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """Each kind of server in turn, with the script that evaluates code."""
    with scripted(request.param, DATA / "evaluate.lua") as server:
        yield server


@pytest.fixture(scope="session")
def included_evaluator() -> Iterator[EmbeddedServer]:
    """The included server with the script that evaluates code."""
    with scripted("included", DATA / "evaluate.lua") as server:
        yield server
