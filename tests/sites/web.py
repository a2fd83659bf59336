"""The example site under the servers that sites run on, each with a cache server of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kt_cache import EmbeddedServer
from testproject.demo.children import Child
from testproject.demo.site import HOST, MANAGE, PREPARE_SECONDS, START_SECONDS, Site
from tests.sites.visitor import Visitor
from tests.support.ktserver import find_ktserver
from tests.support.process import wait_for

__all__ = ["WEB", "RunningSite", "Web", "prepare", "running", "visitors"]

# A visitor's connection is kept longer than any pause in a test.
GUNICORN = ("gunicorn", "--bind", f"{HOST}:0", "--keep-alive", "60")
UVICORN = ("uvicorn", "--host", HOST, "--port", "0", "--timeout-keep-alive", "60")

IGNORING = {
    "ignore_errors": True,
    "connect_timeout": 2,
    "read_timeout": 3,
    "call_timeout": 5,
    "breaker_reset": 0.2,
}


@dataclass(frozen=True)
class Web:
    """How a site is run.

    :param command: the module that runs it, and its arguments.
    :param connections: how many the site keeps open to the cache.
    :param requests: how many of all are its share: some are slower.
    :param options: OPTIONS of its cache.
    :param server: what its cache is on; the included server where there is no other.
    :param ready: what it has printed when all of it has started.
    """

    command: tuple[str, ...]
    connections: range
    requests: int
    options: dict[str, Any] = field(default_factory=dict)
    server: str = "included"
    ready: str = ""


WEB = {
    "gunicorn, threads": Web(
        (*GUNICORN, "--threads", "8", "testproject.django_site.wsgi"),
        connections=range(1, 8 + 1),
        requests=1600,
        options=IGNORING,
    ),
    # Workers of one thread. The parent, which serves nobody, has a connection of its own. That
    # more than one worker is at work is the point here.
    "gunicorn, preload": Web(
        (*GUNICORN, "--preload", "--workers", "3", "tests.sites.preloaded"),
        connections=range(1 + 2, 1 + 3 + 1),
        requests=2600,
        server="ktserver",
        ready=r"(?s)(Booting worker.*){3}",
    ),
    # For the views in threads, and for those on the event loop.
    "uvicorn": Web(
        (*UVICORN, "--no-access-log", "testproject.django_site.asgi:application"),
        connections=range(1 + 1, 8 + 8 + 1),
        requests=800,
        options=IGNORING,
    ),
}


class RunningSite:
    """A site that runs.

    :ivar web: how.
    :ivar cache: the server that its cache is on.
    """

    def __init__(self, web: Web, cache: EmbeddedServer, site: Site) -> None:
        self.web = web
        self.cache = cache
        self._site = site

    @property
    def ignores_errors(self) -> bool:
        """Whether its cache does without the server."""
        return bool(self.web.options.get("ignore_errors"))

    @property
    def url(self) -> str:
        """Where it is."""
        return self._site.url

    def printed(self) -> str:
        """All it has logged."""
        return self._site.child.output()

    def cache_connections(self) -> int:
        """Return how many connections the cache server has, this question's among them."""
        return int(self.cache.client.report()["serv_conn_count"])


def prepare(directory: Path) -> None:
    """Make the user database that sites share."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.sites.settings",
        "TESTPROJECT_DATA_DIR": str(directory),
    }
    command = [sys.executable, str(MANAGE), "prepare"]
    child = Child("preparation", command, log=directory / "prepare.log", env=environment)
    child.start()
    child.wait_until_done(PREPARE_SECONDS)
    child.stop()


@contextmanager
def running(name: str, prepared: Path, directory: Path) -> Iterator[RunningSite]:
    """Run a site and its cache; at the end no connection of it may be left.

    :param prepared: where the user database is.
    :param directory: for everything that the site and its cache write.
    """
    web = WEB[name]
    kind = "ktserver" if web.server == "ktserver" and find_ktserver() else "included"
    file = directory / ("cache.kch" if kind == "ktserver" else "cache.sqlite")
    with EmbeddedServer(kind, database=str(file), quiet=True) as cache:
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.sites.settings",
            "HOME": str(directory),  # gunicorn writes there
            "KT_CACHE_URL": f"kt://{cache.host}:{cache.port}",
            "SITE_CACHE_OPTIONS": json.dumps(web.options),
            "TESTPROJECT_DATA_DIR": str(prepared),
        }
        site = Site(name, ["-m", *web.command], directory / "site.log", environment)
        found = RunningSite(web, cache, site)
        before = found.cache_connections()
        try:
            site.child.start()
            site.wait_until_ready()
            site.child.wait_until_printed(web.ready, START_SECONDS)
            yield found
        finally:
            site.child.stop()
        wait_for(lambda: found.cache_connections() == before, "the site's connections are closed")


@contextmanager
def visitors(site: RunningSite, number: int) -> Iterator[list[Visitor]]:
    """Send visitors to a site."""
    them = [Visitor(site.url) for _ in range(number)]
    try:
        yield them
    finally:
        for visitor in them:
            visitor.close()
