"""A proxy that writes down what clients send, one entry per round trip."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from kt_cache.protocol.binary import Keys, RequestDecoder, Script
from kt_cache.protocol.http import HttpRequestDecoder
from kt_cache.protocol.rpc import decode_call

if TYPE_CHECKING:
    from typing_extensions import Self


class Sent(NamedTuple):
    """One record or key that a request names; ``xt`` is ``None`` where it gives no time."""

    command: str
    key: bytes
    value: bytes
    xt: int | None


class RecordingProxy:
    """Passes everything on between clients and a server.

    A round trip begins with the first byte a client sends after the server's last answer on that
    connection; so however a request is cut into packets, it counts once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._requests: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = "127.0.0.1", self._listener.getsockname()[1]

    @property
    def trips(self) -> int:
        """How many requests were sent so far."""
        with self._lock:
            return len(self._requests)

    @property
    def requests(self) -> list[bytes]:
        """The requests sent so far."""
        with self._lock:
            return [bytes(request) for request in self._requests]

    def forget(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._requests.clear()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            server = socket.create_connection(self._server)
            self._sockets.append(server)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_request: list[bytearray] = []
            self._start(self._pass_requests, client, server, open_request)
            self._start(self._pass_replies, server, client, open_request)

    def _pass_requests(self, client, server, open_request) -> None:
        for data in _chunks(client):
            with self._lock:
                if not open_request:
                    open_request.append(bytearray())
                    self._requests.append(open_request[0])
                open_request[0] += data
            with contextlib.suppress(OSError):
                server.sendall(data)
        _end(server)

    def _pass_replies(self, server, client, open_request) -> None:
        for data in _chunks(server):
            with self._lock:
                open_request.clear()
            with contextlib.suppress(OSError):
                client.sendall(data)
        _end(client)


def _chunks(sock: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := sock.recv(65536):
            yield data


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def read_request(request: bytes) -> list[Sent]:
    """Return the records and keys that one request names."""
    if request[0] < 0x80:
        parsed, _ = HttpRequestDecoder().decode(request, 0, len(request))
        call = decode_call(parsed)
        name, params = bytes(call.name).decode(), call.params
        xt = int(params[b"xt"]) if b"xt" in params else None
        key = params.get(b"key", params.get(b"prefix", b""))
        return [Sent(name, key, params.get(b"value", params.get(b"nval", b"")), xt)]
    sent: list[Sent] = []
    decoder, start = RequestDecoder(), 0
    while start < len(request):
        part, start = decoder.decode(request, start, len(request))
        if isinstance(part, Keys):
            name = {0xBA: "get_bulk", 0xB9: "remove_bulk"}[part.magic]
            sent += [Sent(name, key, b"", None) for _, key in part.keys]
        elif isinstance(part, Script):
            given = dict(part.pairs)
            xt = int(given[b"xt"]) if b"xt" in given else None
            sent.append(Sent(part.name.decode(), given[b"key"], given.get(b"value", b""), xt))
        else:
            sent += [Sent("set_bulk", key, value, xt) for _, key, value, xt in part.records]
    return sent
