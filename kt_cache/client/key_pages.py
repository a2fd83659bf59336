"""Listing the keys of an ordered database a part at a time, without keeping a connection."""

from __future__ import annotations

from typing import Any

from kt_cache.client import cursors
from kt_cache.client.call import Rows
from kt_cache.client.command import Command
from kt_cache.client.pipeline import pipelined

__all__ = ["MOST_KEYS", "is_ordered", "keys_from"]

MOST_KEYS = 200
"""Most keys that one :func:`keys_from` lists: with so many calls it fits into any buffer."""

_LEXICAL = b"lexical"
# What keeps its keys in the order of their bytes unless "rcomp" names another: + % kct kcf, and the
# included server's files.
_TREES = frozenset((b"17", b"33", b"49", b"65", b"96"))


def is_ordered(status: Rows) -> bool:
    """Tell whether a database keeps its keys in the order of their bytes.

    :param status: of the database.
    """
    return status.get(b"realtype") in _TREES and status.get(b"rcomp", _LEXICAL) == _LEXICAL


def keys_from(db: int, start: bytes, count: int) -> Command[list[bytes]]:
    """List the keys of an ordered database that follow a place, dead records' left out.

    A cursor is made, moved and given up within this one round trip.

    :param start: the first key that may be listed; there need be no such record.
    :param count: most keys to list, up to :data:`MOST_KEYS`.
    """
    step = cursors.get_key(db, step=True)
    commands = [cursors.jump(db, start), *[step] * min(count, MOST_KEYS), cursors.delete(db)]
    return pipelined("keys_from", commands, _keys)


def _keys(results: list[Any]) -> list[bytes]:
    _, *keys, _ = results
    return [key for key in keys if key is not None]
