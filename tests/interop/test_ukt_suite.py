"""The tests that ship inside ukt pass on the included server, and with our script and client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kt_cache.lua import SCRIPT
from tests.support.process import ROOT

ALL = 107  # as many as ukt 0.4.8 has
TIMEOUT = 180.0  # seconds; a run takes 15 to 30
OTHERWISE = str(Path(__file__).with_name("ukt_suite.py"))


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """Return a directory for PATH whose ``ktserver`` is the included server."""
    program = tmp_path / "ktserver"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kt_cache.server "$@"\n')
    program.chmod(0o755)
    return tmp_path


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


def test_on_the_included_server(launcher: Path) -> None:
    """As they are, with the script in ukt."""
    ran, said = run("-m", "ukt.tests", path=launcher)
    assert ran == ALL
    assert "listening on 127.0.0.1:" in said  # which a real ktserver does not say


def test_on_the_included_server_with_our_script(launcher: Path) -> None:
    """Our script answers ukt's client as its own does."""
    ran, said = run(OTHERWISE, "ukt", str(SCRIPT), path=launcher)
    assert ran == ALL
    assert "listening on 127.0.0.1:" in said


def test_our_script_on_ktserver() -> None:
    """Our script means the same to the real server's Lua."""
    if not shutil.which("ktserver"):
        pytest.skip("no ktserver on PATH")
    assert run(OTHERWISE, "ukt", str(SCRIPT))[0] == ALL
