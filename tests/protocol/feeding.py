"""How the tests feed bytes to the decoders: in any pieces, with garbage behind the end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kt_cache.errors import RemoteProtocolError, ServerError
from kt_cache.protocol import binary
from kt_cache.protocol.framing import DEFAULT_LIMITS, Closing, Incomplete, Limits
from kt_cache.protocol.http import HttpRequest, HttpRequestDecoder

GARBAGE = b"\xb8\r\n\r\n\xbf\t0=%\x00\xff"
"""Stands behind the end of what has arrived: a decoder that reads it gives itself away."""

SPLITS = ("whole", "byte by byte", "random")

_EDGE = 2000  # of anything longer, only so many bytes at either end are fed one by one


def split_sizes(size: int, how: str, seed: int = 0) -> list[int]:
    """Return the sizes of the pieces in which ``size`` bytes arrive."""
    if how == "whole":
        return [size]
    if how == "byte by byte":
        if size <= 2 * _EDGE:
            return [1] * size
        return [1] * _EDGE + [size - 2 * _EDGE] + [1] * _EDGE
    rng = random.Random(seed * 1_000_003 + size)
    sizes = []
    while size:
        piece = min(size, rng.choice((1, 2, 5, rng.randint(1, 64), rng.randint(1, size))))
        sizes.append(piece)
        size -= piece
    return sizes


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Yield ``data`` in pieces of these sizes, and what they leave over in one more."""
    start = 0
    for size in sizes:
        if start >= len(data):
            return
        yield data[start : start + size]
        start += size
    if start < len(data):
        yield data[start:]


# ---------------------------------------------------------------- replies, client side


@dataclass(frozen=True)
class Outcome:
    """What became of a reply.

    :param kind: ``result``, ``closing``, ``incomplete`` or the name of an error.
    :param value: the decoded reply, or the error's status.
    :param used: how many bytes had been fed by then.
    """

    kind: str
    value: Any
    used: int


def read_reply(
    decode: Callable[[Any, int], Any], data: bytes, sizes: Iterable[int], *, whole: bool = False
) -> Outcome:
    """Feed a reply in pieces until the decoder has done with it.

    :param whole: ``data`` is one complete reply, so that no more bytes may be asked for.
    """
    buffer = bytearray()
    end = 0
    for piece in cut(data, sizes):
        buffer[end:] = piece + GARBAGE
        end += len(piece)
        try:
            result = decode(buffer, end)
        except (RemoteProtocolError, ServerError) as error:
            return Outcome(type(error).__name__, error.status, end)
        if isinstance(result, Closing):
            return Outcome("closing", result.result, end)
        if not isinstance(result, Incomplete):
            return Outcome("result", result, end)
        assert result.need > end, "a decoder that waits must wait for more than there is"
        assert not whole or result.need <= len(data), "more was asked for than the reply has"
        decode = result.then or decode
    return Outcome("incomplete", None, end)


# ---------------------------------------------------------------- requests, server side


@dataclass
class Frame:
    """A binary request put together from the parts in which the decoder handed it out."""

    magic: int
    no_reply: bool
    items: list[Any]
    name: bytes = b""
    raw: bytes = b""


@dataclass
class Request:
    """An HTTP request and the bytes that it was decoded from."""

    http: HttpRequest
    raw: bytes = b""


@dataclass
class Follow:
    """A request to follow the update log; what comes behind it is no request any more."""

    request: binary.Replication
    raw: bytes = b""


@dataclass
class Broken:
    """Where a stream of requests could not be read on.

    :param answer: what a binary request is answered with, or the error of an HTTP one.
    """

    answer: bytes | RemoteProtocolError


class ServerSide:
    """Decodes what arrives on one connection, binary and HTTP mixed, as the server does.

    What was decoded is overwritten, or taken out of the buffer, before the next piece arrives.

    :param compact: take decoded bytes out of the buffer, so that the rest moves to its front.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, compact: bool = False) -> None:
        self.events: list[Frame | Request | Follow | Broken] = []
        self._binary = binary.RequestDecoder(limits)
        self._http = HttpRequestDecoder(limits)
        self._current: binary.RequestDecoder | HttpRequestDecoder | None = None
        self._frame: Frame | None = None
        self._compact = compact
        self._buffer = bytearray()
        self._start = self._end = 0
        self._seen = bytearray()
        self._done = 0  # bytes of complete requests
        self._taken = 0  # bytes taken out of the buffer
        self.stopped = False

    def feed(self, data: bytes, sizes: Iterable[int] = ()) -> None:
        """Receive more bytes in pieces of these sizes."""
        for piece in cut(data, sizes):
            self._seen += piece
            if self.stopped:
                continue
            self._buffer[self._end :] = piece + GARBAGE
            self._end += len(piece)
            self._decode()
            if self._compact:
                del self._buffer[: self._start]
                self._taken += self._start
                self._end -= self._start
                self._start = 0

    def finish(self) -> None:
        """The peer has sent everything; add what an unfinished request is answered with."""
        if self.stopped:
            return
        if self._current is self._binary:
            self.events.append(Broken(self._binary.error_reply))
        elif self._current is self._http and self._http.in_body:
            self.events.append(Broken(RemoteProtocolError("receiving data failed")))
        elif self._current is not None:
            self.events.append(Broken(b""))

    def _decode(self) -> None:
        while not self.stopped and self._start < self._end:
            if self._current is None:
                first = self._buffer[self._start]
                self._current = self._binary if binary.starts_binary(first) else self._http
            try:
                request, stop = self._current.decode(self._buffer, self._start, self._end)
            except RemoteProtocolError as error:
                in_binary = self._current is self._binary
                answer = self._binary.error_reply if in_binary or not error.status else error
                self.events.append(Broken(answer))
                self.stopped = True
                return
            assert self._start <= stop <= self._end, "decoding stopped outside of the data"
            size = stop - self._start
            self._buffer[self._start : stop] = (GARBAGE * (size // len(GARBAGE) + 1))[:size]
            self._start = stop
            if request is None:
                return
            if isinstance(request, HttpRequest):
                self.events.append(Request(request, self._raw()))
                self.stopped = request.close
                self._current = None
            elif isinstance(request, binary.Replication):
                self.events.append(Follow(request, self._raw()))
                self.stopped = True
            else:
                self._add_part(request)

    def _add_part(self, part: binary.Records | binary.Keys | binary.Script) -> None:
        if isinstance(part, binary.Script):
            frame = Frame(binary.PLAY_SCRIPT, part.no_reply, part.pairs, part.name)
            done = True
        else:
            is_set = isinstance(part, binary.Records)
            magic = binary.SET_BULK if is_set else part.magic
            frame = self._frame or Frame(magic, part.no_reply, [])
            assert (frame.magic, frame.no_reply) == (magic, part.no_reply)
            frame.items += part.records if is_set else part.keys
            done = part.done
        assert done != self._binary.in_frame
        self._frame = None if done else frame
        if done:
            frame.raw = self._raw()
            self.events.append(frame)
            self._current = None

    def _raw(self) -> bytes:
        stop = self._taken + self._start
        raw = bytes(self._seen[self._done : stop])
        self._done = stop
        return raw
