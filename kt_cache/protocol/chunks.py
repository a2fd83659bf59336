"""HTTP's chunked bodies, as they are read."""

from __future__ import annotations

import re

from kt_cache.errors import RemoteProtocolError
from kt_cache.protocol.framing import Buffer

__all__ = ["Chunks"]

_chunk_size = re.compile(rb"\s*([0-9A-Fa-f]{1,8})\s*(?:;.*)?").fullmatch

_CHUNK_LINE = 64  # the most that a chunk's size line may have


class Chunks:
    """Reads a chunked body piece by piece, so that no byte is looked at twice.

    :param limit: the longest body that is read, in bytes.
    """

    __slots__ = ("_body", "_left", "_limit", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()  # not a list of chunks: one of a byte would cost forty
        self._size = 0
        self._left = -1  # bytes missing of the current chunk; -1 between chunks

    def read(self, data: Buffer, start: int, end: int) -> tuple[bytes | None, int]:
        """Return the whole body once it is there, and where reading stopped."""
        while True:
            if self._left < 0:
                stop = data.find(b"\n", start, end)
                if (end if stop < 0 else stop) - start > _CHUNK_LINE:
                    raise RemoteProtocolError("invalid chunk")
                if stop < 0:
                    return None, start
                match = _chunk_size(bytes(data[start:stop]).rstrip(b"\r"))
                if not match:
                    raise RemoteProtocolError("invalid chunk")
                self._left = int(match[1], 16)
                self._size += self._left
                if self._size > self._limit:
                    raise RemoteProtocolError("request entity too large", status=413)
                start = stop + 1
            stop = start + self._left
            if end < stop + 1:
                return None, start
            # What follows a chunk is CR LF; a lone LF is taken as well.
            tail = 1 if data[stop] == 0x0A else 2
            if data[stop : min(stop + tail, end)] not in (b"\n", b"\r\n"[: end - stop]):
                raise RemoteProtocolError("invalid chunk")
            if end < stop + tail:
                return None, start
            if not self._left:
                return bytes(self._body), stop + tail
            self._body += data[start:stop]
            self._left = -1
            start = stop + tail
