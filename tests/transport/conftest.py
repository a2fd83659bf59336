"""Fixtures of this folder."""

from tests.support.aio import run, run_one
from tests.support.clients import any_client_for, client_for

__all__ = ["any_client_for", "client_for", "run", "run_one"]
