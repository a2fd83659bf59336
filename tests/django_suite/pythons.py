"""The Pythons of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

TIMEOUT = 20.0  # seconds for a program to say which Python it is
NAME = re.compile(r"python3\.[0-9]+")

# Packages are built for releases of CPython with its lock. What cannot make a virtual environment
# fails at the import.
WHICH = """
import sys, sysconfig, venv
usual = (
    sys.implementation.name == "cpython"
    and sys.version_info.releaselevel == "final"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
print(*sys.version_info[:3]) if usual else sys.exit("another kind of Python")
"""


def candidates() -> Iterator[Path]:
    """Yield this Python, and what may be one: by its name on PATH, or where pyenv keeps them."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield from (path for path in Path(folder).glob("python3.*") if NAME.fullmatch(path.name))
    if pyenv := shutil.which("pyenv"):
        root = said_by(pyenv, "root")
        yield from Path(root).glob("versions/*/bin/python") if root else ()


def newest_python(programs: Iterable[Path]) -> Path | None:
    """Return the newest of them; of equals, the first.

    Each is tried: a command on PATH may be a stand-in for a Python that is not there.
    """
    versions = {}
    for program in programs:
        if said := said_by(str(program), "-I", "-c", WHICH):
            versions[program] = tuple(map(int, said.split()))
    return max(versions, key=versions.__getitem__, default=None)


def said_by(*command: str) -> str | None:
    """Return what a program prints; ``None`` if it does not run, or fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
