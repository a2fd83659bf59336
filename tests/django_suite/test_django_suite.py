"""Django's own cache and session tests pass on kt_cache."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.django_suite.source import SourceUnavailable, django_tests
from tests.support.servers import SERVERS, running

SUITE = Path(__file__).parent / "suite"
ROOT = Path(__file__).parents[2]

# Every test of Django's that does not apply, by name, with the reason.
NOT_APPLICABLE = {
    "test_cull": "culling: a full server evicts by itself, MAX_ENTRIES is not an option",
    "test_zero_cull": "culling, as above",
    "test_cull_delete_when_store_empty": "culling, as above",
}


@pytest.fixture(scope="module")
def source() -> Path:
    try:
        return django_tests()
    except SourceUnavailable as error:
        pytest.skip(str(error))


# Django forbids to read a query set on an event loop, as pickling it there would.
ONLY_BLOCKING = "model_instance_with_deferred"  # two tests
BACKEND = "kt_cache.django.KyotoTycoonCache"


# Name of a run -> the module, the backend, how many tests pass at least.
RUNS = {
    "cache": ("cache_cases.py", BACKEND, 51),
    "cache through its asynchronous methods": ("cache_cases.py", "backends.AsyncMethods", 49),
    "sessions": ("session_cases.py", BACKEND, 65),
}

Outcomes = dict[str, tuple[str, str]]


@pytest.fixture(scope="module", params=SERVERS)
def runs(request, source, tmp_path_factory) -> Iterator[dict[str, Future[Outcomes]]]:
    """All runs on a kind of server, at once, each on a server of its own: they mostly sleep."""
    with ThreadPoolExecutor(len(RUNS)) as pool, ExitStack() as stack:
        futures = {}
        for name, (module, backend, _) in RUNS.items():
            server = stack.enter_context(contextmanager(running)(request.param))
            report = tmp_path_factory.mktemp("django") / "results.xml"
            futures[name] = pool.submit(run_suite, source, server.port, module, backend, report)
        yield futures
        wait(futures.values())


@pytest.mark.network
@pytest.mark.parametrize("name", RUNS)
def test_django_suite(runs, name):
    """Every test of Django's suite passes, but for those listed as not applicable."""
    outcomes = runs[name].result()
    problems = {name: text for name, (state, text) in outcomes.items() if state == "failed"}
    assert not problems, "\n\n".join(problems.values())
    skipped = {name for name, (state, _) in outcomes.items() if state == "skipped"}
    assert skipped <= NOT_APPLICABLE.keys()
    passed = [name for name, (state, _) in outcomes.items() if state == "passed"]
    assert len(passed) >= RUNS[name][2]


def run_suite(source: Path, port: int, module: str, backend: str, report: Path) -> Outcomes:
    """Run one module of the suite in a process of its own: test name -> (state, text)."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "settings",
        "KT_CACHE_TEST_BACKEND": backend,
        "KT_CACHE_TEST_LOCATION": f"127.0.0.1:{port}",
        "PYTHONDEVMODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if backend != BACKEND:
        command += ["-k", f"not {ONLY_BLOCKING}"]
    command += [f"--junitxml={report}", "-c", "pytest.ini", "--rootdir=.", module]
    done = subprocess.run(
        command,
        cwd=SUITE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        state, text = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                state, text = "failed", f"{case.get('name')}: {child.text}"
            elif child.tag == "skipped":
                state = "skipped"
        outcomes[case.get("name")] = (state, text)
    return outcomes
