"""Start the included server and two sites, walk through both, and keep them up.

``ONCE=1`` in the environment ends everything after the walk. The exit status is 0 if every
step was as it should be, 1 if not.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from typing import NoReturn

from kt_cache import EmbeddedServer, KTError
from testproject.demo.children import ChildError
from testproject.demo.site import DjangoSite, FlaskSite, Site
from testproject.demo.steps import StepError
from testproject.demo.table import table
from testproject.demo.walk import Walk

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECK_SECONDS = 0.5


class Stopped(BaseException):
    """Somebody asked this program to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def say(line: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def main() -> int:
    """Run the demonstration and end every child, whatever happens."""
    stay = os.environ.get("ONCE", "") in ("", "0")
    _on_stop_signals(_stop)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="kt_cache-demo-"))
        try:
            return demonstrate(Path(directory), stack, stay=stay)
        except Stopped as stopped:
            say("\nStopped before the end.")
            return 128 + stopped.signum
        finally:
            # From here on everything ends by itself: a second Ctrl-C must not leave a child behind.
            _on_stop_signals(signal.SIG_IGN)


def demonstrate(directory: Path, stack: ExitStack, *, stay: bool) -> int:
    """Start the three programs, take the walk, say what happened, and stay if asked to."""
    say(f"Everything of this run is kept in {directory} and removed at the end.")
    database = directory / "demo.sqlite"
    server = EmbeddedServer("included", database=str(database), quiet=True)
    stack.callback(server.stop)
    sites: list[Site] = []
    try:
        say("Starting the included server ...")
        server.run()
        cache_url = f"kt://{server.host}:{server.port}"
        say(f"  {cache_url}, database {database.name}")
        django, flask = DjangoSite(directory, cache_url), FlaskSite(directory, cache_url)
        say("Starting the Flask site, and the Django site with a user database ...")
        sites += [django, flask]
        for site in (flask, django):
            stack.callback(site.child.stop)
            site.start()
        for site in sites:
            say(f"  {site.wait_until_ready()}")
        say("Walking through the sites ...")
        # The cache of this process is then the Django site's: same server, same keys.
        os.environ.update(django.environment)
        walk = Walk(django.url, flask.url, server, say)
        walk.run()
    except ChildError as failed:
        say(f"\nFAILED: {failed}")
        return 1
    except (StepError, KTError, HTTPException, OSError) as failed:
        say(f"\nFAILED: {str(failed) or type(failed).__name__}")
        for site in sites:
            say(site.child.report("was running"))
        return 1
    say()
    say(table(walk.rows))
    return _stay_up(sites, cache_url) if stay else 0


def _stay_up(sites: list[Site], cache_url: str) -> int:
    try:
        say()
        for site in sites:
            say(f"The {site.name} site stays up at {site.url}")
        say("Log in as demo with the password demo; the Flask site takes any name.")
        say(f"Their cache server is {cache_url}. Press Ctrl-C to end everything.")
        while True:
            time.sleep(CHECK_SECONDS)
            for site in sites:
                site.child.check()
    except ChildError as failed:
        say(f"\n{failed}")
        return 1
    except Stopped as stopped:
        say("\nStopping everything.")
        return 0 if stopped.signum == signal.SIGINT else 128 + stopped.signum


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(signum)


def _on_stop_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for signum in STOP_SIGNALS:
        signal.signal(signum, handler)


if __name__ == "__main__":
    sys.exit(main())
