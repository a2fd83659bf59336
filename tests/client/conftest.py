"""Fixtures of this folder."""

import shutil

import pytest

from tests.support.clients import client_for

__all__ = ["client_for", "needs_ktserver"]


@pytest.fixture(scope="session")
def needs_ktserver() -> None:
    """Skip what only a real server can do where there is none."""
    if not shutil.which("ktserver"):
        pytest.skip("no ktserver on PATH")
