"""The included server against a bare dict behind the same protocol, asked by the same loop."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Effort, compare
from benchmarks.raw import asking_together, connect
from benchmarks.rows import Row
from kt_cache import EmbeddedServer
from kt_cache.client import records
from kt_cache.client.command import Command
from kt_cache.protocol.expiry import NEVER_GIVEN

__all__ = ["server_rows"]

_BAR = 0.7
_CONNECTIONS = (1, 4, 16)
_PIPELINED = 50
_KEY = b"benchmark:server"
_GET = records.get(0, _KEY)
_SET = records.set_one(0, _KEY, b"v" * 100, NEVER_GIVEN)


def server_rows(bar_effort: Effort, effort: Effort) -> Iterator[Row]:
    """Compare servers with the bare dict.

    :param bar_effort: for rows that have a bar.
    :param effort: for the others.
    """
    with TemporaryDirectory() as directory:
        yield from _rows("the included server", _included(), bar_effort, _BAR)
        file = EmbeddedServer("included", database=str(Path(directory, "db.sqlite")), quiet=True)
        yield from _rows("the included server on a .sqlite file", file, effort)
        if find_spec("uvloop"):
            slower = _included("--loop", "asyncio")
            yield from _rows("the included server without uvloop", slower, effort)
        if shutil.which("ktserver"):
            yield from _rows("ktserver", EmbeddedServer("ktserver", quiet=True), effort)


def _included(*options: str) -> EmbeddedServer:
    return EmbeddedServer("included", quiet=True, server_args=options)


def _rows(
    name: str, server: EmbeddedServer, effort: Effort, bar: float | None = None
) -> Iterator[Row]:
    section = f"{name[0].upper()}{name[1:]}, 100-byte values : a bare dict behind the same protocol"
    with server, _bare_server() as bare_port, ExitStack() as stack:
        assert server.port
        most = max(_CONNECTIONS)
        bare = [stack.enter_context(connect(bare_port)) for _ in range(most)]
        ours = [stack.enter_context(connect(server.port)) for _ in range(most)]

        def row(what: str, command: Command[Any], count: int, pipelined: int, bar: Any) -> Row:
            found = compare(
                asking_together(bare[:count], command, pipelined),
                asking_together(ours[:count], command, pipelined),
                effort,
                count * pipelined,
            )
            return Row(section, what, found, bar)

        for count in _CONNECTIONS:
            clients = "1 connection" if count == 1 else f"{count} connections"
            yield row(f"set, {clients}", _SET, count, 1, bar)
            yield row(f"get, {clients}", _GET, count, 1, bar)
        # No waiting for each other here: this shows the servers' own work.
        yield row(f"set, {_PIPELINED} pipelined", _SET, 1, _PIPELINED, None)
        yield row(f"get, {_PIPELINED} pipelined", _GET, 1, _PIPELINED, None)


@contextmanager
def _bare_server() -> Iterator[int]:
    """Run the bare server in a process of its own; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    with process:  # which ends the server by closing its standard input
        assert process.stdout
        yield int(process.stdout.readline())
