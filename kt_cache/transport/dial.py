"""Opening sockets."""

from __future__ import annotations

# Looking a host up imports this. If a fork came in the middle of that, the child would wait for
# the import's lock for ever; so it is imported here.
import encodings.idna  # noqa: F401
import socket
import time

from kt_cache.errors import ConnectError, ConnectTimeout
from kt_cache.transport.config import PoolConfig

__all__ = ["RESOLVING_FAILED", "dial", "tune", "unconnected", "unresolved"]

RESOLVING_FAILED = (OSError, ValueError)  # ValueError: no encoder takes such a name


def dial(config: PoolConfig, deadline: float) -> socket.socket:
    """Return a connected TCP socket, trying every address of the host in turn.

    :param deadline: of the call that needs the connection, on the monotonic clock.
    :raises ConnectTimeout: not within the connect timeout or the deadline.
    :raises ConnectError: no address could be connected to.
    """
    deadline = min(deadline, time.monotonic() + config.connect_timeout)
    try:
        addresses = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except RESOLVING_FAILED as error:
        raise unresolved(config, error) from error
    failure: OSError | None = None
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        # A share of the time: an address that does not answer leaves the others theirs.
        remaining = (deadline - time.monotonic()) / (len(addresses) - tried)
        if remaining <= 0:
            failure = TimeoutError()
            break
        try:
            return _connect(socket.socket(family, kind, protocol), address, remaining)
        except OSError as error:
            failure = error
    raise unconnected(config, failure) from failure


def unresolved(config: PoolConfig, error: Exception) -> ConnectError:
    """Return the error for a host name that led to no address."""
    reason = getattr(error, "strerror", None) or "it is no valid name"
    return ConnectError(f"the host name cannot be resolved: {reason}", host=config.address)


def unconnected(config: PoolConfig, failure: OSError | None) -> ConnectError:
    """Return the error for a host of which no address took a connection.

    :param failure: the last one's; ``None`` if there was no address.
    """
    if isinstance(failure, TimeoutError):
        return ConnectTimeout("no connection in time", host=config.address)
    reason = failure.strerror if failure else "it has no address"
    return ConnectError(f"cannot connect: {reason}; is the server running?", host=config.address)


def tune(sock: socket.socket) -> None:
    """Set the options of a connected socket."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _connect(sock: socket.socket, address: object, timeout: float) -> socket.socket:
    try:
        sock.settimeout(timeout)
        sock.connect(address)  # type: ignore[arg-type]
        tune(sock)
    except BaseException:
        sock.close()
        raise
    return sock
