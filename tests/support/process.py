"""The included server as a child process, reached over bare sockets: no client is involved."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kt_cache.protocol.tsv import decode_rows, encoding_of

if TYPE_CHECKING:
    from typing_extensions import Self

TIMEOUT = 10.0  # seconds within which anything must have happened
ROOT = Path(__file__).parents[2]


class IncludedServer:
    """``python -m kt_cache.server`` with these words, from start to end of a ``with`` block."""

    def __init__(self, *words: str, stdin: int = subprocess.DEVNULL) -> None:
        command = [sys.executable, "-m", "kt_cache.server", "--port", "0", *words]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.host = "127.0.0.1"
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (.+):([0-9]+)\n", line)
        if not match:
            _, errors = self.process.communicate(timeout=TIMEOUT)
            raise AssertionError(f"the server said {line!r} and {errors!r}")
        self.port = int(match[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.wait()

    def wait(self) -> tuple[int, str]:
        """Wait until the process ends; return its exit status and what it logged."""
        _, errors = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, errors

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End the process with a signal; return its exit status and what it logged."""
        self.process.send_signal(number)
        return self.wait()

    def end_stdin(self) -> None:
        """Close the process's standard input."""
        self.process.stdin.close()
        self.process.stdin = None

    def connect(self) -> Connection:
        """Open a connection."""
        return Connection(self.host, self.port)

    def call(self, procedure: str, **params: Any) -> tuple[int, dict[str, bytes]]:
        """Call a procedure on a connection of its own; return status and output map."""
        with self.connect() as connection:
            return connection.call(procedure, **params)


class Connection:
    """A connection that remembers what came and has not been asked for yet."""

    def __init__(self, host: str, port: int, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close this side."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def _receive(self) -> bytes:
        """Return more bytes, or none at the end of the connection."""
        try:
            return self.socket.recv(2**18)
        except ConnectionResetError:
            return b""

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer if the connection ends first."""
        parts = [self._received]
        missing = size - len(self._received)
        while missing > 0 and (data := self._receive()):
            parts.append(data)
            missing -= len(data)
        whole = b"".join(parts)
        self._received = whole[size:]
        return whole[:size]

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including the mark, or to the end of the connection."""
        while mark not in self._received and (data := self._receive()):
            self._received += data
        head, found, rest = self._received.partition(mark)
        self._received = rest
        return head + found

    def read_http(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (names in lower case) and body of a reply."""
        block = self.read_until(b"\r\n\r\n").decode("latin-1")
        first, *lines = block.rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = 0 if head else int(headers.get("content-length", 0))
        return int(first.split(" ")[1]), headers, self.read(size)

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> Any:
        """Send an HTTP request and return the reply as :meth:`read_http` does."""
        lines = [f"{method} {target} HTTP/1.1", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.read_http(head=method == "HEAD")

    def call(self, procedure: str, **params: Any) -> tuple[int, dict[str, bytes]]:
        """Call a procedure; return status and output map."""
        query = "&".join(f"{name}={quote(_text(value))}" for name, value in params.items())
        status, headers, body = self.request("GET", f"/rpc/{procedure}?{query}")
        rows = decode_rows(body, encoding_of(headers["content-type"]))
        return status, {name.decode(): value for name, value in rows.items()}

    def is_silent(self, seconds: float) -> bool:
        """Tell whether nothing comes, not even the end, for so long."""
        if self._received:
            return False
        self.socket.settimeout(seconds)
        try:
            self._received = self._receive()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)
        return False

    def read_rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        return self.read(2**40)


def _text(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def wait_for(condition: Any, what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
