"""What Django's tests run in: this environment, and one with another Django."""

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

OLDEST = "Django==5.2.*"  # that is supported


@dataclass(frozen=True)
class Environment:
    """A Python that has Django, of this version."""

    python: str
    version: str

    def tests(self) -> Path:
        """Return the ``tests`` folder of Django's source distribution."""
        return django_tests(self.python, self.version)


def installed() -> Environment:
    """Return what these tests themselves run in."""
    return Environment(sys.executable, django.get_version())


def other() -> Environment:
    """Return an environment with the newest Django that a Python of this machine runs.

    Where that is installed already, it is one with the oldest Django that is supported. Both are
    made once and kept, so "newest" is as of then.

    :raises Unavailable: this machine runs one version only, or no environment can be made.
    """
    program = newest_python(candidates())
    if not program:
        raise Unavailable("no released CPython here can make virtual environments")
    for python, wanted in ((program, "Django"), (Path(sys.executable), OLDEST)):
        found = with_django(python, wanted)
        if found.version != django.get_version():
            return found
    raise Unavailable(f"Django {found.version}, installed here, is all that this machine runs")


def with_django(program: Path, wanted: str) -> Environment:
    """Return an environment of that Python with the wanted Django and what its tests need."""
    # The package itself is imported from its source. In an environment without extras, pip
    # passes over the requirements that belong to one.
    requirements = [*(requires("kt-cache") or ()), wanted, "pytest", "pytest-django"]
    digest = hashlib.sha256(repr((program, requirements)).encode()).hexdigest()[:8]

    def make(scratch: Path) -> Path:
        folder = scratch / "environment"
        # Without pip, so that a Python without ensurepip will do.
        command = [program, "-m", "venv", "--without-pip", folder]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        pip(str(folder / "bin/python"), "install", *requirements)
        return folder

    python = str(kept(f"environment-{digest}", make) / "bin/python")
    version = said_by(python, "-c", "import django; print(django.get_version())")
    if not version:
        raise AssertionError(f"{python} does not import Django; remove its environment")
    return Environment(python, version)
