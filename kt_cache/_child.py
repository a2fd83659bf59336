"""Runs a program as long as standard input stays open: ``python -IS _child.py PROGRAM ...``.

The parent holds the other end of standard input. However it dies, the end of file arrives here
and the program is ended, so it never outlives its parent. SIGTERM and SIGINT are passed on. On
Linux the program is ended as well if this process is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

_KILL_AFTER = 10.0  # seconds
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the program of the command line; return its exit status."""
    process: subprocess.Popen[bytes] | None = None
    ending = False

    def end(_signal: int = 0, _frame: FrameType | None = None) -> None:
        nonlocal ending
        ending = True
        if process is not None and process.poll() is None:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    process = subprocess.Popen(  # noqa: S603 - our parent's command
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=_dying_with_parent(),  # noqa: PLW1509 - there is no other thread yet
    )
    if ending:  # asked before there was a process
        end()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        end()
        try:
            process.wait(_KILL_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


def _dying_with_parent() -> Callable[[], None] | None:
    """Return what makes the system end a new process with this one, where it can."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


if __name__ == "__main__":
    sys.exit(main())
