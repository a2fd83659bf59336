"""What shows that an answer is for one visitor, with the oldest Flask that is supported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.django_suite.downloads import Unavailable, kept, pip

ROOT = Path(__file__).parents[2]
FLASK = "Flask==3.0.*"
WERKZEUG = "Werkzeug==3.0.*"  # that is what Flask was written for


def oldest_flask() -> Path:
    """Return a folder to import it from, made once and kept."""

    def make(scratch: Path) -> Path:
        folder = scratch / "packages"
        pip(sys.executable, "install", "--no-deps", f"--target={folder}", FLASK, WERKZEUG)
        return folder

    return kept("flask-3.0", make)


@pytest.mark.network
def test_visits():
    """The tests pass there as well: its sessions do not note each access."""
    try:
        folder = oldest_flask()
    except Unavailable as error:
        pytest.skip(str(error))
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    version = run("-c", "from importlib.metadata import version; print(version('flask'))")
    assert version.stdout.startswith("3.0.")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/flask/test_visits.py")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
