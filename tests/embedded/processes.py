"""Looking at processes and ports."""

from __future__ import annotations

import socket
from pathlib import Path


def listens(port: int | None) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    assert port
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def command_line(pid: int | None) -> str:
    """Return a process's words, separated by spaces."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _stat(pid: int | str) -> list[str]:
    """Return a process's state, its parent, and more; nothing if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and does not merely wait to be reaped."""
    stat = _stat(pid)
    return bool(stat) and stat[0] != "Z"


def offspring(pid: int) -> set[int]:
    """Return the processes that a process started, and those that these started."""
    parents = {int(path.name): _stat(path.name) for path in Path("/proc").glob("[0-9]*")}
    found = {child for child, stat in parents.items() if stat and int(stat[1]) == pid}
    return found.union(*map(offspring, found))
