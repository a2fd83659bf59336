"""A site under gunicorn and uvicorn: many visitors, and a cache server that goes and comes back."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sites.visitor import (
    COUNTED,
    HEADLINES,
    HOME,
    REPORT,
    SESSION,
    STATISTICS,
    TOUR,
    Visit,
    Visitor,
    together,
)
from tests.sites.web import WEB, RunningSite, prepare, running, visitors
from tests.support.process import wait_for

VISITORS = 8
IN_TIME = 5.0  # seconds for a page without the cache server; call_timeout where errors are ignored
PAGES = (HOME, REPORT, STATISTICS, HEADLINES, SESSION)

# Of the pages, what the cache's OPTIONS allow to fail without it, and how. A session is never made
# up: the middleware says that it cannot be had.
NEED_THE_CACHE = {
    True: {SESSION: 503},
    False: {REPORT: 500, STATISTICS: 500, HEADLINES: 500, SESSION: 503},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sites' user database is."""
    directory = tmp_path_factory.mktemp("prepared")
    prepare(directory)
    return directory


@pytest.fixture(scope="module", params=WEB)
def site(
    request: pytest.FixtureRequest, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSite]:
    """The site under each server in turn."""
    with running(request.param, prepared, tmp_path_factory.mktemp("site")) as site:
        yield site


def all_visits(them: list[Visitor]) -> list[Visit]:
    return [visit for visitor in them for visit in visitor.visits]


def numbers_of(path: str, visits: list[Visit]) -> list[int]:
    """Return the numbers that a page showed, from small to large."""
    return sorted(visit.number for visit in visits if visit.path == path and visit.number)


def wait_for_tours(them: list[Visitor]) -> None:
    """Wait until everyone was everywhere."""
    enough = [(visitor, len(visitor.visits) + 2 * len(TOUR)) for visitor in them]
    wait_for(lambda: all(len(visitor.visits) >= n for visitor, n in enough), "all tours")


def test_many_visitors(site: RunningSite) -> None:
    """No error, no count lost or given twice, nobody in another's session, no connection leaked."""
    with visitors(site, VISITORS) as them:
        together(them, Visitor.log_in)
        printed = site.printed()
        for visitor in them:
            visitor.visits.clear()
        together(them, lambda visitor: visitor.go_round(site.web.requests // VISITORS))
        found = all_visits(them)
        assert site.cache_connections() - 1 in site.web.connections  # without this test's own
    assert Counter(visit.status for visit in found) == {200: site.web.requests}
    for path in COUNTED:
        numbers = numbers_of(path, found)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), path
        assert len(numbers) == sum(visit.path == path for visit in found)
    for visitor in them:
        numbers = [visit.number for visit in visitor.visits if visit.path == SESSION]
        assert numbers == list(range(1, len(numbers) + 1))
    assert not re.search("ignored|error|warning|Traceback", site.printed()[len(printed) :])


def test_the_cache_server_is_restarted(site: RunningSite) -> None:
    """Errors end with the outage: connections from before disturb nobody, and counts go on."""
    with visitors(site, VISITORS // 2) as them:
        together(them, Visitor.log_in)
        over = threading.Event()

        def go_on(visitor: Visitor) -> None:
            while not over.is_set():
                visitor.go_round()

        def is_back(visitor: Visitor) -> bool:
            """Tell whether the circuit breaker let someone through."""
            return any(v.path == SESSION and v.status == 200 for v in since(back, visitor))

        touring = threading.Thread(target=together, args=(them, go_on))
        touring.start()
        try:
            wait_for_tours(them)
            gone = time.monotonic()
            site.cache.stop()
            wait_for_tours(them)
            site.cache.run()
            back = time.monotonic()
            if site.ignores_errors:
                wait_for(lambda: all(map(is_back, them)), "the server is used again")
                back = time.monotonic()
            wait_for_tours(them)
        finally:
            over.set()
            touring.join()
    found = all_visits(them)
    failed = [visit for visit in found if visit.status >= 500]
    assert failed
    failures = {(visit.path, visit.status) for visit in failed}
    assert failures <= set(NEED_THE_CACHE[site.ignores_errors].items())
    assert all(visit.ended > gone and visit.started < back for visit in failed), failed
    for path in COUNTED:
        numbers = numbers_of(path, found)
        assert len(numbers) == len(set(numbers))
        # What is between the first and the last was given out, or lost on its way back.
        assert numbers[-1] - numbers[0] < sum(visit.path == path for visit in found)
    for visitor in them:
        numbers = [visit.number for visit in visitor.visits if visit.path == SESSION]
        shown = [number for number in numbers if number]
        assert shown == sorted(set(shown))
        assert shown[-1] <= len(numbers)


def since(moment: float, visitor: Visitor) -> list[Visit]:
    return [visit for visit in list(visitor.visits) if visit.started > moment]


def test_the_cache_server_is_gone(site: RunningSite) -> None:
    """Every page answers in time: as usual where errors are ignored, and sessions never made up."""
    with visitors(site, VISITORS) as them:
        together(them, Visitor.log_in)
        site.cache.stop()
        try:
            for visitor in them:
                visitor.visits.clear()
            together(them, Visitor.go_round)
        finally:
            site.cache.run()
    expected = dict.fromkeys(PAGES, 200)
    expected |= NEED_THE_CACHE[site.ignores_errors]
    found = all_visits(them)
    assert {(visit.path, visit.status) for visit in found} == set(expected.items())
    assert max(visit.ended - visit.started for visit in found) < IN_TIME
