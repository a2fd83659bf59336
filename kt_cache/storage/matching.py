"""Finding keys by likeness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

__all__ = ["EditDistance", "first"]


def first(keys: Iterable[bytes], limit: int) -> list[bytes]:
    """Return the first keys, at most ``limit`` of them, or all if it is below zero."""
    return list(islice(keys, limit) if limit >= 0 else keys)


class EditDistance:
    """Measures how many insertions, deletions and replacements lie between a key and an origin.

    :param most: distances above this are not worked out.
    :param characters: compare UTF-8 characters, not bytes.
    """

    __slots__ = ("_characters", "_most", "_origin")

    def __init__(self, origin: bytes, most: int, *, characters: bool = False) -> None:
        self._characters = characters
        self._most = most
        self._origin = self._units(origin)

    def _units(self, key: bytes) -> Sequence[object]:
        return key.decode("utf-8", "replace") if self._characters else key

    def __call__(self, key: bytes) -> int | None:
        """Return the distance of a key, or ``None`` if it is above the most."""
        origin, most = self._origin, self._most
        units = self._units(key)
        if abs(len(units) - len(origin)) > most:
            return None
        row = list(range(len(origin) + 1))
        for number, unit in enumerate(units, 1):
            previous, row = row, [number]
            for index, other in enumerate(origin):
                row.append(
                    previous[index]
                    if unit == other
                    else 1 + min(previous[index], previous[index + 1], row[index])
                )
            if min(row) > most:
                return None
        return row[-1] if row[-1] <= most else None
