"""The tests find the Pythons of a machine, and keep what they fetched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.django_suite.downloads import Unavailable, kept, pip
from tests.django_suite.pythons import candidates, newest_python


def program(path: Path, text: str) -> Path:
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_newest_python_that_runs(tmp_path: Path) -> None:
    """The version that it says counts, not its name; what does not run is passed over."""
    newer = program(tmp_path / "python3.11", "echo 3 100 2")
    programs = [
        program(tmp_path / "python3.999", "echo 'not installed' >&2; exit 127"),
        tmp_path / "python3.998",
        Path(sys.executable),
        newer,
        program(tmp_path / "python3.99", "echo 3 99 14"),
        program(tmp_path / "another", "echo 3 100 2"),
    ]
    assert newest_python(programs) == newer
    assert newest_python(programs[:3]) == Path(sys.executable)
    assert newest_python(programs[:2]) is None


def test_where_pythons_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one, those on PATH by their version, and those of a pyenv."""
    on_path = program(tmp_path / "bin" / "python3.12", "")
    program(tmp_path / "bin" / "python3.12-config", "")
    program(tmp_path / "bin" / "pyenv", f'[ "$*" = root ] && echo "{tmp_path}/root"')
    of_pyenv = program(tmp_path / "root" / "versions" / "3.13.0" / "bin" / "python", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'nowhere'}")
    assert list(candidates()) == [Path(sys.executable), on_path, of_pyenv]


def test_what_is_made_once_is_kept(tmp_path: Path) -> None:
    """It is made in another place, and what failed half-way leaves nothing behind."""

    def fail(scratch: Path) -> Path:
        (scratch / "half").write_text("made")
        raise Unavailable("no registry")

    with pytest.raises(Unavailable, match="no registry"):
        kept("thing", fail, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []

    def make(scratch: Path) -> Path:
        (scratch / "whole").mkdir()
        (scratch / "whole" / "file").write_text("made")
        return scratch / "whole"

    thing = kept("thing", make, tmp_path / "cache")
    assert (thing / "file").read_text() == "made"
    assert kept("thing", fail, tmp_path / "cache") == thing
    assert list((tmp_path / "cache").iterdir()) == [thing]


def test_who_is_second_uses_what_the_first_made(tmp_path: Path) -> None:
    """Two test runs that make the same thing at once do not disturb each other."""

    def made_by(name: str) -> Path:
        def make(scratch: Path) -> Path:
            if name == "second":
                made_by("first")
            (scratch / name).mkdir()
            (scratch / name / "maker").write_text(name)
            return scratch / name

        return kept("thing", make, tmp_path)

    assert (made_by("second") / "maker").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_what_pip_cannot_do_is_said() -> None:
    """The reason names what was wanted and holds pip's last line."""
    with pytest.raises(Unavailable, match=r"pip install --no-index no-such-thing: ERROR: .*"):
        pip(sys.executable, "install", "--no-index", "no-such-thing")
