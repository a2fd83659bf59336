"""What all tests share: how Hypothesis runs, and what the garbage collector need not look at."""

from __future__ import annotations

import gc
import os
import signal

from hypothesis import settings

# Tests of Ctrl-C need what Python does by default; what a shell starts behind ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

pytest_plugins = ["tests.support.ktserver", "tests.support.servers"]


def pytest_collection_finish() -> None:
    """Leave all that was imported out of the full collections that many tests ask for."""
    gc.collect()
    gc.freeze()
