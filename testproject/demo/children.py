"""Child processes that are started and ended within a deadline and whose output is kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.02
STOP_SECONDS = 10.0
TAIL_LINES = 60


class ChildError(Exception):
    """A child did not start, ended by itself, or did not do in time what it should."""


class Child:
    """One program, which may be started again after it was stopped.

    :param name: what it is called in messages.
    :param command: the program and the arguments that every start has.
    :param log: the file that receives all it prints; each start empties it.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        # The program between ends it when this process ends, even if that is killed.
        self._command = [sys.executable, "-m", "kt_cache._child", *command]
        self._log = log
        # Unbuffered, or a line that says "ready" could stay in the child.
        self._env = {**os.environ, **env, "PYTHONUNBUFFERED": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start it anew, in a process group of its own, so that a Ctrl-C reaches only us."""
        self.stop()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, *arguments],
                cwd=REPOSITORY,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_printed(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait for a line that matches; fail early if the child ends."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.exit_status() is not None
            if match := re.search(pattern, self.output()):
                return match
            if ended:
                raise ChildError(self.report(f"ended with status {self.exit_status()}"))
            if time.monotonic() > deadline:
                raise ChildError(self.report(f"did not start within {seconds:g} s"))
            time.sleep(POLL_SECONDS)

    def wait_until_done(self, seconds: float) -> None:
        """Wait for its end, which must come in time and with status 0."""
        deadline = time.monotonic() + seconds
        while (status := self.exit_status()) is None:
            if time.monotonic() > deadline:
                raise ChildError(self.report(f"did not finish within {seconds:g} s"))
            time.sleep(POLL_SECONDS)
        if status != 0:
            raise ChildError(self.report(f"ended with status {status}"))

    def check(self) -> None:
        """Raise if it ended by itself."""
        if (status := self.exit_status()) is not None:
            raise ChildError(self.report(f"ended by itself with status {status}"))

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self._process is None or self._process.stdin is None:
            return
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            os.killpg(self._process.pid, signum)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._process.stdin.close()

    def exit_status(self) -> int | None:
        """The status it ended with, ``None`` while it runs."""
        return self._process.poll() if self._process else None

    def output(self) -> str:
        """All it has printed since its last start."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def report(self, what: str) -> str:
        """A message about it, with the last lines it printed."""
        lines = self.output().splitlines()[-TAIL_LINES:]
        printed = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
        return f"The {self.name} {what}. It printed:\n{printed}"
