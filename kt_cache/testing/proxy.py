"""A TCP proxy that misbehaves on demand."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kt_cache.errors import KTError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["FaultProxy"]

T = TypeVar("T")

_CHUNK = 65536
_START_TIMEOUT = 5.0  # seconds


@dataclass(slots=True)
class _Fault:
    """What to do to replies.

    :param kind: ``stall``, ``cut``, ``reset`` or ``drip``.
    :param after: bytes of a reply that pass before.
    :param interval: seconds between the bytes of a drip.
    :param times: how many more replies it happens to; ``None`` for all.
    """

    kind: str
    after: int = 0
    interval: float = 0.0
    times: int | None = None


class FaultProxy:
    """Stands between a client and a server and passes bytes on, until told otherwise.

    Faults apply to what the server sends, on connections that exist already and on new ones, from
    the next reply on. Requests always reach the server. Use it as a context manager, or call
    :meth:`start` and :meth:`stop`.

    :param port: the server's port.
    :param host: the server's address.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)
        self.host = "127.0.0.1"
        self.port = 0
        self.connections = 0
        """Connections accepted since the start."""
        self.received = 0
        """Bytes received from clients since the start."""
        self._fault: _Fault | None = None
        self._restored = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    # ------------------------------------------------------------ faults

    def restore(self) -> None:
        """Pass everything on again; what was held back goes out now."""
        self._call(self._set_fault, None)

    def stall(self, *, after: int = 0, times: int | None = None) -> None:
        """Hold replies back, from their byte ``after`` on, until :meth:`restore`."""
        self._call(self._set_fault, _Fault("stall", after=after, times=times))

    def cut(self, *, after: int = 0, times: int | None = None) -> None:
        """Close the client's connection in the middle of a reply, behind ``after`` bytes."""
        self._call(self._set_fault, _Fault("cut", after=after, times=times))

    def reset(self, *, after: int = 0, times: int | None = None) -> None:
        """Reset the client's connection (RST) in the middle of a reply."""
        self._call(self._set_fault, _Fault("reset", after=after, times=times))

    def drip(self, *, interval: float, times: int | None = None) -> None:
        """Pass replies on a byte at a time.

        :param interval: seconds between bytes.
        """
        self._call(self._set_fault, _Fault("drip", interval=interval, times=times))

    def reset_idle(self) -> None:
        """Reset every connection at once, whether a reply is under way or not."""
        self._call(self._reset_all)

    @property
    def open_connections(self) -> int:
        """Connections to clients that are open now."""
        return len(self._writers)

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Listen on a free port, which :attr:`port` then names."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        if not started.wait(_START_TIMEOUT) or not self.port:
            raise KTError("the proxy did not start")

    def stop(self) -> None:
        """Close everything."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT)
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # ------------------------------------------------------------ in the proxy's own thread

    def _run(self, started: threading.Event) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._listen())
            started.set()
            loop.run_forever()
        finally:
            started.set()
            loop.run_until_complete(self._close())
            loop.close()

    async def _listen(self) -> None:
        self._restored.set()
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset_all()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        """Run a function in the proxy's thread and wait until it has run."""
        done = threading.Event()

        def run() -> None:
            function(*args)
            done.set()

        self._loop.call_soon_threadsafe(run)
        if not done.wait(_START_TIMEOUT):
            raise KTError("the proxy is not running")

    def _set_fault(self, fault: _Fault | None) -> None:
        self._fault = fault
        if fault is None:
            self._restored.set()
        else:
            self._restored.clear()

    def _take_fault(self) -> _Fault | None:
        fault = self._fault
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._fault = None
        return fault

    async def _serve(self, client_in: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # asyncio would report it as an error when we stop
            await self._pass_on(client_in, client)

    async def _pass_on(self, client_in: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            server_in, server = await asyncio.open_connection(*self.target)
        except OSError:
            client.transport.abort()
            return
        self._writers.add(client)
        try:
            requests = asyncio.ensure_future(self._pass_requests(client_in, server))
            try:
                await self._pass_replies(server_in, client)
            finally:
                requests.cancel()
        except OSError:
            pass
        finally:
            self._writers.discard(client)
            server.close()
            client.close()

    async def _pass_requests(
        self, client_in: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await client_in.read(_CHUNK):
                self.received += len(data)
                server.write(data)
                await server.drain()
            server.write_eof()
        except OSError:
            server.close()

    async def _pass_replies(
        self, server_in: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while data := await server_in.read(_CHUNK):
            fault = self._take_fault()
            if fault is not None:
                client.write(data[: fault.after])
                await client.drain()
                data = data[fault.after :]
                if fault.kind == "cut":
                    return
                if fault.kind == "reset":
                    _reset(client)
                    return
                if fault.kind == "stall":
                    await self._restored.wait()
                else:
                    data = await self._drip(data, client, fault.interval)
            client.write(data)
            await client.drain()

    async def _drip(self, data: bytes, client: asyncio.StreamWriter, interval: float) -> bytes:
        """Send a byte at a time; return what is left when everything passes again."""
        for position in range(len(data)):
            client.write(data[position : position + 1])
            await client.drain()
            try:
                await asyncio.wait_for(self._restored.wait(), interval)
            except asyncio.TimeoutError:
                continue
            return data[position + 1 :]
        return b""

    def _reset_all(self) -> None:
        for client in list(self._writers):
            _reset(client)


def _reset(client: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    sock = client.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()
