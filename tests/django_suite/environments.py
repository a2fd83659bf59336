"""What Django's tests run in: this environment, and one with the newest Django."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

import django

from tests.django_suite.downloads import Unavailable, django_tests, kept, pip
from tests.django_suite.pythons import candidates, newest_python, said_by


@dataclass(frozen=True)
class Environment:
    """A Python that has Django, and the tests of that version of Django."""

    python: str
    tests: Path


def installed() -> Environment:
    """Return what these tests themselves run in."""
    return Environment(sys.executable, django_tests(sys.executable, django.get_version()))


def newest() -> Environment:
    """Return an environment with the newest Django that a Python of this machine runs.

    It is made once and kept, so "newest" is as of then.

    :raises Unavailable: this environment has it already, or no other can be made.
    """
    found = newest_python(candidates())
    if not found:
        raise Unavailable("no released CPython here can make virtual environments")
    numbers, program = found
    name = "python-" + ".".join(map(str, numbers))
    # The package itself is imported from its source. In an environment without extras, pip
    # passes over the requirements that belong to one.
    requirements = [*(requires("kt-cache") or ()), "Django", "pytest", "pytest-django"]
    digest = hashlib.sha256(repr((program, requirements)).encode()).hexdigest()[:8]

    def make(scratch: Path) -> Path:
        folder = scratch / name
        # Without pip, so that a Python without ensurepip will do.
        command = [program, "-m", "venv", "--without-pip", folder]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        pip(str(folder / "bin/python"), "install", *requirements)
        return folder

    python = str(kept(f"{name}-{digest}", make) / "bin/python")
    version = said_by(python, "-c", "import django; print(django.get_version())")
    if not version:
        raise AssertionError(f"{python} does not import Django; remove its environment")
    if version == django.get_version():
        raise Unavailable(f"Django {version}, installed here, is the newest for this machine")
    return Environment(python, django_tests(python, version))
