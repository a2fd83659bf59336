"""Whether the tests that talk to a server run on a real ktserver, too."""

from __future__ import annotations

import shutil

import pytest

__all__ = ["find_ktserver", "need_ktserver"]

_choice = "auto"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--ktserver``."""
    parser.addoption(
        "--ktserver",
        choices=("auto", "require", "skip"),
        default="auto",
        help="run on a real ktserver as well: if it is on PATH (auto), certainly, or not at all",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the option's value in."""
    global _choice
    _choice = config.getoption("--ktserver")
    if _choice == "require" and not shutil.which("ktserver"):
        raise pytest.UsageError("--ktserver=require, but there is no ktserver on PATH")


def find_ktserver() -> str | None:
    """Return the path of the real server, if there is one and it is wanted."""
    return None if _choice == "skip" else shutil.which("ktserver")


def need_ktserver() -> str:
    """Return that path, or skip."""
    if _choice == "skip":
        pytest.skip("ktserver is left out (--ktserver=skip)")
    return shutil.which("ktserver") or pytest.skip("no ktserver on PATH")
