"""The floor: prebuilt request bytes on plain blocking sockets, nothing else."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from benchmarks.measure import Way
from kt_cache.client.command import Command
from kt_cache.protocol.framing import Incomplete

__all__ = ["asking", "asking_together", "connect"]

_BUFFER = 1 << 17
_TIMEOUT = 5.0


def connect(port: int) -> socket.socket:
    """Return a blocking connection to a server on this machine."""
    connected = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.settimeout(None)
    return connected


def asking(sock: socket.socket, command: Command[Any]) -> Way:
    """Return the loop that a careful hand would write for one request and its reply."""
    sendall, recv_into, buffer = sock.sendall, sock.recv_into, bytearray(_BUFFER)
    _, request, *_ = command
    size = _reply_size(sock, command)

    def ask(count: int) -> None:
        for _ in range(count):
            sendall(request)
            received = recv_into(buffer)
            while received < size:
                received += _not_closed(recv_into(buffer))

    return ask


def asking_together(
    socks: Sequence[socket.socket], command: Command[Any], pipelined: int = 1
) -> Way:
    """Return a loop in which each connection has its request, or several, under way at a time.

    :param pipelined: how many requests each connection sends at once.
    """
    sends = [sock.sendall for sock in socks]
    receives = [sock.recv_into for sock in socks]
    _, request, *_ = command
    buffer, requests = bytearray(_BUFFER), request * pipelined
    size = _reply_size(socks[0], command) * pipelined

    def ask(count: int) -> None:
        for _ in range(count):
            for send in sends:
                send(requests)
            for recv_into in receives:
                received = recv_into(buffer)
                while received < size:
                    received += _not_closed(recv_into(buffer))

    return ask


def _reply_size(sock: socket.socket, command: Command[Any]) -> int:
    """Return how long the reply to a command is."""
    _, request, decode, *_ = command
    sock.sendall(request)
    reply = bytearray()
    while True:
        part = sock.recv(_BUFFER)
        _not_closed(len(part))
        reply += part
        result = decode(reply, len(reply))
        if not isinstance(result, Incomplete):
            return len(reply)
        decode = result.then or decode


def _not_closed(received: int) -> int:
    if not received:
        raise ConnectionError("the server closed the connection")
    return received
