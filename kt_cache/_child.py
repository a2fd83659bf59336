"""Runs a program as long as standard input stays open: ``python -m kt_cache._child PROGRAM ...``.

The parent holds the other end of standard input. However it dies, the end of file arrives here
and the program is ended, so it never outlives its parent. SIGTERM and SIGINT are passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

_KILL_AFTER = 10.0  # seconds


def main() -> int:
    """Run the program of the command line; return its exit status."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - our parent's

    def end(_signal: int = 0, _frame: FrameType | None = None) -> None:
        if process.poll() is None:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)

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


if __name__ == "__main__":
    sys.exit(main())
