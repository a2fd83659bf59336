"""What two who changed the same session at the same time have made of it together."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

__all__ = ["Merged", "merge", "take_over"]

_MISSING: Any = object()


class Merged(NamedTuple):
    """Outcome of a merge.

    :ivar data: what is to be stored.
    :ivar conflicts: keys that both have changed, of which ``data`` has our values, even if both are
        the same, for two who counted from 1 to 2 each should have come to 3.
    """

    data: dict[str, Any]
    conflicts: list[str]


def merge(loaded: Mapping[str, Any], ours: Mapping[str, Any], stored: Mapping[str, Any]) -> Merged:
    """Apply to what is stored all that we changed since it was loaded, deletions included.

    Only top-level keys are looked at: a list in which both changed something is changed by both.

    :param loaded: what both began with.
    :param ours: what we made of it.
    :param stored: what others made of it meanwhile.
    """
    data, conflicts = dict(stored), []
    for key in [*ours, *(key for key in loaded if key not in ours)]:
        before, mine = loaded.get(key, _MISSING), ours.get(key, _MISSING)
        if _same(before, mine):
            continue
        if not _same(stored.get(key, _MISSING), before):
            conflicts.append(key)
        _put(data, key, mine)
    return Merged(data, conflicts)


def take_over(
    data: MutableMapping[str, Any], ours: Mapping[str, Any], merged: Mapping[str, Any]
) -> None:
    """Change in ``data`` what others have changed, and nothing else.

    Keys that the serializer has stored as text get the names they are stored under, such as "1" for
    1 in JSON. Otherwise what others deleted or changed would stay under the name it has in hand.

    :param data: what we have in hand.
    :param ours: the same, as we wanted to store it.
    :param merged: what was stored.
    """
    _name_as_stored(data, ours)
    for key in [*merged, *(key for key in ours if key not in merged)]:
        mine, now = ours.get(key, _MISSING), merged.get(key, _MISSING)
        if not _same(mine, now):
            _put(data, key, now)


def _name_as_stored(data: MutableMapping[Any, Any], ours: Mapping[str, Any]) -> None:
    renamed = [key for key in data if not isinstance(key, str) and key not in ours]
    if not renamed:
        return
    for key in renamed:
        del data[key]
    data.update({name: value for name, value in ours.items() if name not in data})


def _put(data: MutableMapping[str, Any], key: str, value: Any) -> None:
    if value is _MISSING:
        data.pop(key, None)
    else:
        data[key] = value


def _same(one: Any, other: Any) -> bool:
    """Tell whether two decoded values are stored alike; to ``==``, 1 and True would be the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - not a number
