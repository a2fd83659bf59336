"""Fixtures of this folder."""

import pytest

from tests.support.aio import run, run_one
from tests.support.clients import any_client_for, client_for
from tests.support.databases import two_databases
from tests.support.ktserver import need_ktserver

__all__ = ["any_client_for", "client_for", "needs_ktserver", "run", "run_one", "two_databases"]


@pytest.fixture(scope="session")
def needs_ktserver() -> None:
    """Skip what only a real server can do where there is none."""
    need_ktserver()
