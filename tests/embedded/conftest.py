"""Fixtures of this folder."""

from __future__ import annotations

import pytest

from tests.support.ktserver import need_ktserver


@pytest.fixture(params=["included", "ktserver"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of server in turn, as the ``server`` argument."""
    if request.param == "ktserver":
        need_ktserver()
    return str(request.param)
