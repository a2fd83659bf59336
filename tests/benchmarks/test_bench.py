"""What ``make bench`` runs: it must run and find everything out; how fast it is is not judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.django_cache import django_rows
from benchmarks.django_peers import PEERS, what_is_missing
from benchmarks.measure import Effort
from benchmarks.processors import can_keep_apart

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
BESIDE_UKT = {
    "get": 1.3,
    "set": 1.25,
    "remove": 1.25,
    "get_bulk of 100": 1.6,
    "set_bulk of 100": 1.1,
    "touch": 1.3,
    "add, refused": 3.0,
    "increment": 3.3,
    "cas": 3.0,
    "exists": 3.0,
}
DECORATED = ["a cached page", "with query_string", "a cached Response", "a memoized call"]
LOOPS = {"asyncio": 0.9, **({"uvloop": 1.5} if find_spec("uvloop") else {})}
BESIDE_DJANGO_REDIS = {
    "get": 1.35,
    "set": 1.4,
    "get_many of 100": 1.3,
    "set_many of 100": 2.5,
    "incr": 1.1,
    "delete, missing": 1.2,
    "add, refused": 1.05,
    "touch": 1.0,
}
BESIDE_PYMEMCACHE = {"get": 1.1, "set": 1.1}
SCRIPTED = ["incr", "add, refused", "touch"]
OTHER_BACKENDS = ["PyMemcacheCache", "RedisCache", "django-valkey", "diskcache"]
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


def can_run(peer: str) -> bool:
    return not what_is_missing(peer)


def rows_of(rows: list[dict], subject: str) -> list[str]:
    return [row["what"] for row in rows if row["section"].startswith(subject)]


def bars_of(rows: list[dict], subject: str) -> dict[str, float]:
    """Return the bars of a section's rows that have one."""
    here = [row for row in rows if row["section"].startswith(subject)]
    return {row["what"]: row["bar"] for row in here if row["bar"] is not None}


def test_every_comparison_is_there(run: tuple[str, list[dict]]) -> None:
    """Each call on each server, and each server's answers; ktserver's where it is on PATH."""
    _, rows = run
    expected = bool(shutil.which("ktserver"))
    assert rows_of(rows, "Client on the included server,") == CALLS
    assert rows_of(rows, "Client on ktserver,") == CALLS * expected
    assert rows_of(rows, "The included server,") == REQUESTS
    assert rows_of(rows, "The included server on a .sqlite file,") == REQUESTS
    assert rows_of(rows, "Ktserver,") == REQUESTS * expected


