"""What a command is: the bytes to send and how to read the reply, with no I/O."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from kt_cache.protocol.framing import Decoder

__all__ = ["Command"]

T = TypeVar("T")

Command: TypeAlias = "tuple[str, bytes, Decoder[T], bool, bytes | None]"
"""One request and its reply's decoder. Made by the functions of the command modules.

A bare tuple, as one is made for every call and making an object takes a tenth of a call's time:

* name: for messages, such as ``get_bulk``.
* request: the bytes to send.
* decode: the reply's decoder, ``no_reply_decoder`` if there is no reply. It begins anew with every
  attempt, so it names another one to go on with if it keeps its place.
* repeatable: whether the request may be sent again if the connection breaks: sending it twice
  leaves the same state and gives the same answer.
* key: the key involved, for messages.
"""
