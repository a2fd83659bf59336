"""Start the included server and the Django site, walk through the site, and keep it up.

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
from testproject.demo.site import Site
from testproject.demo.table import table
from testproject.demo.walk import StepError, Walk

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
    """Start the two programs, take the walk, say what happened, and stay if asked to."""
    say(f"Everything of this run is kept in {directory} and removed at the end.")
    database = directory / "demo.sqlite"
    server = EmbeddedServer("included", database=str(database), quiet=True)
    stack.callback(server.stop)
    site: Site | None = None
    try:
        say("Starting the included server ...")
        server.run()
        cache_url = f"kt://{server.host}:{server.port}"
        say(f"  {cache_url}, database {database.name}")
        say("Starting the Django site, after a user database and the user demo are made ...")
        site = Site(directory, cache_url)
        stack.callback(site.child.stop)
        site.start()
        say(f"  {site.url}")
        say("Walking through the site ...")
        # The cache of this process is then the site's: same server, same keys.
        os.environ.update(site.environment)
        walk = Walk(site.url, server, say)
        walk.run()
    except ChildError as failed:
        say(f"\nFAILED: {failed}")
        return 1
    except (StepError, KTError, HTTPException, OSError) as failed:
        say(f"\nFAILED: {str(failed) or type(failed).__name__}")
        if site is not None:
            say(site.child.report("was running"))
        return 1
    say()
    say(table(walk.rows))
    return _stay_up(site, cache_url) if stay else 0


def _stay_up(site: Site, cache_url: str) -> int:
    try:
        say(f"\nThe site stays up at {site.url} - log in as demo with the password demo.")
        say(f"Its cache server is {cache_url}. Press Ctrl-C to end both.")
        while True:
            time.sleep(CHECK_SECONDS)
            site.child.check()
    except ChildError as failed:
        say(f"\n{failed}")
        return 1
    except Stopped as stopped:
        say("\nStopping both.")
        return 0 if stopped.signum == signal.SIGINT else 128 + stopped.signum


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(signum)


def _on_stop_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for signum in STOP_SIGNALS:
        signal.signal(signum, handler)


if __name__ == "__main__":
    sys.exit(main())
