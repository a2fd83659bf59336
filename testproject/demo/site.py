"""The two sites as child processes, each run by its framework's own development server."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from testproject.demo.children import REPOSITORY, Child

MANAGE = REPOSITORY / "testproject" / "manage.py"
HOST = "127.0.0.1"
START_SECONDS = 30.0
PREPARE_SECONDS = 60.0


class Site:
    """A site whose cache is on a server.

    :param name: what it is called in messages.
    :param command: the program and the arguments that every start has.
    :param log: the file that receives all it prints.
    """

    def __init__(self, name: str, command: list[str], log: Path, env: Mapping[str, str]) -> None:
        self.url = ""
        self.name = name
        self.environment = env
        self.child = Child(f"{name} site", [sys.executable, *command], log=log, env=env)

    def start(self) -> None:
        """Start the site's program on a port that the system picks."""
        raise NotImplementedError

    def wait_until_ready(self) -> str:
        """Wait until the site says where it is; return that address."""
        running = self.child.wait_until_printed(rf"http://{HOST}:\d+(?=/?\s)", START_SECONDS)
        self.url = f"{running[0]}/"
        return self.url


class DjangoSite(Site):
    """The Django site, with its user database in a directory."""

    def __init__(self, directory: Path, cache_url: str) -> None:
        environment = {
            "DJANGO_SETTINGS_MODULE": "testproject.django_site.settings",
            "KT_CACHE_URL": cache_url,
            "TESTPROJECT_DATA_DIR": str(directory),
            "DJANGO_RUNSERVER_HIDE_WARNING": "true",
            "DJANGO_COLORS": "nocolor",
        }
        super().__init__("Django", [str(MANAGE)], directory / "django.log", environment)

    def start(self) -> None:
        """Create the user database and the user, then start."""
        self.child.start("prepare")
        self.child.wait_until_done(PREPARE_SECONDS)
        self.child.start("runserver", "--noreload", f"{HOST}:0")


class FlaskSite(Site):
    """The Flask site."""

    def __init__(self, directory: Path, cache_url: str) -> None:
        command = ["-m", "flask", "--app", "testproject.flask_site"]
        super().__init__("Flask", command, directory / "flask.log", {"KT_CACHE_URL": cache_url})

    def start(self) -> None:
        """Start the site."""
        self.child.start("run", "--host", HOST, "--port", "0")
