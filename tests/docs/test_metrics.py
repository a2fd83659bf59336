"""The page on metrics names everything that an observer can be told."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from kt_cache.cache import CallEvent
from kt_cache.cache.call_events import READINGS, Outcome

PAGE = Path(__file__).parents[2] / "docs/how-to/metrics.md"
ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", [*CallEvent._fields, "misses"])
def test_fields(name):
    """Each field of an event has a row."""
    assert any(row.startswith(f"| `{name}` |") for row in ROWS)


@pytest.mark.parametrize("name", get_args(Outcome))
def test_outcomes(name):
    """Each outcome is in the first column of a row."""
    assert any(f"`{name}`" in row.split("|")[1] for row in ROWS)


@pytest.mark.parametrize("name", READINGS)
def test_operations(name):
    """Each operation is in the list of them, and beside an outcome."""
    assert sum(f"`{name}`" in row.split("|")[2] for row in ROWS) >= 2
