"""One client's connection: bytes in, replies out, in order and within bounds.

Invariants:

* A request is answered before the next one is looked at.
* What was received and not yet carried out is in ``_pending``. It is empty between requests, so
  that requests are decoded straight from what has just arrived.
* While the client does not read its replies nothing is carried out for it and nothing is read.
* While a reply is to come later (``_coming``) nothing further is carried out either. Reading goes
  on, within bounds, to notice the end of the connection, which cancels what was to come.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from kt_cache.protocol.binary import starts_binary
from kt_cache.protocol.framing import Buffer
from kt_cache.server.binary import BinarySession
from kt_cache.server.http import HttpSession
from kt_cache.server.service import Service
from kt_cache.server.sessions import Hangup, LaterReply, Session

__all__ = ["Connection"]

_log = logging.getLogger(__name__)

_FLUSH = 2**16  # replies to pipelined requests are sent together up to about this many bytes
_AHEAD = 2**16  # bytes to take in beyond a request whose reply is to come later


class Connection(asyncio.BufferedProtocol):
    """The server's end of one connection."""

    __slots__ = (
        "_began",
        "_binary",
        "_closing",
        "_coming",
        "_ended",
        "_http",
        "_paused",
        "_pending",
        "_service",
        "_session",
        "_transport",
        "_unsent",
        "heard",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._binary = BinarySession(service)
        self._http = HttpSession(service)
        self._session: Session | None = None  # of the request that is not complete
        self._began = 0.0  # the tick at which that request did
        self._pending = bytearray()
        self._coming: asyncio.Task[bytes] | None = None  # the reply that comes later
        self._paused = False  # the client does not read its replies
        self._closing = False
        self._ended = False  # the client sends no more
        self.heard = service.tick
        self._unsent = 0

    # ------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or turn it away if there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        service = self._service
        if len(service.connections) >= service.options.max_connections:
            _log.warning("a connection was refused: there are %d", len(service.connections))
            self.abort()
            return
        service.join(self)
        self._transport.set_write_buffer_limits(high=service.options.write_buffer)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to receive: a buffer that all connections share, for nothing stays in it.

        An ordinary protocol is handed a new, quarter-megabyte object per request, which costs
        the C library three system calls.
        """
        return self._service.incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Carry out what is complete and keep the rest."""
        self.heard = self._service.tick
        pending = self._pending
        if pending or self._coming:
            pending += self._service.incoming[:nbytes]
            if not self._coming:
                self._work_off()
            elif len(pending) > _AHEAD:
                self._transport.pause_reading()
            return
        data = self._service.incoming[:nbytes].tobytes()
        position = self._serve(data)
        if position < nbytes:
            pending += memoryview(data)[position:]

    def eof_received(self) -> bool:
        """Answer what is left, unless its reply is to come later.

        The event loop need not close the connection, which does so.
        """
        if self._coming:
            self._close()
        else:
            self.finish()
        return True

    def pause_writing(self) -> None:
        """Stop working for a client that does not read."""
        self._paused = True
        self._unsent = self._transport.get_write_buffer_size()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on where :meth:`pause_writing` stopped."""
        self._paused = False
        self.heard = self._service.tick
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget the connection, and what was to come on it."""
        self._closing = True
        self._pending.clear()
        coming = self._coming
        if not coming:
            self._service.leave(self)
            return
        coming.add_done_callback(lambda _: self._service.leave(self))
        # Not at once: Python complains of a coroutine that is cancelled before it began.
        coming.get_loop().call_soon(coming.cancel)

    # ------------------------------------------------------------ called by the server

    def check(self, tick: float) -> None:
        """End the connection if it was silent, or busy with one request, for too long.

        :param tick: the event loop's time.
        """
        options = self._service.options
        silent = tick - self.heard
        if self._paused or self._closing:
            unsent = self._transport.get_write_buffer_size()
            if unsent < self._unsent:
                self.heard = tick
            elif silent > options.read_timeout:
                self.abort()
            self._unsent = unsent
        elif self._coming:
            pass  # it has a deadline of its own
        elif self._session:
            if silent > options.read_timeout or tick - self._began > options.request_timeout:
                self._break_off()
        elif silent > options.idle_timeout:
            self.finish()

    def finish(self) -> None:
        """Take nothing more in, carry out what was received, then close."""
        self._ended = True
        if not (self._paused or self._coming or self._closing):
            self._break_off()

    def abort(self) -> None:
        """End the connection at once."""
        self._closing = True
        self._transport.abort()

    # ------------------------------------------------------------ inside

    def _go_on(self) -> None:
        """Take up again what was held up, and read again."""
        if not self._coming:
            self._work_off()
        if self._paused or self._closing:
            return
        if self._ended and not self._coming:
            self._break_off()
        elif not self._coming or len(self._pending) <= _AHEAD:
            self._transport.resume_reading()

    def _work_off(self) -> None:
        position = self._serve(self._pending)
        del self._pending[:position]

    def _serve(self, data: Buffer) -> int:
        """Carry out the requests in ``data``; return where the rest begins."""
        position, end = 0, len(data)
        now = self._service.now()
        session = self._session
        replies: list[bytes] = []
        size = 0
        while position < end and not (self._paused or self._closing):
            if session is None:
                session = self._binary if starts_binary(data[position]) else self._http
                self._began = self.heard
            try:
                reply, position = session.serve(data, position, end, now)
            except Hangup as hangup:
                replies.append(hangup.reply)
                self._send(replies)
                self._close()
                return end
            if not isinstance(reply, bytes):
                if reply is not None:
                    session = None
                    self._wait_for(reply)
                break
            session = None
            if not reply:
                continue
            replies.append(reply)
            size += len(reply)
            if size > _FLUSH:
                self._send(replies)
                size = 0
        self._session = session
        if replies:
            self._send(replies)
        return position

    def _wait_for(self, coming: LaterReply) -> None:
        self._coming = asyncio.get_running_loop().create_task(coming)
        self._coming.add_done_callback(self._take)

    def _take(self, task: asyncio.Task[bytes]) -> None:
        """Send the reply that has come, and go on."""
        self._coming = None
        self.heard = self._service.tick
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error and not isinstance(error, (Hangup, asyncio.CancelledError)):
            _log.error("a request failed", exc_info=error)
        if self._closing:
            return
        if isinstance(error, Hangup):
            self._send([error.reply])
            self._close()
        elif error:
            self.abort()
        else:
            self._send([task.result()])
            self._go_on()

    def _send(self, replies: list[bytes]) -> None:
        self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))
        replies.clear()

    def _break_off(self) -> None:
        """Answer the request that will never be complete, and close."""
        if self._session:
            self._transport.write(self._session.break_off(self._service.now()))
        self._close()

    def _close(self) -> None:
        """Close once the client has read what it was sent."""
        self._closing = True
        self._unsent = self._transport.get_write_buffer_size()
        self._transport.close()
