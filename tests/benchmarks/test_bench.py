"""What ``make bench`` runs: it must run and find everything out; how fast it is is not judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CALLS = [
    "get",
    "set",
    "get_bytes",
    "get_bulk of 100",
    "set_bulk of 100",
    "add, refused",
    "increment",
    "cas",
    "cache get",
    "cache set",
    "Django's cache get",
    "Django's cache set",
]
REQUESTS = [
    f"{operation}, {clients}"
    for clients in ("1 connection", "4 connections", "16 connections", "50 pipelined")
    for operation in ("set", "get")
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict]]:
    """What a quick run prints, and the rows it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "rows.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, json.loads(file.read_text())


def rows_of(rows: list[dict], subject: str) -> list[str]:
    return [row["what"] for row in rows if row["section"].startswith(subject)]


def test_every_comparison_is_there(run: tuple[str, list[dict]]) -> None:
    """Each call on each server, and each server's answers; ktserver's where it is on PATH."""
    _, rows = run
    assert rows_of(rows, "Client on the included server,") == CALLS
    assert rows_of(rows, "The included server,") == REQUESTS
    assert rows_of(rows, "The included server on a .sqlite file,") == REQUESTS
    expected = bool(shutil.which("ktserver"))
    assert rows_of(rows, "Client on ktserver,") == CALLS * expected
    assert rows_of(rows, "Ktserver,") == REQUESTS * expected


def test_numbers_are_sound(run: tuple[str, list[dict]]) -> None:
    """Rates and ratios are positive and the median lies between the quartiles."""
    _, rows = run
    for row in rows:
        assert min(row["rate"], row["floor_rate"]) > 0, row
        assert 0 < row["low"] <= row["ratio"] <= row["high"], row


def test_bars(run: tuple[str, list[dict]]) -> None:
    """Only what was promised has a bar, and the verdict is about that one."""
    _, rows = run
    barred = {row["section"].split(",")[0]: row["bar"] for row in rows if row["bar"]}
    servers = ["the included server", *["ktserver"] * bool(shutil.which("ktserver"))]
    clients = {f"Client on {server}": 0.8 for server in servers}
    assert barred == {"The included server": 0.7, **clients}
    for row in rows:
        if row["bar"] is None:
            assert row["verdict"] == ""
        else:
            assert row["verdict"] == ("ok" if row["ratio"] >= row["bar"] else "below")


def test_the_table_shows_every_row(run: tuple[str, list[dict]]) -> None:
    """Every section and row is printed, with its ratio and, where it has one, its verdict."""
    printed, rows = run
    for row in rows:
        assert row["section"] in printed
        line = f"  {row['what']} "
        shown = [text for text in printed.splitlines() if text.startswith(line)]
        assert any(f"{row['ratio']:.2f}" in text for text in shown), row
        assert any(text.endswith(row["verdict"]) for text in shown), row
