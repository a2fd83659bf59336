"""What these tests need from the package registry: fetched once, and kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("KT_CACHE_TEST_CACHE", Path(__file__).parents[2] / ".cache"))
TIMEOUT = 300.0  # seconds for pip to fetch or install something


class Unavailable(Exception):
    """Something cannot be had on this machine; the message says what and why."""


def kept(name: str, make: Callable[[Path], Path], cache: Path = CACHE) -> Path:
    """Return the folder of that name, made if it is not there yet.

    Test runs may do so at the same time: all then use what the first of them has made.

    :param make: makes it somewhere in the folder it is given, and returns where.
    """
    target = cache / name
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        made = make(Path(scratch))
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


def pip(python: str, *words: str) -> None:
    """Run this environment's pip for another Python, which need not have one of its own."""
    command = [sys.executable, "-m", "pip", "--python", python, *words, "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"pip {' '.join(words)} took over {TIMEOUT:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Unavailable(f"pip {' '.join(words)}: {last}")


def django_tests(python: str, version: str) -> Path:
    """Return the ``tests`` folder of that version of Django's source distribution.

    :param python: one that this version runs on.
    """

    def unpack(scratch: Path) -> Path:
        wanted = f"Django=={version}"
        pip(python, "download", "--no-deps", "--no-binary=Django", f"--dest={scratch}", wanted)
        (archive,) = scratch.glob("*.tar.gz")
        with tarfile.open(archive) as bundle:
            members = [
                member
                for member in bundle.getmembers()
                if "/tests/cache/" in member.name or "/tests/sessions_tests/" in member.name
            ]
            _extract(bundle, members, scratch / "unpacked")
        (root,) = (scratch / "unpacked").iterdir()
        return root

    return kept(f"django-{version}", unpack) / "tests"


def _extract(bundle: tarfile.TarFile, members: list[tarfile.TarInfo], folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        bundle.extractall(folder, members, filter="data")
    else:
        bundle.extractall(folder, members)
