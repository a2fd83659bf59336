"""Django's own cache and session tests pass on kt_cache."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.django_suite.downloads import Unavailable
from tests.django_suite.environments import Environment, installed, newest
from tests.support.servers import SCRIPTLESS, SERVERS, running

SUITE = Path(__file__).parent / "suite"
ROOT = Path(__file__).parents[2]
TIMEOUT = 300.0  # seconds for a run
AT_ONCE = 6  # runs; they mostly sleep

# Every test of Django's that does not apply, by name, with the reason.
NOT_APPLICABLE = {
    "test_cull": "culling: a full server evicts by itself, MAX_ENTRIES is not an option",
    "test_zero_cull": "culling, as above",
    "test_cull_delete_when_store_empty": "culling, as above",
}

# Django forbids to read a query set on an event loop, as pickling it there would.
ONLY_BLOCKING = "model_instance_with_deferred"  # two tests


@dataclass(frozen=True)
class Suite:
    """Some of Django's tests on a backend; at least so many of them pass."""

    module: str
    backend: str
    passing: int


BLOCKING = "kt_cache.django.KyotoTycoonCache"
SUITES = {
    "cache": Suite("cache_cases.py", BLOCKING, 51),
    "a-methods": Suite("cache_cases.py", "backends.AsyncMethods", 49),
    "sessions": Suite("session_cases.py", BLOCKING, 65),
}
ENVIRONMENTS = {"installed": installed, "newest": newest}


@dataclass(frozen=True)
class Run:
    """A suite with one Django on a server of its own."""

    django: str
    suite: str
    server: str

    def __str__(self) -> str:
        return f"{self.django}-{self.suite}-{self.server}"


RUNS = [
    *(Run("installed", suite, server) for suite in SUITES for server in SERVERS),
    *(Run("installed", suite, server) for suite in ("cache", "a-methods") for server in SCRIPTLESS),
    *(Run("newest", suite, server) for suite in SUITES for server in SERVERS),
    *(Run("newest", "cache", server) for server in SCRIPTLESS),
]

Outcomes = dict[str, tuple[str, str]]  # test name -> (state, text)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Run, Future[Outcomes]]]:
    """What comes of each run that was asked for."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = [item.callspec.params["run"] for item in here]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        # First of all, as runs wait for them.
        environments = {
            name: pool.submit(ENVIRONMENTS[name]) for name in {run.django for run in wanted}
        }
        yield {
            run: pool.submit(
                outcomes_of, run, environments[run.django], tmp_path_factory.mktemp("django")
            )
            for run in wanted
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.network
@pytest.mark.parametrize("run", RUNS, ids=str)
def test_django_suite(outcomes, run):
    """Every test of Django's suite passes, but for those listed as not applicable."""
    try:
        tests = outcomes[run].result()
    except Unavailable as error:
        pytest.skip(str(error))
    problems = {name: text for name, (state, text) in tests.items() if state == "failed"}
    assert not problems, "\n\n".join(problems.values())
    skipped = {name for name, (state, _) in tests.items() if state == "skipped"}
    assert skipped <= NOT_APPLICABLE.keys()
    passed = [name for name, (state, _) in tests.items() if state == "passed"]
    assert len(passed) >= SUITES[run.suite].passing


def outcomes_of(run: Run, environment: Future[Environment], folder: Path) -> Outcomes:
    """Run a suite in a process of its own.

    :param folder: an empty one, for the report.
    """
    where, suite = environment.result(), SUITES[run.suite]
    report = folder / "results.xml"
    command = [where.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if suite.backend != BLOCKING:
        command += ["-k", f"not {ONLY_BLOCKING}"]
    command += [f"--junitxml={report}", "-c", "pytest.ini", "--rootdir=.", suite.module]
    with contextmanager(running)(run.server) as server:
        done = subprocess.run(
            command,
            cwd=SUITE,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join([str(where.tests), str(ROOT)]),
                "DJANGO_SETTINGS_MODULE": "settings",
                "KT_CACHE_TEST_BACKEND": suite.backend,
                "KT_CACHE_TEST_LOCATION": f"127.0.0.1:{server.port}",
                "PYTHONDEVMODE": "1",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    return dict(map(outcome, ET.parse(report).iter("testcase")))


def outcome(case: ET.Element) -> tuple[str, tuple[str, str]]:
    """Return a test's name, and what came of it."""
    name, state, text = case.get("name", ""), "passed", ""
    for child in case:
        if child.tag in ("failure", "error"):
            state, text = "failed", f"{name}: {child.text}"
        elif child.tag == "skipped":
            state = "skipped"
    return name, (state, text)
