"""The Django site as a child process, run by Django's own development server."""

from __future__ import annotations

import sys
from pathlib import Path

from testproject.demo.children import REPOSITORY, Child

MANAGE = REPOSITORY / "testproject" / "manage.py"
HOST = "127.0.0.1"
START_SECONDS = 30.0
PREPARE_SECONDS = 60.0


class Site:
    """The site with its user database in a directory and its cache on a server."""

    def __init__(self, directory: Path, cache_url: str) -> None:
        self.url = ""
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "testproject.django_site.settings",
            "KT_CACHE_URL": cache_url,
            "TESTPROJECT_DATA_DIR": str(directory),
            "DJANGO_RUNSERVER_HIDE_WARNING": "true",
            "DJANGO_COLORS": "nocolor",
        }
        self.child = Child(
            "Django site",
            [sys.executable, str(MANAGE)],
            log=directory / "site.log",
            env=self.environment,
        )

    def start(self) -> None:
        """Create the user database and the user, then start on a port that the system picks."""
        self.child.start("prepare")
        self.child.wait_until_done(PREPARE_SECONDS)
        self.child.start("runserver", "--noreload", f"{HOST}:0")
        self.url = self.child.wait_until_printed(rf"http://{HOST}:\d+/", START_SECONDS)[0]
