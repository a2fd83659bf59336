"""A reply before it is put into HTTP."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Reply"]


class Reply(NamedTuple):
    """Status, headers and body.

    :param length: the Content-Length to announce to HEAD, ``None`` for no such header.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    length: int | None = 0
