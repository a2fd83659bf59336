"""Several HTTP calls sent at once, as one command: one round trip, one connection.

The server answers one after the other, and stops reading when nobody reads its answers. So all the
calls together have to fit into the sockets' buffers, or both sides would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from kt_cache.client.command import Command
from kt_cache.errors import RemoteProtocolError, ServerError
from kt_cache.protocol.framing import (
    DEFAULT_LIMITS,
    Buffer,
    Closing,
    Decoder,
    Incomplete,
    Limits,
    begin,
    check_end,
)

__all__ = ["pipelined"]


T = TypeVar("T")


def pipelined(
    name: str, commands: Sequence[Command[Any]], read: Callable[[list[Any]], T]
) -> Command[T]:
    """Return a command that carries out others in turn.

    :param name: for messages.
    :param commands: calls of procedures; some tens of kilobytes as a whole.
    :param read: makes the result of theirs.
    """
    decoders = [decode for _, _, decode, _, _ in commands]

    def decode(data: Buffer, end: int) -> T | Incomplete | Closing[T]:
        return begin(_Replies(decoders, read), data, end)

    request = b"".join([request for _, request, _, _, _ in commands])
    repeatable = all(repeatable for _, _, _, repeatable, _ in commands)
    return name, request, decode, repeatable, None


class _Replies(Generic[T]):
    """Decodes HTTP replies that stand one behind the other."""

    __slots__ = ("_at", "_closing", "_decode", "_later", "_limits", "_make", "_results", "_stop")

    def __init__(
        self,
        decoders: Sequence[Decoder[Any]],
        make: Callable[[list[Any]], T],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._later = iter(decoders)
        self._decode = next(self._later, None)
        self._make = make
        self._results: list[Any] = []
        self._at = 0  # where the present reply begins
        self._stop = 0  # where it ends, as far as that is known
        self._closing = False
        self._limits = limits

    def __call__(self, data: Buffer, end: int) -> T | Incomplete | Closing[T]:
        while self._decode is not None:
            stop = self._stop or self._end_of_head(data, end)
            if end < stop:
                return Incomplete(stop)
            result = self._read(self._decode, bytes(data[self._at : stop]))
            if isinstance(result, Incomplete):
                self._stop = self._at + result.need
                self._decode = result.then or self._decode
                continue
            if isinstance(result, Closing):
                self._closing, result = True, result.result
            self._results.append(result)
            self._at, self._stop = stop, 0
            self._decode = next(self._later, None)
        check_end(self._at, end)
        result = self._make(self._results)
        return Closing(result) if self._closing else result

    def _end_of_head(self, data: Buffer, end: int) -> int:
        stop = data.find(b"\r\n\r\n", self._at, end)
        if stop >= 0:
            return stop + 4
        if not b"HTTP/".startswith(data[self._at : min(end, self._at + 5)]):
            raise RemoteProtocolError("the reply is not HTTP")
        if end - self._at > self._limits.headers:
            raise RemoteProtocolError("the reply's header block is too long")
        return end + 1

    @staticmethod
    def _read(decode: Decoder[Any], piece: bytes) -> Any:
        try:
            return decode(piece, len(piece))
        except ServerError as error:
            error.connection_ok = False  # the later calls' replies are still to come
            raise
