"""Servers that do what a script says: for peers that stall, drip, cut and reset."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kt_cache.protocol.binary import RequestDecoder, starts_binary

if TYPE_CHECKING:
    from typing_extensions import Self

TIMEOUT = 20.0  # seconds within which anything must have happened

_length = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)").search


class Peer:
    """The server's side of one connection, for a script.

    :param number: 1 for the server's first connection.
    """

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._received = b""

    def request(self) -> bytes:
        """Return the bytes of the next request, or what came of it before the client closed."""
        while not (size := _request_size(self._received)):
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                size = len(self._received)
                break
            self._received += data
        request, self._received = self._received[:size], self._received[size:]
        return request

    def requests(self) -> Iterator[bytes]:
        """Yield the requests up to the end of the connection."""
        while request := self.request():
            yield request

    def send(self, data: bytes) -> None:
        """Send bytes; nothing happens if the client is gone."""
        with suppress(OSError):
            self.sock.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send a byte every few seconds, until the client is gone."""
        for byte in data:
            time.sleep(every)
            try:
                self.sock.sendall(bytes([byte]))
            except OSError:
                return

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def await_end(self) -> None:
        """Wait until the client closes the connection."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass


def _request_size(data: bytes) -> int:
    """Return how long the request is that ``data`` begins with; 0 while it is incomplete."""
    if not data:
        return 0
    if starts_binary(data[0]):
        decoder, position = RequestDecoder(), 0
        while True:
            request, position = decoder.decode(data, position, len(data))
            if not decoder.in_frame and request is not None:
                return position
            if request is None:
                return 0
    head, found, body = data.partition(b"\r\n\r\n")
    length = _length(head)
    size = int(length[1]) if length else 0
    return len(head) + 4 + size if found and len(body) >= size else 0


Script = Callable[[Peer], Any]


class ScriptedServer:
    """Runs a script for each connection, in a thread of its own, and closes it behind that.

    :param script: called with the :class:`Peer`.
    :param port: where to listen; any free one by default.
    """

    def __init__(self, script: Script, port: int = 0) -> None:
        self.port = port
        self.connections = 0
        self.requests: list[bytes] = []
        self._script = script
        self._lock = threading.Lock()
        self._errors: list[Exception] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop()
        if self._errors and kind is None:
            raise self._errors[0]

    def stop(self) -> None:
        """Listen no more and end all connections."""
        self.close_listener()
        for sock in self._sockets:
            _shut_down(sock)
        for thread in self._threads:
            thread.join(TIMEOUT)
        for sock in self._sockets:
            sock.close()

    def close_listener(self) -> None:
        """Take no more connections; those at hand go on."""
        _shut_down(self._listener)
        self._acceptor.join(TIMEOUT)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            peer = _CountingPeer(sock, self.connections, self)
            thread = threading.Thread(target=self._run, args=(peer,), daemon=True)
            self._sockets.append(sock)
            self._threads.append(thread)
            thread.start()

    def _run(self, peer: Peer) -> None:
        try:
            self._script(peer)
        except Exception as error:
            self._errors.append(error)
        finally:
            peer.sock.close()

    def note(self, request: bytes) -> None:
        """Remember a request."""
        with self._lock:
            self.requests.append(request)


class _CountingPeer(Peer):
    def __init__(self, sock: socket.socket, number: int, server: ScriptedServer) -> None:
        super().__init__(sock, number)
        self._server = server

    def request(self) -> bytes:
        request = super().request()
        if request:
            self._server.note(request)
        return request


def _shut_down(sock: socket.socket) -> None:
    """End a connection and wake up whoever waits for it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def nobody_accepts() -> Iterator[int]:
    """Give a port at which connecting neither succeeds nor fails."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):  # fill the queue
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def nobody_listens() -> Iterator[int]:
    """Give a port at which connecting is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.002)
