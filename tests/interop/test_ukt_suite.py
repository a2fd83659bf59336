"""The tests that ship inside ukt pass on the included server, and with our script and client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from kt_cache.lua import SCRIPT
from tests.support.ktserver import find_ktserver, need_ktserver
from tests.support.process import ROOT
from tests.support.ukt import need_ukt, ukt_script

need_ukt()

ALL = 107  # as many as ukt 0.4.8 has
TIMEOUT = 180.0  # seconds; a run takes 10 to 30
OTHERWISE = str(Path(__file__).with_name("ukt_suite.py"))
WITHOUT_SCRIPT = [
    "TestHash",
    "TestBTree",
    "TestCursor",
    "TestSerializers",
    "TestSignalQueue",
    "TestMultipleThreads",
    "TestConnectionPool",
    "TestArrayMapSerialization",
    "TestConnectionError",
]
WITH_SCRIPT = ALL - 47

# With our client in the place of ukt's these are left out:
NOT_OURS = [
    "TestConnectionPool",  # what is inside ukt's pool; ours has other insides
    "TestConnectionError",  # expects an error of the first get after a restart; ours connects anew
]
WITH_OUR_CLIENT = ALL - 6


def leave_out(names: list[str]) -> list[str]:
    """Return the words that say so."""
    return [f"-{name}" for name in names]


def run(*words: str, path: Path | None = None) -> tuple[int, str]:
    """Run the tests; return how many ran, all of them well, and what the servers said.

    :param path: where to look for ``ktserver`` first.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("KT_BINARY", None)  # the suite's own way to name another server
    if path:
        env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        [sys.executable, *words],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"^Ran (\d+) tests in .*\n\nOK\n", done.stderr, re.MULTILINE)
    assert ran, done.stderr  # not OK (skipped=...) either
    return int(ran[1]), done.stdout


Runs = dict[str, Future[tuple[int, str]]]

# The runs that every test run has: words, and whether on the included server.
RUNS = {
    "as they are": (("-m", "ukt.tests"), True),
    "our script": ((OTHERWISE, "ukt", str(SCRIPT)), True),
    "our script on ktserver": ((OTHERWISE, "ukt", str(SCRIPT), *leave_out(WITHOUT_SCRIPT)), False),
    "our client": ((OTHERWISE, "kt_cache", str(SCRIPT), *leave_out(NOT_OURS)), True),
}


@pytest.fixture(scope="module")
def runs(launcher: Path) -> Iterator[Runs]:
    """Two at a time, each with servers of its own; ukt gives a server no more than 2 s to start."""
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(run, *words, path=launcher if included else None)
            for name, (words, included) in RUNS.items()
            if included or find_ktserver()
        }


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for PATH whose ``ktserver`` is the included server."""
    folder = tmp_path_factory.mktemp("launcher")
    program = folder / "ktserver"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kt_cache.server "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def needs_ktserver() -> None:
    """Skip where there is no real server."""
    need_ktserver()


def test_on_the_included_server(runs: Runs) -> None:
    """As they are, with the script in ukt."""
    ran, said = runs["as they are"].result()
    assert ran == ALL
    assert "listening on 127.0.0.1:" in said  # which a real ktserver does not say


def test_on_the_included_server_with_our_script(runs: Runs) -> None:
    """Our script answers ukt's client as its own does."""
    ran, said = runs["our script"].result()
    assert ran == ALL
    assert "listening on 127.0.0.1:" in said


@pytest.mark.usefixtures("needs_ktserver")
def test_our_script_on_ktserver(runs: Runs) -> None:
    """Our script means the same to the real server's Lua."""
    ran, _ = runs["our script on ktserver"].result()
    assert ran == WITH_SCRIPT


def test_with_our_client(runs: Runs) -> None:
    """They pass when ``ukt`` in their import is changed to ``kt_cache``."""
    ran, _ = runs["our client"].result()
    assert ran == WITH_OUR_CLIENT


@pytest.mark.slow
@pytest.mark.usefixtures("needs_ktserver")
def test_our_client_with_the_script_in_ukt() -> None:
    """A server that has ukt's script, and its data, needs no other."""
    script = ukt_script()
    ran, _ = run(OTHERWISE, "kt_cache", str(script), *leave_out(WITHOUT_SCRIPT))
    assert ran == WITH_SCRIPT
