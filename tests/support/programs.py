"""Running programs of their own, for what a test must not do to the process it runs in."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 60.0  # seconds


def run_program(source: str, *words: object, ignore: str = "") -> str:
    """Run Python source with these words as arguments; return what it printed.

    :param ignore: which warnings are no errors, as for ``python -W ignore:``.
    """
    warnings = ["-W", "error", *(["-W", f"ignore:{ignore}"] if ignore else ())]
    command = [sys.executable, *warnings, "-c", textwrap.dedent(source), *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout
