"""What a command is: the bytes to send and how to read the reply, with no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from kt_cache.protocol.framing import Decoder

__all__ = ["Command"]

T_co = TypeVar("T_co", covariant=True)


class Command(Generic[T_co]):
    """One request and its reply's decoder. Made by the functions of the command modules.

    :param name: for messages, such as ``get_bulk``.
    :param request: the bytes to send.
    :param decode: the reply's decoder, ``no_reply_decoder`` if there is no reply.
    :param repeatable: whether the request may be sent again if the connection breaks: sending it
        twice leaves the same state and gives the same answer.
    :param key: the key involved, for messages.
    :param renew: makes the decoder anew for a second attempt, if it keeps its place in a reply.
    """

    __slots__ = ("decode", "key", "name", "renew", "repeatable", "request")

    def __init__(
        self,
        name: str,
        request: bytes,
        decode: Decoder[T_co],
        repeatable: bool,
        key: bytes | None = None,
        renew: Callable[[], Decoder[T_co]] | None = None,
    ) -> None:
        self.name = name
        self.request = request
        self.decode = decode
        self.repeatable = repeatable
        self.key = key
        self.renew = renew
