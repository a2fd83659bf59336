"""Django's own tests, from its source distribution of the installed version."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

CACHE = Path(os.environ.get("KT_CACHE_TEST_CACHE", Path(__file__).parents[2] / ".cache"))


class SourceUnavailable(Exception):
    """The source distribution cannot be had; the message says why."""


def django_tests() -> Path:
    """Return Django's ``tests`` folder, downloaded once and kept between runs."""
    version = django.get_version()
    target = CACHE / f"django-{version}"
    tests = target / "tests"
    if tests.is_dir():
        return tests
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        archive = _download(version, Path(scratch))
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archive) as bundle:
            wanted = [
                member
                for member in bundle.getmembers()
                if "/tests/cache/" in member.name or "/tests/sessions_tests/" in member.name
            ]
            _extract(bundle, wanted, unpacked)
        (root,) = unpacked.iterdir()
        root.rename(target)
    return tests


def _download(version: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary"]
    command += [":all:", "--dest", str(folder), f"Django=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable("downloading Django's source took over 300 s") from error
    found = list(folder.glob("*.tar.gz"))
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise SourceUnavailable(f"pip cannot download Django {version}'s source: {last}")
    return found[0]


def _extract(bundle: tarfile.TarFile, members: list[tarfile.TarInfo], folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        bundle.extractall(folder, members, filter="data")
    else:
        bundle.extractall(folder, members)
