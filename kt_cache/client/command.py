"""What a command is: the bytes to send and how to read the reply, with no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from kt_cache.protocol.framing import Decoder

__all__ = ["Command"]

T = TypeVar("T")

Command: TypeAlias = (
    "tuple[str, bytes, Decoder[T], bool, bytes | None, Callable[[], Decoder[T]] | None]"
)
"""One request and its reply's decoder. Made by the functions of the command modules.

A bare tuple, as one is made for every call and making an object takes a tenth of a call's time:

* name: for messages, such as ``get_bulk``.
* request: the bytes to send.
* decode: the reply's decoder, ``no_reply_decoder`` if there is no reply.
* repeatable: whether the request may be sent again if the connection breaks: sending it twice
  leaves the same state and gives the same answer.
* key: the key involved, for messages.
* renew: makes the decoder anew for a second attempt, if it keeps its place in a reply.
"""
