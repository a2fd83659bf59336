"""Commands of the binary protocol: get, set and remove of one or many records, and scripts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from kt_cache.client.command import Command
from kt_cache.errors import NoSuchDatabase
from kt_cache.protocol import binary
from kt_cache.protocol.framing import Buffer, Decoder, Incomplete, begin, no_reply_decoder

__all__ = [
    "get",
    "get_bulk",
    "get_many",
    "play_script",
    "remove",
    "remove_bulk",
    "set_bulk",
    "set_many",
    "set_one",
]

K = TypeVar("K")
V = TypeVar("V")


def get(db: int, key: bytes) -> Command[tuple[bytes, int] | None]:
    """Read one record: ``(value, absolute xt)``, or ``None`` if it is missing."""
    request = binary.encode_single_get(db, key)
    return "get", request, binary.decode_single_get_reply, True, key


def get_bulk(keys: Sequence[tuple[int, bytes]]) -> Command[list[binary.Found]]:
    """Read the records of ``(db, key)`` pairs: those found, in order, with absolute xt."""

    def decode(data: Buffer, end: int) -> list[binary.Found] | Incomplete:
        return begin(binary.GetReplyDecoder(len(keys)), data, end)

    return "get_bulk", binary.encode_get(keys), decode, True, None


def get_many(
    db: int, keys: Iterable[K], count: int, key_of: Callable[[K], bytes]
) -> Command[tuple[Sequence[bytes], Sequence[bytes]]]:
    """Read records of one database: the keys of those found, in order, and their values.

    :param count: how many keys there are.
    :param key_of: makes bytes of a key.
    """
    request = binary.encode_get_keys(db, keys, key_of)
    return "get_bulk", request, _pairs_decoder(count), True, None


def set_one(
    db: int, key: bytes, value: bytes, xt: int, *, no_reply: bool = False
) -> Command[int | None]:
    """Store one record: 1, or ``None`` without a reply.

    :param xt: as given on the wire, see :func:`kt_cache.protocol.expiry.to_wire`.
    """
    request = binary.encode_single_set(db, key, value, xt, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else _decode_set_one
    return "set", request, decode, True, key


def set_bulk(
    records: Collection[tuple[int, bytes, bytes, int]], *, no_reply: bool = False
) -> Command[int | None]:
    """Store ``(db, key, value, xt)`` records: how many, or ``None`` without a reply."""
    request = binary.encode_set(records, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else _set_decoder(len(records))
    return "set_bulk", request, decode, True, None


def set_many(
    db: int,
    pairs: Iterable[tuple[K, V]],
    count: int,
    xt: int,
    key_of: Callable[[K], bytes],
    value_of: Callable[[V], bytes],
    *,
    no_reply: bool = False,
) -> Command[int | None]:
    """Store keys and values with one xt in one database, as :func:`set_bulk`.

    :param count: how many pairs there are.
    :param key_of: makes bytes of a key.
    :param value_of: makes bytes of a value.
    """
    request = binary.encode_set_pairs(db, pairs, xt, key_of, value_of, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else _set_decoder(count)
    return "set_bulk", request, decode, True, None


def remove(db: int, key: bytes, *, no_reply: bool = False) -> Command[int | None]:
    """Remove one record: 1 or 0, or ``None`` without a reply."""
    request = binary.encode_single_remove(db, key, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else binary.decode_remove_reply
    return "remove", request, decode, False, key


def remove_bulk(
    keys: Collection[tuple[int, bytes]], *, no_reply: bool = False
) -> Command[int | None]:
    """Remove the records of ``(db, key)`` pairs: how many existed, or ``None``."""
    request = binary.encode_remove(keys, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else binary.decode_remove_reply
    return "remove_bulk", request, decode, False, None


def play_script(
    name: bytes,
    pairs: Collection[tuple[bytes, bytes]],
    *,
    no_reply: bool = False,
    repeatable: bool = False,
) -> Command[list[tuple[bytes, bytes]] | None]:
    """Call a Lua function of the server's script: its output as pairs, or ``None``.

    :param repeatable: whether calling it twice leaves the same state and gives the same answer.
    """
    request = binary.encode_script(name, pairs, no_reply=no_reply)
    decode = no_reply_decoder if no_reply else binary.decode_script_reply
    return "script", request, decode, repeatable, None


_pairs_decoder = lru_cache(maxsize=256)(binary.PairsDecoder)


@lru_cache(maxsize=256)
def _set_decoder(sent: int) -> Decoder[int]:
    all_stored = binary.encode_count_reply(binary.SET_BULK, sent)

    def decode(data: Buffer, end: int) -> int | Incomplete:
        if data[:end] == all_stored:
            return sent
        stored = binary.decode_set_reply(data, end)
        if isinstance(stored, int):
            # The server skips a record silently if its database does not exist.
            raise NoSuchDatabase(
                f"only {stored} of {sent} records were stored; "
                "the server has no database of that index",
                connection_ok=True,
            )
        return stored

    return decode


_decode_set_one = _set_decoder(1)
