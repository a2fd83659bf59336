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
from tests.django_suite.environments import Environment, installed, other
from tests.support.servers import SCRIPTLESS, SERVERS, running

SUITE = Path(__file__).parent / "suite"
ROOT = Path(__file__).parents[2]
TIMEOUT = 300.0  # seconds for a run
AT_ONCE = 4  # runs; they mostly sleep, and other tests run beside them

# Every test of Django's that does not apply, by name, with the reason.
NOT_APPLICABLE = {
    "test_cull": "culling: a full server evicts by itself, MAX_ENTRIES is not an option",
    "test_zero_cull": "culling, as above",
    "test_cull_delete_when_store_empty": "culling, as above",
}

# Name of a suite -> its class, how many tests pass at least.
SUITES = {
    "cache": ("cache_cases.KyotoTycoonCacheTests", 51),
    "a-methods": ("cache_cases.AsyncMethodsTests", 49),
    "sessions": ("session_cases.KyotoTycoonSessionTests", 65),
    "sessions, database": ("session_cases.CachedDatabaseSessionTests", 65),
}
ENVIRONMENTS = {"installed": installed, "other": other}


@dataclass(frozen=True)
class Run:
    """All suites with one Django, on a server of their own."""

    django: str
    server: str

    def __str__(self) -> str:
        return f"{self.django}-{self.server}"


# What differs from Django to Django is not the server's: one of each way is enough for the other.
RUNS = [
    *(Run("installed", server) for server in [*SERVERS, *SCRIPTLESS]),
    *(Run("other", server) for server in [SERVERS[0], SCRIPTLESS[-1]]),
]

Outcomes = dict[str, dict[str, tuple[str, str]]]
"""Class -> test name -> (state, text)."""


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Run, Future[Outcomes]]]:
    """What comes of each run that was asked for."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = dict.fromkeys(item.callspec.params["run"] for item in here)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        # First of all, as runs wait for them.
        environments = {
            name: pool.submit(ENVIRONMENTS[name])
            for name in dict.fromkeys(run.django for run in wanted)
        }
        yield {
            run: pool.submit(
                outcomes_of,
                run.server,
                environments[run.django],
                tmp_path_factory.mktemp("django") / "results.xml",
            )
            for run in wanted
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.network
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("run", RUNS, ids=str)
def test_django_suite(outcomes, run, suite):
    """Every test of Django's suite passes, but for those listed as not applicable."""
    group, least = SUITES[suite]
    try:
        tests = outcomes[run].result()[group]
    except Unavailable as error:
        pytest.skip(str(error))
    problems = [text for state, text in tests.values() if state == "failed"]
    assert not problems, "\n\n".join(problems)
    skipped = {name for name, (state, _) in tests.items() if state == "skipped"}
    assert skipped <= NOT_APPLICABLE.keys()
    assert len(tests) - len(skipped) >= least


def outcomes_of(server: str, environment: Future[Environment], report: Path) -> Outcomes:
    """Run the suites in a process of its own.

    :param report: a file for it to write.
    """
    where = environment.result()
    command = [where.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", "-c", "pytest.ini", "--rootdir=."]
    with contextmanager(running)(server) as started:
        variables = {
            "PYTHONPATH": os.pathsep.join([str(where.tests()), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "settings",
            "KT_CACHE_TEST_LOCATION": f"127.0.0.1:{started.port}",
            "PYTHONDEVMODE": "1",
        }
        done = subprocess.run(
            command,
            cwd=SUITE,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    all_ran = done.returncode in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    assert all_ran, done.stdout[-4000:] + done.stderr[-4000:]
    outcomes: Outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        name, outcome = outcome_of(case)
        outcomes.setdefault(case.get("classname", ""), {})[name] = outcome
    return outcomes


def outcome_of(case: ET.Element) -> tuple[str, tuple[str, str]]:
    """Return a test's name, and what came of it."""
    name, state, text = case.get("name", ""), "passed", ""
    for child in case:
        if child.tag in ("failure", "error"):
            state, text = "failed", f"{name}: {child.text}"
        elif child.tag == "skipped":
            state = "skipped"
    return name, (state, text)
