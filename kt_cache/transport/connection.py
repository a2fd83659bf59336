"""One blocking connection: send a request, read its reply, within a deadline."""

from __future__ import annotations

import _socket
import math
import socket
import ssl
import sys
from collections.abc import Callable
from struct import pack
from time import monotonic
from typing import Any, TypeVar, cast

from kt_cache.errors import ConnectionClosed, RemoteProtocolError
from kt_cache.protocol.framing import Closing, Decoder, Incomplete, Unfinished, no_reply_decoder
from kt_cache.transport.failures import NothingSent, reason, timed_out

__all__ = ["Connection"]

T = TypeVar("T")

_RECEIVE = 16384  # bytes asked for at first; a typical reply is one packet
_GROW = 1 << 20  # bytes a buffer grows by before the peer has sent as many
_TIMEOUTS = (BlockingIOError, TimeoutError)  # of the kernel; of Python, or a signal handler
_TOLERANCE = 0.05  # the part of a timeout by which the kernel's one may outlast a call's deadline


class Connection:
    """A connected socket that carries one request at a time.

    After an exception from :meth:`exchange` the stream's state is unknown and the connection must
    be closed, unless the exception is a ``ServerError`` that says otherwise.

    On Linux a plain socket gets its timeouts from the kernel (``SO_RCVTIMEO``), which saves a
    ``poll`` per system call. Such a timeout bounds one system call, not a reply: whatever is not
    done by the first one, or not to be done in as much time as is left, goes on with
    ``settimeout`` and the time that remains. TLS sockets and those of gevent and eventlet always
    use ``settimeout``. (A Python signal handler that runs meanwhile starts the kernel's timeout
    anew; Python's own goes on.)

    :param sock: connected; owned by this object from here on.
    :param read_timeout: longest wait for the peer within an exchange, in seconds.
    :param generation: the pool's generation at the time of connecting.
    :param expires: when to stop using it, on the monotonic clock.
    """

    __slots__ = (
        "__weakref__",
        "_enough",
        "_kernel_timeout",
        "_plenty",
        "_read_timeout",
        "_recv",
        "_send",
        "_sock",
        "closing",
        "expires",
        "generation",
        "last_used",
    )

    def __init__(
        self, sock: socket.socket, *, read_timeout: float, generation: int, expires: float
    ) -> None:
        self._sock = sock
        self._send: Callable[[bytes], int] = sock.send
        self._recv: Callable[[int], bytes] = sock.recv
        self._read_timeout = read_timeout
        self._kernel_timeout = _set_kernel_timeout(sock, read_timeout)
        self._enough = read_timeout * (1 - _TOLERANCE) if self._kernel_timeout else math.inf
        self._plenty = 2 * self._enough
        self.generation = generation
        self.expires = expires
        self.last_used = monotonic()
        self.closing = False

    def exchange(self, request: bytes, decode: Decoder[T], deadline: float, now: float) -> T:
        """Send a request and return its decoded reply.

        :param decode: the reply's decoder; ``no_reply_decoder`` if none will come.
        :param deadline: of the call, on the monotonic clock.
        :param now: that clock's time when the call got this connection.
        :raises NothingSent: broken before a byte was sent.
        :raises ConnectionClosed: broken afterwards.
        :raises ReadTimeout: no complete reply in time.
        :raises KTError: whatever the decoder raises.
        """
        remaining = deadline - now
        if remaining < self._enough:
            return self._exchange_timed(request, decode, deadline)
        send, receive = self._send, self._recv  # calling them as attributes is slower
        try:
            sent = send(request)
        except _TIMEOUTS as error:
            raise timed_out("take the request") from error
        except OSError as error:
            raise NothingSent(reason(error)) from error
        if sent != len(request) or (
            remaining < self._plenty and deadline - monotonic() < self._enough
        ):
            return self._exchange_timed(request, decode, deadline, sent)
        if decode is no_reply_decoder:
            return None  # type: ignore[return-value]  # no_reply_decoder's result
        try:
            data = receive(_RECEIVE)
        except _TIMEOUTS as error:
            raise timed_out("answer") from error
        except OSError as error:
            raise ConnectionClosed(reason(error)) from error
        if not data:
            raise ConnectionClosed("the server closed the connection")
        result = decode(data, len(data))
        if isinstance(result, Unfinished):
            return self._finish(data, result, decode, deadline)
        return result

    def exchange_patiently(
        self, request: bytes, decode: Decoder[T], deadline: float, patience: float
    ) -> T:
        """Do as :meth:`exchange` with a server that was asked to wait before it answers.

        :param patience: seconds it may be silent beyond the read timeout.
        """
        usual = self._read_timeout
        self._read_timeout += patience
        try:
            return self._exchange_timed(request, decode, deadline)
        finally:
            self._read_timeout = usual

    def is_stale(self) -> bool:
        """Tell, without waiting, whether the peer closed or sent something unasked."""
        try:
            self._sock.setblocking(False)
            try:
                self._sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return False
            finally:
                self._restore_blocking()
        except OSError:
            return True
        return True

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._sock.fileno() < 0

    def close(self) -> None:
        """Close this process's end; never a shutdown, which a forked sibling would feel."""
        self._sock.close()

    def __del__(self) -> None:
        # Lost by a call in which a signal handler raised, perhaps before it was made.
        if hasattr(self, "_sock"):
            self._sock.close()

    # ------------------------------------------------------------ the ways that take longer

    def _exchange_timed(
        self, request: bytes, decode: Decoder[T], deadline: float, sent: int = 0
    ) -> T:
        try:
            self._send_timed(request, deadline, sent)
            if decode is no_reply_decoder:
                return None  # type: ignore[return-value]
            data = self._receive_timed(deadline)
            result = decode(data, len(data))
            if isinstance(result, Unfinished):
                return self._finish(data, result, decode, deadline)
            return result
        finally:
            self._restore_blocking()

    def _send_timed(self, request: bytes, deadline: float, sent: int) -> None:
        with memoryview(request) as view:
            while sent < len(request):
                try:
                    self._sock.settimeout(self._patience(deadline, "take the request"))
                    with view[sent:] as rest:
                        sent += self._sock.send(rest)
                except _TIMEOUTS as error:
                    raise timed_out("take the request") from error
                except OSError as error:
                    kind = ConnectionClosed if sent else NothingSent
                    raise kind(reason(error)) from error

    def _receive_timed(self, deadline: float) -> bytes:
        try:
            self._sock.settimeout(self._patience(deadline, "answer"))
            data = self._sock.recv(_RECEIVE)
        except _TIMEOUTS as error:
            raise timed_out("answer") from error
        except OSError as error:
            raise ConnectionClosed(reason(error)) from error
        if not data:
            raise ConnectionClosed("the server closed the connection")
        return data

    def _finish(self, data: bytes, result: Any, decode: Decoder[T], deadline: float) -> T:
        """Read on until the reply is complete."""
        buffer, end = bytearray(data), len(data)
        try:
            while isinstance(result, Incomplete):
                if result.need <= end:
                    raise RemoteProtocolError("the reply does not come to an end")
                if len(buffer) < result.need:
                    wanted = min(result.need, max(2 * end, end + _GROW))
                    buffer.extend(bytes(max(wanted, end + _RECEIVE) - len(buffer)))
                end += self._receive_into(buffer, end, deadline)
                decode = result.then or decode
                result = decode(buffer, end)
        finally:
            self._restore_blocking()
        if isinstance(result, Closing):
            self.closing = True
            result = result.result
        return cast(T, result)

    def _receive_into(self, buffer: bytearray, end: int, deadline: float) -> int:
        try:
            self._sock.settimeout(self._patience(deadline, "finish its answer"))
            with memoryview(buffer) as view, view[end:] as free:
                count = self._sock.recv_into(free)
        except _TIMEOUTS as error:
            raise timed_out("finish its answer") from error
        except OSError as error:
            raise ConnectionClosed(reason(error)) from error
        if not count:
            raise ConnectionClosed("the server closed the connection in the middle of a reply")
        return count

    def _patience(self, deadline: float, what: str) -> float:
        """Return how many seconds the next system call may take."""
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise timed_out(what)
        return min(remaining, self._read_timeout)

    def _restore_blocking(self) -> None:
        if self._kernel_timeout and not self.closed:
            self._sock.settimeout(None)


def _set_kernel_timeout(sock: Any, seconds: float) -> bool:
    """Let the kernel time out this socket's system calls, where that works."""
    plain = isinstance(sock, _socket.socket) and not isinstance(sock, ssl.SSLSocket)
    if sys.platform != "linux" or not plain:
        return False
    whole = int(seconds)
    timeval = pack("ll", whole, max(1, int((seconds - whole) * 1_000_000)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.settimeout(None)
    return True
