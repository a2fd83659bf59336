"""The tests that ship inside ukt pass, as they are, on the included server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import ROOT

TIMEOUT = 180.0  # seconds
WITHOUT_SCRIPT = (
    "TestHash",
    "TestBTree",
    "TestCursor",
    "TestSerializers",
    "TestSignalQueue",
    "TestMultipleThreads",
    "TestConnectionPool",
    "TestArrayMapSerialization",
    "TestConnectionError",
)


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """Return a directory for PATH whose ``ktserver`` is the included server."""
    program = tmp_path / "ktserver"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kt_cache.server "$@"\n')
    program.chmod(0o755)
    return tmp_path


def run(launcher: Path, *words: str) -> tuple[int, str]:
    """Run the tests; return how many ran and what the servers said."""
    env = {
        **os.environ,
        "PATH": f"{launcher}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    env.pop("KT_BINARY", None)  # the suite's own way to name another server
    done = subprocess.run(
        [sys.executable, *words],
        env=env,
        cwd=launcher,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"^Ran (\d+) tests in ", done.stderr, re.MULTILINE)
    assert ran, done.stderr
    return int(ran[1]), done.stdout


def test_without_script(launcher: Path) -> None:
    """Those that need no script."""
    ran, said = run(launcher, "-m", "ukt.tests", *WITHOUT_SCRIPT)
    assert ran == 47
    assert "listening on 127.0.0.1:" in said
