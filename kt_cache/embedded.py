"""A Kyoto Tycoon server as a child process, for tests, demos and small sites."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from kt_cache.client import KyotoTycoon, administration
from kt_cache.client.executor import Executor
from kt_cache.errors import ConfigError, KTError
from kt_cache.lua import SCRIPT
from kt_cache.transport import Pool, PoolConfig

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EmbeddedServer"]

_START_TIMEOUT = 15.0  # seconds until a started server must listen
_STOP_TIMEOUT = 15.0  # seconds from asking it to stop until it is killed
_PORT_ATTEMPTS = 5
_ANY_PORT = 1
_INCLUDED = "included"
_OUR_SUFFIX = ".sqlite"
_LUA_MODULE = b"__kyototycoon__"
_GUARD = Path(__file__).with_name("_child.py")


# The child processes of this process; see _after_fork_in_child.
_children: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()


class EmbeddedServer:
    """Starts a server on ``run()`` and ends it on ``stop()``, at exit, or with this process.

    It is a real ``ktserver`` if one is on PATH, else the included server. A database file that
    ends in ``.sqlite`` is the included server's own, so that one is started for it in any case.

    :param server: name or path of the real server's program; ``"included"`` for ours in any case.
    :param host: address to listen on.
    :param port: TCP port; ``None`` picks a free one, which :attr:`port` then names and keeps.
    :param database: as on the server's command line: ``*``, ``%``, or a file.
    :param serializer: of :attr:`client`; one of the ``KT_`` constants.
    :param server_args: more arguments for the server's command line, further databases included
        (they come first: :attr:`database` has the highest index).
    :param quiet: whether to hide the server's output. If it does not start, the error shows it.
    :param script: whether the server gets the package's own script, :data:`kt_cache.lua.SCRIPT`,
        if it runs scripts at all. A real server takes one script, so not if ``server_args`` name
        another.
    """

    def __init__(
        self,
        server: str = "ktserver",
        host: str = "127.0.0.1",
        port: int | None = None,
        database: str = "*",
        serializer: Any = None,
        server_args: Sequence[str] | None = None,
        quiet: bool = False,
        *,
        script: bool = True,
    ) -> None:
        PoolConfig(host=host, port=_ANY_PORT if port is None else port)  # checks both
        self.host = host
        self.port = port
        self.database = database
        self._server = server
        self._serializer = serializer
        self._server_args = list(server_args or ())
        self._quiet = quiet
        self._script = script
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: KyotoTycoon | None = None
        self._finalizer: weakref.finalize[Any, EmbeddedServer] | None = None

    @property
    def client(self) -> KyotoTycoon:
        """A client of the running server.

        :raises KTError: if the server is not running.
        """
        if self._process is None or self.port is None:
            raise KTError("the server is not running; call run() first")
        if self._client is None:
            self._client = KyotoTycoon(self.host, self.port, serializer=self._serializer)
        return self._client

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def run(self) -> bool:
        """Start the server and wait until it answers.

        :return: whether it was started; ``False`` if it was running already.
        :raises KTError: if the port is taken, or the server ends or does not listen within 15
            seconds; says what it printed.
        """
        with self._lock:
            if self.pid is not None:
                return False
            self._forget()
            if self.port is not None:
                if reason := _refusal(self.host, self.port):
                    raise KTError(f"no server can listen on {self.host}:{self.port}: {reason}")
                self._start(self.port)
                return True
            for attempts_left in reversed(range(_PORT_ATTEMPTS)):
                port = _free_port(self.host)
                try:
                    self._start(port)
                except KTError:
                    # Tried again only if someone else took the port in between.
                    if not attempts_left or not _refusal(self.host, port):
                        raise
                else:
                    self.port = port
                    break
            return True

    def stop(self) -> bool:
        """Ask the server to stop and wait for its end; does nothing if it is not running.

        :return: whether it was running.
        """
        with self._lock:
            was_running = self.pid is not None
            if self._client is not None:
                self._client.close_all()
            self._forget()
            return was_running

    def __enter__(self) -> Self:
        self.run()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _forget(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._finalizer = self._process = self._client = None

    def _command(self, port: int) -> list[str]:
        """Return the command line; both servers take the same arguments."""
        path = self.database.partition("#")[0]
        program = None
        if self._server != _INCLUDED and not path.endswith(_OUR_SUFFIX):
            program = shutil.which(self._server)
            if program is None and self._server != "ktserver":
                raise ConfigError(f"there is no program {self._server!r} on PATH")
        if program:
            # As a file, with the standard library alone: that starts faster.
            command = [sys.executable, "-IS", str(_GUARD), program]
            if self._script and "-scr" not in self._server_args and _runs_scripts(program):
                command += ["-scr", str(SCRIPT)]
        else:
            command = [sys.executable, "-m", "kt_cache.server", "--exit-with-stdin"]
            command += [] if self._script else ["--no-cache-script"]
        command += ["-host", self.host, "-port", str(port), "-le", *self._server_args]
        if self.database.startswith("-"):  # or else it is taken for an option
            command.append("--")
        return [*command, self.database]

    def _start(self, port: int) -> None:
        with tempfile.TemporaryFile() as output:
            sink: IO[bytes] | None = output if self._quiet else None
            process = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command(port),
                stdin=subprocess.PIPE,  # its end of file tells the child that we are gone
                stdout=sink,
                stderr=sink,
            )
            self._finalizer = weakref.finalize(self, _end, process, os.getpid())
            self._process = process
            _children.add(process)
            try:
                _wait_until_ready(process, self.host, port)
            except BaseException as error:
                self._forget()
                if isinstance(error, KTError) and self._quiet:
                    output.seek(0)
                    printed = output.read()[-2000:].decode(errors="replace").strip()
                    error.message += f"; it printed: {printed}" if printed else ""
                raise


@lru_cache
def _runs_scripts(program: str) -> bool:
    """Tell whether a real server was built with Lua: its code names the module that scripts get.

    No option of it tells, and without Lua one that is given a script does not start.
    """
    try:
        return _LUA_MODULE in Path(program).read_bytes()
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the child, unless this process is a fork of the one that started it."""
    if os.getpid() != owner:
        return
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    """Wait until the server answers; a ktserver that only listens yet cannot be stopped."""
    pool = Pool(PoolConfig(host=host, port=port, connect_timeout=1.0, read_timeout=1.0))
    executor = Executor(pool)
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        status = process.poll()
        if status is not None:
            raise KTError(f"the server ended with status {status} instead of listening")
        try:
            executor.run(administration.report(), deadline)
        except KTError:
            time.sleep(0.02)
        else:
            pool.expire()
            return
    raise KTError(f"the server did not listen on {host}:{port} within {_START_TIMEOUT:.0f} seconds")


def _free_port(host: str) -> int:
    """Return a port nobody listens on; ktserver takes none above 32767."""
    for _ in range(100):
        port = random.randint(20000, 32767)  # noqa: S311 - not a secret
        if not _refusal(host, port):
            return port
    raise KTError(f"no free port found on {host}; name one with port=")


def _refusal(host: str, port: int) -> str | None:
    """Tell why no server could listen there; connections of an earlier one do not matter."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or type(error).__name__
        return None


def _after_fork_in_child() -> None:
    """Let go of the servers' standard input: they end with the process that started them."""
    for process in list(_children):
        if process.stdin:
            process.stdin.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
