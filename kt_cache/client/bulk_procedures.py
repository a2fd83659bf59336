"""Commands of TSV-RPC on many records: atomic bulk calls, and lists of keys."""

from __future__ import annotations

from collections.abc import Iterable

from kt_cache.client.call import (
    Params,
    Rows,
    Where,
    call,
    number,
    params_of,
    underscored,
)
from kt_cache.client.command import Command
from kt_cache.errors import ServerError
from kt_cache.protocol.rpc import RpcReply

__all__ = [
    "get_bulk",
    "match_prefix",
    "match_regex",
    "match_similar",
    "remove_bulk",
    "set_bulk",
]


def get_bulk(where: Where, keys: Iterable[bytes], *, atomic: bool) -> Command[Rows]:
    """Read many records: key -> value of those found.

    :param atomic: whether no other client's write may come in between.
    """
    params = _bulk(where, ((key, b"") for key in keys), None, atomic=atomic)
    return call("get_bulk", params, underscored, repeatable=True)


def set_bulk(
    where: Where, pairs: Iterable[tuple[bytes, bytes]], xt: int, *, atomic: bool
) -> Command[int]:
    """Store many ``(key, value)`` records: how many.

    :param atomic: whether nobody may see, or a failure leave, a part of them.
    """
    return call("set_bulk", _bulk(where, pairs, xt, atomic=atomic), number, repeatable=True)


def remove_bulk(where: Where, keys: Iterable[bytes], *, atomic: bool) -> Command[int]:
    """Remove many records: how many existed."""
    params = _bulk(where, ((key, b"") for key in keys), None, atomic=atomic)
    return call("remove_bulk", params, number, repeatable=False)


def _bulk(
    where: Where, pairs: Iterable[tuple[bytes, bytes]], xt: int | None, *, atomic: bool
) -> Params:
    params = params_of(where, (b"xt", xt), (b"atomic", b"" if atomic else None))
    params += [(b"_" + key, value) for key, value in pairs]
    return params


def match_prefix(where: Where, prefix: bytes, most: int | None = None) -> Command[list[bytes]]:
    """List keys by prefix, at most ``most``; expired ones the server still holds included."""
    return _match("match_prefix", where, (b"prefix", prefix), (b"max", most))


def match_regex(where: Where, regex: bytes, most: int | None = None) -> Command[list[bytes]]:
    """List the keys in which a POSIX extended regular expression is found; else as prefix."""
    return _match("match_regex", where, (b"regex", regex), (b"max", most))


def match_similar(
    where: Where, origin: bytes, distance: int | None, most: int | None = None
) -> Command[list[bytes]]:
    """List the keys within an edit distance (of characters) of a text, the nearest first."""
    utf = (b"utf", b"true")
    return _match(
        "match_similar", where, (b"origin", origin), (b"range", distance), utf, (b"max", most)
    )


def _match(
    name: str, where: Where, *pairs: tuple[bytes, bytes | int | None]
) -> Command[list[bytes]]:
    return call(name, params_of(where, *pairs), _ranked, repeatable=True)


def _ranked(reply: RpcReply) -> list[bytes]:
    try:
        ranks = {key: int(rank) for key, rank in underscored(reply).items()}
    except ValueError:
        raise ServerError("the reply's ranks are not numbers", status=reply.status) from None
    return sorted(ranks, key=ranks.__getitem__)
