"""What a connection and the two protocols on it have to do with each other."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeAlias

from kt_cache.protocol.framing import Buffer

__all__ = ["Hangup", "LaterReply", "Session"]

LaterReply: TypeAlias = Coroutine[Any, Any, bytes]
"""A reply that comes later. It may raise :class:`Hangup`, and is cancelled if the client goes."""


class Hangup(Exception):
    """The connection ends behind this reply."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


class Session(Protocol):
    """One protocol's side of one connection."""

    def serve(
        self, data: Buffer, start: int, end: int, now: int
    ) -> tuple[bytes | LaterReply | None, int]:
        """Carry out the request that begins, or goes on, at ``data[start]``.

        :param now: current Unix second.
        :return: the reply (empty if there is to be none), a coroutine that returns it, or ``None``
            if the request is not complete; and where reading stopped: what lies before that is
            not needed again. A coroutine is to be run before the next request is looked at.
        :raises Hangup: if the connection is to end.
        """

    def break_off(self, now: int) -> bytes:
        """Return what answers a request that will never be complete."""
