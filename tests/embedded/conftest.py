"""Fixtures of this folder."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(params=["included", "ktserver"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of server in turn, as the ``server`` argument."""
    if request.param == "ktserver" and not shutil.which("ktserver"):
        pytest.skip("no ktserver on PATH")
    return str(request.param)
