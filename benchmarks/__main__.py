"""``python -m benchmarks [--quick] [--unpinned] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.aio import aio_rows
from benchmarks.client import client_rows
from benchmarks.django_cache import django_rows
from benchmarks.flask_cache import flask_cache_rows
from benchmarks.flask_sessions import flask_session_rows
from benchmarks.measure import Effort
from benchmarks.peers import between_servers_rows, peer_rows, thread_rows
from benchmarks.processors import can_keep_apart
from benchmarks.rows import Row, heading, line
from benchmarks.server import server_rows
from benchmarks.sessions import session_rows

_EXPLANATION = """\
Each row compares the rates of two ways of doing the same, measured by turns: the median of the
rounds' ratios and their middle half, and the median rates. A bar is a ratio to reach; rows without
one are there for information."""


def main() -> None:
    """Measure, printing each row as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, too")
    parser.add_argument(
        "--unpinned", action="store_true", help="let the servers run on any processor"
    )
    arguments = parser.parse_args()
    apart = can_keep_apart() and not arguments.unpinned
    bar_effort, effort = Effort(4.0, apart=apart), Effort(1.0, apart=apart)
    if arguments.quick:
        bar_effort = effort = Effort(0.05, turn=0.004, apart=apart)

    print(_EXPLANATION)
    where = "this program on one, the servers on the others" if apart else "all on any"
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors: {where}; {_load()}.")
    rows = []
    section = ""
    for row in _all_rows(bar_effort, effort):
        if row.section != section:
            section = row.section
            print(heading(section))
        print(line(row), flush=True)
        rows.append(row)
    print(f"\n{_verdict(rows)} Other work at the end: {_load()}.")
    if arguments.json:
        arguments.json.write_text(json.dumps([row.as_dict() for row in rows], indent=2))


def _all_rows(bar_effort: Effort, effort: Effort) -> Iterator[Row]:
    servers = {"included": "the included server"}
    if shutil.which("ktserver"):
        servers["ktserver"] = "ktserver"
    for server, name in servers.items():
        yield from client_rows(server, name, bar_effort, effort)
        yield from peer_rows(server, name, bar_effort)
        yield from thread_rows(server, name, bar_effort)
        yield from aio_rows(server, name, bar_effort)
    yield from django_rows(servers, bar_effort, effort)
    yield from session_rows(servers, bar_effort)
    yield from flask_cache_rows(servers, bar_effort)
    yield from flask_session_rows(servers, bar_effort)
    yield from server_rows(bar_effort, effort)
    yield from between_servers_rows(bar_effort)


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _verdict(rows: list[Row]) -> str:
    barred = [row for row in rows if row.bar is not None]
    below = [row for row in barred if row.verdict == "below"]
    return f"{len(barred) - len(below)} of {len(barred)} bars reached."


if __name__ == "__main__":
    main()