def test_every_backend_is_there(run: tuple[str, list[dict]]) -> None:
    """Through Django's API: each call beside each backend that runs here, on each server."""
    printed, rows = run
    calls = []
    for call in BESIDE_DJANGO_REDIS:
        calls += [call, f"{call}, without the script"] if call in SCRIPTED else [call]
    agets = [f"aget, {loop}" for loop in LOOPS]
    for server in ["the included server", *["ktserver"] * bool(shutil.which("ktserver"))]:
        subject = f"Django's cache on {server}"
        redis, memcached = can_run("django-redis"), can_run("PyMemcacheCache")
        assert rows_of(rows, f"{subject}, one thread, small dicts : django-redis") == calls * redis
        beside_memcached = rows_of(rows, f"{subject}, one thread, small dicts : PyMemcacheCache")
        assert beside_memcached == list(BESIDE_PYMEMCACHE) * memcached
        assert rows_of(rows, f"{subject}, 4 threads") == ["get"] * redis
        assert rows_of(rows, f"{subject}, 64 tasks") == agets * redis
        assert rows_of(rows, f"Django's sessions on {server},") == ["load + save"] * redis
        flask = redis and bool(find_spec("flask_session"))
        assert rows_of(rows, f"Flask's sessions on {server},") == ["load + save"] * flask
        caching = redis and bool(find_spec("flask_caching"))
        assert rows_of(rows, f"Flask's decorators on {server},") == DECORATED * caching
    assert rows_of(rows, "Other backends of Django's cache,") == [
        f"{call}, {peer}"
        for peer in OTHER_BACKENDS
        for call in ("get", "set", "get_many of 100", "set_many of 100")
        if can_run("django-redis") and can_run(peer)
    ]
    for peer in PEERS:
        assert (f"\nLeft out: {peer} needs the " in printed) != can_run(peer)


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs there are no rows, but a reason for each backend that needs one."""
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    effort = Effort(0.01)
    assert list(django_rows({}, effort, effort, said.append)) == []
    assert sum("needs the package" in text or "needs the program" in text for text in said) >= 4


def test_numbers_are_sound(run: tuple[str, list[dict]]) -> None:
    """Rates and ratios are positive and the median lies between the quartiles."""
    _, rows = run
    for row in rows:
        assert min(row["rate"], row["floor_rate"]) > 0, row
        assert 0 < row["low"] <= row["ratio"] <= row["high"], row


def test_bars(run: tuple[str, list[dict]]) -> None:
    """What was promised has its bar, nothing else has one, and the verdict is about that one."""
    _, rows = run
    with_ktserver = bool(shutil.which("ktserver"))
    expected = {"The included server,": {row: 0.7 for row in REQUESTS if "pipelined" not in row}}
    if with_ktserver:
        expected["Included server beside ktserver,"] = {"set": 0.9, "get": 0.9}
    for server in ["the included server", *["ktserver"] * with_ktserver]:
        expected[f"Client on {server},"] = {"get": 0.85, "set": 0.85}
        expected[f"Beside ukt on {server},"] = (
            BESIDE_UKT if find_spec("ukt") and server == "ktserver" else {}
        )
        expected[f"4 threads on {server},"] = {"get": 1.0}
        expected[f"64 tasks on {server},"] = {
            f"{call}, {loop}": bar for loop, bar in LOOPS.items() for call in ("get", "set")
        }
    if with_ktserver:
        redis, memcached = can_run("django-redis"), can_run("PyMemcacheCache")
        subject = "Django's cache on ktserver"
        alone = f"{subject}, one thread, small dicts"
        expected[f"{alone} : django-redis"] = BESIDE_DJANGO_REDIS if redis else {}
        expected[f"{alone} : PyMemcacheCache"] = BESIDE_PYMEMCACHE if memcached else {}
        expected[f"{subject}, 4 threads"] = {"get": 2.0} if redis else {}
        expected["Django's sessions on ktserver,"] = {"load + save": 1.8} if redis else {}
        flask = redis and find_spec("flask_session")
        expected["Flask's sessions on ktserver,"] = {"load + save": 1.2} if flask else {}
        caching = redis and find_spec("flask_caching")
        expected["Flask's decorators on ktserver,"] = dict.fromkeys(DECORATED * bool(caching), 1.0)
        expected[f"{subject}, 64 tasks"] = {f"aget, {loop}": 2.0 for loop in LOOPS if redis}
    assert {subject: bars_of(rows, subject) for subject in expected} == expected
    barred = [row for row in rows if row["bar"] is not None]
    assert len(barred) == sum(map(len, expected.values()))
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


@pytest.mark.skipif(not can_keep_apart(), reason="needs Linux and two processors")
def test_servers_on_processors_of_their_own() -> None:
    """This program has one processor and whatever it has started has the others."""
    program = """if True:
        import os, subprocess, time
        from benchmarks.measure import Effort, compare
        child = subprocess.Popen(["sleep", "60"])
        try:
            way = lambda count: time.sleep(count / 10_000)
            compare(way, way, Effort(0.01, apart=True))
            print(sorted(os.sched_getaffinity(0)), sorted(os.sched_getaffinity(child.pid)))
        finally:
            child.kill()
            child.wait()
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, *others = sorted(os.sched_getaffinity(0))
    assert done.stdout == f"{[first]} {others}\n"
