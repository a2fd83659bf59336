"""One connection on an event loop: sends a request, hands its reply to a future."""

from __future__ import annotations

import asyncio
import select
import socket
from time import monotonic
from typing import Any, Protocol, TypeVar

from kt_cache.errors import ConnectionClosed, RemoteProtocolError
from kt_cache.protocol.framing import Closing, Decoder, Incomplete, Unfinished, no_reply_decoder
from kt_cache.transport.alarm import Alarm
from kt_cache.transport.failures import NothingSent, is_harmless, reason, timed_out

__all__ = ["AsyncConnection"]

T = TypeVar("T")

_RECEIVE = 16384  # bytes asked for at first; a typical reply is one packet
_GROW = 1 << 20  # bytes a buffer grows by before the peer has sent as many


class Owner(Protocol):
    """Whom a connection goes back to when an exchange has ended: its pool."""

    def release(self, connection: AsyncConnection) -> None:
        """Take back a connection whose exchange is complete."""

    def lose(self, connection: AsyncConnection) -> None:
        """Discard one that the server closed while it was unused."""

    def discard(self, connection: AsyncConnection, *, broken: bool = False) -> None:
        """Close a connection instead of using it again."""


class AsyncConnection:
    """A connected socket that carries one request at a time, served by one event loop.

    It watches its socket itself. A transport of asyncio's would do it, at twice the price; it
    would not tell whether anything of a request was sent, and could not be closed quietly after its
    loop was.

    The event loop reports at once when the server closes or says something unasked. The owner is
    told how each exchange ended before the one who waits for the reply goes on.

    :param sock: connected and non-blocking; owned by this object from here on.
    :param read_timeout: longest wait for the peer within an exchange, in seconds.
    :param generation: the pool's generation at the time of connecting.
    :param expires: when to stop using it, on the monotonic clock.
    """

    __slots__ = (
        "__weakref__",
        "_alarm",
        "_deadline",
        "_decode",
        "_due",
        "_end",
        "_fd",
        "_loop",
        "_owner",
        "_patience",
        "_read_timeout",
        "_recv",
        "_reply",
        "_send",
        "_sent",
        "_sock",
        "_unsent",
        "_waiting",
        "closing",
        "expires",
        "generation",
        "last_used",
        "pinned",
    )

    def __init__(
        self,
        sock: socket.socket,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        *,
        read_timeout: float,
        generation: int,
        expires: float,
    ) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self._send = sock.send
        self._recv = sock.recv
        self._owner = owner
        self._loop = loop
        self._read_timeout = read_timeout
        self._alarm = Alarm(loop, self._check_time)
        self._waiting: asyncio.Future[Any] | None = None  # for the reply that is under way
        self._unsent: memoryview | None = None
        self._reply: bytearray | None = None  # one that did not come at once, and what follows it
        self._end = 0  # where it ends
        self.generation = generation
        self.expires = expires
        self.last_used = monotonic()
        self.closing = False
        self.pinned = False  # kept by its user between exchanges
        loop.add_reader(self._fd, self._on_readable)

    def start(
        self,
        waiting: asyncio.Future[T],
        request: bytes,
        decode: Decoder[T],
        deadline: float,
        now: float,
        patience: float = 0.0,
    ) -> None:
        """Send a request.

        :param waiting: gets the decoded reply, or NothingSent, ConnectionClosed, ReadTimeout, or
            whatever the decoder raises.
        :param decode: the reply's decoder; ``no_reply_decoder`` if none will come.
        :param deadline: of the call, on the monotonic clock.
        :param now: that clock's time.
        :param patience: seconds the server may be silent beyond the read timeout.
        """
        self._waiting = waiting
        if self._fd < 0:
            self._fail(NothingSent("the server closed the connection"))
            return
        self._decode = decode
        self._deadline = deadline
        self._patience = self._read_timeout + patience
        due = now + self._patience
        if due > deadline:
            due = deadline
            if due <= now:
                self._fail(timed_out("take the request"))
                return
        self._due = due
        if due < self._alarm.rings:
            self._alarm.set(due)
        try:
            sent = self._send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._break(NothingSent(reason(error)), error)
            return
        if sent != len(request):
            self._unsent, self._sent = memoryview(request)[sent:], sent
            self._loop.add_writer(self._fd, self._on_writable)
        elif decode is no_reply_decoder:
            self._succeed(None)

    def carries(self, waiting: asyncio.Future[Any]) -> bool:
        """Tell whether the reply that is under way is for this future."""
        return self._waiting is waiting

    def is_stale(self) -> bool:
        """Tell, without waiting, whether the peer closed or sent something unasked.

        A loop that did not run for a while has had no occasion to report it.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._fd < 0

    def close(self) -> None:
        """Close this end, whatever is under way."""
        if self._fd < 0:
            return
        if not self._loop.is_closed():
            self._alarm.cancel()
            self._stop_sending()
            self._loop.remove_reader(self._fd)
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionClosed("the connection was closed meanwhile"))
        self.forsake()

    def forsake(self) -> None:
        """Close the socket and leave its loop alone: it was closed, or is another process's."""
        self._fd = -1
        self._sock.close()

    def __del__(self) -> None:
        if hasattr(self, "_sock"):
            self._sock.close()

    # ------------------------------------------------------------ called by the event loop

    def _on_readable(self) -> None:
        if self._reply is not None or self._fd < 0:
            self._read_on()
            return
        try:
            data = self._recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(self._lost(reason(error)), error)
            return
        waiting = self._waiting
        if not data or waiting is None:
            # Bytes that nobody asked for would be taken for the next reply.
            self._break(self._lost("the server closed the connection"))
            return
        try:
            result = self._decode(data, len(data))
        except BaseException as error:  # noqa: BLE001 - goes to the one who waits
            self._fail(error)
            return
        if isinstance(result, Unfinished):
            if isinstance(result, Incomplete):
                self._reply, self._end = bytearray(data), len(data)
            self._go_on(result)
            return
        if self._unsent is not None or waiting.done():
            self._succeed(result)
            return
        self._waiting = None  # as _succeed does, without one more call
        waiting.set_result(result)
        if not self.pinned:
            self._owner.release(self)

    def _read_on(self) -> None:
        reply = self._reply
        if reply is None or self._fd < 0:
            return
        try:
            with memoryview(reply) as view, view[self._end :] as free:
                count = self._sock.recv_into(free)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(self._lost(reason(error)), error)
            return
        if not count:
            self._break(self._lost("the server closed the connection in the middle of a reply"))
            return
        self._end += count
        try:
            result = self._decode(reply, self._end)
        except BaseException as error:  # noqa: BLE001 - goes to the one who waits
            self._fail(error)
            return
        self._go_on(result)

    def _go_on(self, result: Any) -> None:
        """Wait for the rest of a reply, or finish with it."""
        if isinstance(result, Incomplete):
            end, reply = self._end, self._reply
            if result.need <= end:
                self._fail(RemoteProtocolError("the reply does not come to an end"))
                return
            if reply is not None and len(reply) < result.need:
                wanted = min(result.need, max(2 * end, end + _GROW))
                reply.extend(bytes(max(wanted, end + _RECEIVE) - len(reply)))
            self._decode = result.then or self._decode
            self._due = min(self._deadline, monotonic() + self._patience)
            # uvloop reports a reset once and never again, even if there were bytes to read first.
            self._loop.call_soon(self._on_readable)
            return
        self._reply = None
        if isinstance(result, Closing):
            self.closing = True
            result = result.result
        self._succeed(result)

    def _on_writable(self) -> None:
        unsent = self._unsent
        if unsent is None:
            return
        try:
            sent = self._send(unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(self._lost(reason(error)), error)
            return
        self._sent += sent
        self._due = min(self._deadline, monotonic() + self._patience)
        if sent != len(unsent):
            self._unsent = unsent[sent:]
            return
        self._stop_sending()
        if self._decode is no_reply_decoder:
            self._succeed(None)

    def _check_time(self, now: float) -> float | None:
        """Give up if the peer was silent for too long; return when to look again."""
        if self._waiting is None:
            return None
        if now < self._due:
            return self._due
        if self._unsent is not None:
            what = "take the request"
        else:
            what = "answer" if self._reply is None else "finish its answer"
        self._fail(timed_out(what))
        return None

    # ------------------------------------------------------------ how an exchange ends

    def _succeed(self, result: Any) -> None:
        waiting, self._waiting = self._waiting, None
        if self._unsent is not None:
            self.closing = True  # it answered before it had heard everything
        if waiting is not None and not waiting.done():
            waiting.set_result(result)
        if not self.pinned:
            self._owner.release(self)

    def _fail(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, None
        self._reply = None
        if not (is_harmless(error) and self._unsent is None):
            self._owner.discard(self, broken=isinstance(error, ConnectionClosed))
        elif not self.pinned:
            self._owner.release(self)
        if isinstance(error, Exception):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
            return
        if waiting is not None:
            waiting.cancel()
        raise error  # KeyboardInterrupt and its like belong to whoever runs the loop

    def _break(self, error: ConnectionClosed, cause: OSError | None = None) -> None:
        if self._waiting is None:
            self._owner.lose(self)
            return
        error.__cause__ = cause
        self._fail(error)

    def _lost(self, message: str) -> ConnectionClosed:
        if self._unsent is not None and not self._sent:
            return NothingSent(message)
        return ConnectionClosed(message)

    def _stop_sending(self) -> None:
        if self._unsent is not None:
            self._unsent = None
            self._loop.remove_writer(self._fd)
