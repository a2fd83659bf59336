"""Opening sockets without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from functools import partial
from typing import Any

from kt_cache.errors import ConnectTimeout
from kt_cache.transport.config import PoolConfig
from kt_cache.transport.dial import RESOLVING_FAILED, tune, unconnected, unresolved

__all__ = ["dial_async"]


async def dial_async(config: PoolConfig, deadline: float) -> socket.socket:
    """Return a connected, non-blocking TCP socket, trying every address of the host in turn.

    :param deadline: of the call that needs the connection, on the monotonic clock.
    :raises ConnectTimeout: not within the connect timeout or the deadline.
    :raises ConnectError: no address could be connected to.
    """
    deadline = min(deadline, time.monotonic() + config.connect_timeout)
    addresses = await _resolve(config, deadline)
    failure: OSError | None = None
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        # A share of the time: an address that does not answer leaves the others theirs.
        remaining = (deadline - time.monotonic()) / (len(addresses) - tried)
        if remaining <= 0:
            failure = TimeoutError()
            break
        sock = socket.socket(family, kind, protocol)
        try:
            await _connect(sock, address, remaining)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise unconnected(config, failure) from failure


async def _resolve(config: PoolConfig, deadline: float) -> list[Any]:
    """Return the addresses of the host; those of a name are looked up in a thread."""
    find = partial(socket.getaddrinfo, config.host, config.port, type=socket.SOCK_STREAM)
    try:
        return find(flags=socket.AI_NUMERICHOST)
    except RESOLVING_FAILED:
        pass  # a name
    looking = asyncio.get_running_loop().run_in_executor(None, find)
    try:
        done, _ = await asyncio.wait({looking}, timeout=max(0.0, deadline - time.monotonic()))
        if not done:
            raise ConnectTimeout("the host name was not resolved in time", host=config.address)
        return looking.result()
    except RESOLVING_FAILED as error:
        raise unresolved(config, error) from error
    finally:
        looking.cancel()


async def _connect(sock: socket.socket, address: Any, timeout: float) -> None:
    """Connect a new socket; its owner closes it if that fails or is cancelled."""
    sock.setblocking(False)
    try:
        sock.connect(address)
    except BlockingIOError:
        await _writable(sock.fileno(), timeout)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code)) from None
    tune(sock)


async def _writable(fd: int, timeout: float) -> None:
    """Wait until a connection is made or refused.

    Not by ``wait_for``, which before Python 3.12 may swallow a cancellation.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(fd, _settle, ready, None)
    timer = loop.call_later(timeout, _settle, ready, TimeoutError())
    try:
        await ready
    finally:
        timer.cancel()
        if not loop.is_closed():
            loop.remove_writer(fd)


def _settle(future: asyncio.Future[None], error: OSError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
