"""Private Redis and memcached servers, for the caches that other packages put on them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import kt_cache

__all__ = ["is_there", "lack_of", "memcached", "redis"]

_HOST = "127.0.0.1"
_START_TIMEOUT = 10.0  # seconds
_STOP_TIMEOUT = 10.0
_GUARD = Path(kt_cache.__file__).with_name("_child.py")


def is_there(program: str) -> bool:
    """Tell whether a program is on PATH."""
    return shutil.which(program) is not None


def lack_of(name: str, packages: Collection[str], program: str) -> str:
    """Say why something cannot be measured here; empty if it can.

    :param name: what to call it.
    :param packages: what it needs installed, by the names of the modules.
    :param program: what it needs on PATH; empty if nothing.
    """
    missing = [package for package in packages if not find_spec(package)]
    if missing:
        return f"{name} needs the package {' and '.join(missing)}"
    if program and not is_there(program):
        return f"{name} needs the program {program} on PATH"
    return ""


@contextmanager
def redis() -> Iterator[int]:
    """Run a Redis server that keeps nothing on disk; gives its port."""
    with TemporaryDirectory() as directory:
        options = ["--save", "", "--appendonly", "no", "--dir", directory]
        with _running(
            lambda port: ["redis-server", "--bind", _HOST, "--port", str(port), *options]
        ) as port:
            yield port


@contextmanager
def memcached() -> Iterator[int]:
    """Run a memcached server; gives its port."""
    options = ["-U", "0", "-u", "nobody"]  # no UDP; as root it wants to be told who to become
    with _running(lambda port: ["memcached", "-l", _HOST, "-p", str(port), *options]) as port:
        yield port


@contextmanager
def _running(command: Callable[[int], list[str]]) -> Iterator[int]:
    """Run a server on a free port, until the block or this process ends."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-IS", str(_GUARD), *command(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin
    try:
        _wait_until_listening(process, port)
        yield port
    finally:
        process.stdin.close()  # which ends the server
        process.wait(_STOP_TIMEOUT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            socket.create_connection((_HOST, port), _START_TIMEOUT).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the server did not listen within {_START_TIMEOUT:.0f} seconds")
