"""The cache under gunicorn, whose workers are forked from a process that has used it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from kt_cache import EmbeddedServer
from testproject.demo.site import START_SECONDS, Site
from tests.sites.web import GUNICORN
from tests.support.process import wait_for
from tests.support.threads import run_threads

WORKERS = 2
VISITORS = 6
ROUNDS = 15
TIMEOUT = 30.0  # seconds for a page

MODES = {"preload": ("--preload",), "threads": ("--threads", "4")}


class Browser:
    """Asks for pages, on one connection."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)

    def get(self, path: str) -> tuple[int, str]:
        """Return a page's status and text."""
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        return response.status, response.read().decode()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def browser(site: Site) -> Iterator[Browser]:
    """A visitor of a site, who leaves at the end."""
    visitor = Browser(site.url)
    try:
        yield visitor
    finally:
        visitor.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[EmbeddedServer]:
    """The sites' cache server, whose records outlive a restart."""
    database = str(tmp_path_factory.mktemp("server") / "records.sqlite")
    with EmbeddedServer("included", database=database, quiet=True) as server:
        yield server


def connections(server: EmbeddedServer) -> int:
    """Return how many connections a server has, this question's among them."""
    return int(server.client.report()["serv_conn_count"])


@pytest.fixture(scope="module", params=MODES)
def site(request, server: EmbeddedServer, tmp_path_factory) -> Iterator[Site]:
    """A site of several workers, its application loaded before the fork or behind it."""
    server.client.clear()
    directory = tmp_path_factory.mktemp("site")
    command = ["-m", *GUNICORN, "--workers", str(WORKERS), *MODES[request.param]]
    environment = {
        "HOME": str(directory),  # gunicorn writes there
        "KT_CACHE_URL": f"kt://{server.host}:{server.port}",
    }
    log = directory / "site.log"
    site = Site(request.param, [*command, "tests.flask.forked_site:app"], log, environment)
    before = connections(server)
    try:
        site.child.start()
        site.wait_until_ready()
        site.child.wait_until_printed(rf"(?s)(Booting worker.*){{{WORKERS}}}", START_SECONDS)
        yield site
    finally:
        site.child.stop()
    wait_for(lambda: connections(server) == before, "the site's connections are closed")


def test_many_visitors(site: Site) -> None:
    """No worker gets another's answers, and whatever only one may do is done once."""
    counted: list[int] = []
    workers: set[int] = set()

    def visit(number: int) -> None:
        for turn in range(ROUNDS):
            with browser(site) as visitor:
                word = f"visitor-{number}-{turn}"
                assert visitor.get(f"/echo/{word}") == (200, word * 100)
                status, text = visitor.get("/count")
                assert status == 200
                found = json.loads(text)
                counted.append(found["count"])
                workers.add(found["pid"])
                made = f"page-{turn}"
                assert visitor.get(f"/async/{made}") == (200, f"{made}, made 1 times")

    run_threads(VISITORS, visit)
    assert sorted(counted) == list(range(1, VISITORS * ROUNDS + 1))
    assert len(workers) == WORKERS
    with browser(site) as visitor:
        loaded_by = set(json.loads(visitor.get("/loaded")[1]))
    if site.name == "preload":
        assert len(loaded_by) == 1
        assert not loaded_by & workers
    else:
        assert loaded_by == workers


def test_the_server_is_restarted(site: Site, server: EmbeddedServer) -> None:
    """Pages fail while the server is away, and work again when it is back."""
    over = threading.Event()
    answers: list[int] = []

    def go_on(_: int) -> None:
        while not over.is_set():
            with browser(site) as visitor:
                answers.append(visitor.get("/count")[0])

    def restart() -> None:
        try:
            wait_for(lambda: len(answers) > VISITORS, "the first pages")
            server.stop()
            wait_for(lambda: 500 in answers, "an error page while the server is away")
            server.run()
            back = len(answers)
            wait_for(lambda: len(answers) > back + 20, "some more pages")
        finally:
            over.set()

    run_threads(VISITORS, lambda number: go_on(number) if number else restart())
    assert set(answers) == {200, 500}
    assert answers[0] == 200
    assert answers[-10:] == [200] * 10
