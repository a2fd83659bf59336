"""What the wire formats have in common: limits, and the answer "not all there yet".

A *decoder* is called as ``decode(data, end)`` with all bytes of one message received so far
(``data[:end]``; what lies behind ``end`` is not to be read). It returns the decoded message, an
:class:`Incomplete`, or the message in a :class:`Closing`. After an ``Incomplete`` the same decoder,
or the one named in it, is called with more of the same message, so that it can keep its place. It
raises :class:`~kt_cache.errors.RemoteProtocolError` for bytes that no continuation can mend,
trailing ones included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from kt_cache.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "DEFAULT_LIMITS",
    "Buffer",
    "Closing",
    "Decoder",
    "Incomplete",
    "Limits",
    "Unfinished",
    "begin",
    "check_end",
    "no_reply_decoder",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Buffer: TypeAlias = "bytes | bytearray"


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest declared sizes that are believed, in bytes.

    The defaults are those of the reference server (``2**28`` a key, a value and an HTTP body).

    :param key: one key, or a script's name.
    :param value: one value.
    :param body: one HTTP body, and one ``play_script`` frame or reply as a whole.
    :param line: one HTTP header line.
    :param headers: the whole HTTP header block.
    """

    key: int = 2**28
    value: int = 2**28
    body: int = 2**28
    line: int = 8191
    headers: int = 65536

    def check_record(self, key_size: int, value_size: int = 0) -> None:
        """Raise :class:`~kt_cache.errors.LocalProtocolError` for a record too big to send."""
        if key_size > self.key:
            raise LocalProtocolError(f"the key has {key_size} bytes; at most {self.key} fit")
        if value_size > self.value:
            raise LocalProtocolError(f"the value has {value_size} bytes; at most {self.value} fit")


DEFAULT_LIMITS = Limits()


class Unfinished:
    """What a decoder returns instead of a plain result."""

    __slots__ = ()


class Incomplete(Unfinished):
    """More bytes are needed.

    :param need: length of the message as far as it is known yet; always more than it has now.
    :ivar then: the decoder to call with them, if that is another one.
    """

    __slots__ = ("need", "then")

    def __init__(self, need: int) -> None:
        self.need = need
        self.then: Decoder[Any] | None = None


class Closing(Unfinished, Generic[T_co]):
    """The message is complete, and its sender closes the connection behind it."""

    __slots__ = ("result",)

    def __init__(self, result: T_co) -> None:
        self.result = result


Decoder: TypeAlias = Callable[[Buffer, int], "T | Incomplete | Closing[T]"]


def no_reply_decoder(data: Buffer, end: int) -> None:  # noqa: ARG001 - as decoders are called
    """Stand for "the peer does not reply"; never called, known by its identity."""
    raise RemoteProtocolError("a reply to a request that asked for none")


def begin(decode: Callable[[Buffer, int], T], data: Buffer, end: int) -> T:
    """Call a decoder that keeps its place for the first time, and name it as the one to go on with.

    So whoever begins a message needs no decoder of its own until one message is cut in two.
    """
    result = decode(data, end)
    if isinstance(result, Incomplete):
        result.then = decode
    return result


def check_end(stop: int, end: int) -> None:
    """Raise if there are bytes behind the message: a reply nobody asked for."""
    if stop != end:
        raise RemoteProtocolError(f"{end - stop} unexpected bytes behind the reply")
