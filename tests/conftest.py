"""What all tests share: how Hypothesis runs, and what the garbage collector need not look at."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

from kt_cache.cache.log_limit import begin_anew
from kt_cache.sessions import outage

# Tests of Ctrl-C need what Python does by default; what a shell starts behind ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

pytest_plugins = ["tests.support.ktserver", "tests.support.servers"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Collect what each test left behind, and that alone.

    All else stays out of the collections during a test, of which many ask for full ones, too:
    they would take up to 50 ms each.
    """
    # A line that was logged for one test does not hold back another one's.
    begin_anew()
    outage.begin_anew()
    gc.freeze()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.unfreeze()
