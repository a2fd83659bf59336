"""The server's side of a stream of binary requests."""

from __future__ import annotations

from typing import TypeAlias

from kt_cache.errors import RemoteProtocolError
from kt_cache.protocol.binary.bulk import (
    BULK_HEAD,
    Keys,
    KeysDecoder,
    Records,
    RecordsDecoder,
)
from kt_cache.protocol.binary.frames import GET_BULK, PLAY_SCRIPT, REMOVE_BULK, SET_BULK
from kt_cache.protocol.binary.replication import REPLICATION, REPLICATION_HEAD, Replication
from kt_cache.protocol.binary.script import SCRIPT_HEAD, Script, ScriptDecoder
from kt_cache.protocol.framing import DEFAULT_LIMITS, Buffer, Limits

__all__ = ["Request", "RequestDecoder"]

Request: TypeAlias = "Keys | Records | Script | Replication"


class RequestDecoder:
    """Decodes one binary request after the other, bulk ones in parts as they arrive.

    After the stream broke off or :meth:`decode` raised, :attr:`error_reply` is what to answer
    before closing.
    """

    __slots__ = ("_frame", "limits")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._frame: RecordsDecoder | KeysDecoder | ScriptDecoder | None = None

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._frame is not None

    @property
    def error_reply(self) -> bytes:
        """The bytes that answer a stream broken at this point: ``BF`` or nothing."""
        return self._frame.error_reply if self._frame else b""

    def decode(self, data: Buffer, start: int, end: int) -> tuple[Request | None, int]:
        """Decode the request, or the part of one, that begins at ``data[start]``.

        :return: the request, or ``None`` if more bytes are needed, and where decoding stopped;
            what lies before that is not needed again.
        :raises RemoteProtocolError: for an unknown frame or a size above the limits.
        """
        frame = self._frame
        if frame is None:
            if start == end:
                return None, start
            magic = data[start]
            if magic in (SET_BULK, REMOVE_BULK, GET_BULK):
                if end - start < BULK_HEAD.size:
                    return None, start
                _, flags, count = BULK_HEAD.unpack_from(data, start)
                start += BULK_HEAD.size
                if magic == SET_BULK:
                    frame = RecordsDecoder(flags, count, self.limits)
                else:
                    frame = KeysDecoder(magic, flags, count, self.limits)
            elif magic == PLAY_SCRIPT:
                if end - start < SCRIPT_HEAD.size:
                    return None, start
                _, flags, name_size, count = SCRIPT_HEAD.unpack_from(data, start)
                start += SCRIPT_HEAD.size
                frame = ScriptDecoder(flags, name_size, count, self.limits)
            elif magic == REPLICATION:
                if end - start < REPLICATION_HEAD.size:
                    return None, start
                _, *follower = REPLICATION_HEAD.unpack_from(data, start)
                return Replication(*follower), start + REPLICATION_HEAD.size
            else:
                raise RemoteProtocolError(f"no request begins with the byte {magic:#04x}")
            self._frame = frame
        request, start = frame.decode(data, start, end)
        if request is not None and (isinstance(request, Script) or request.done):
            self._frame = None
        return request, start
