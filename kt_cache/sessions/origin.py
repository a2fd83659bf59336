"""What is known of a stored session."""

from __future__ import annotations

import math
from time import monotonic
from typing import Any, NamedTuple

__all__ = ["UNSTORED", "Loaded", "Origin"]


class Origin(NamedTuple):
    """A session as it was found, or left, on the store: what the next save starts from.

    :ivar payload: its data as stored.
    :ivar token: of its record, for a swap; ``None`` if that is not known.
    :ivar ends: when its lifetime is over, on the monotonic clock.
    :ivar is_read_only: whether the store has failed, so that nothing of the session is stored until
        it is loaded again; only with the option ``on_failure="read-only"``. The visitor's cookie is
        to be left as it is.
    """

    payload: bytes
    token: bytes | None
    ends: float
    is_read_only: bool = False

    @property
    def seconds_left(self) -> float:
        """Seconds until its lifetime is over; below zero if it is."""
        return self.ends - monotonic()

    def __repr__(self) -> str:
        # The fields hold the visitor's data, which belongs in no traceback.
        return f"<Origin of {len(self.payload)} bytes, {self.seconds_left:.0f} s left>"


UNSTORED = Origin(b"", None, -math.inf, is_read_only=True)
"""Of a session that could not be loaded."""


class Loaded(NamedTuple):
    """What loading a session gives.

    :ivar data: the caller's, to change.
    :ivar origin: to be handed back with a save.
    """

    data: dict[str, Any]
    origin: Origin

    def __repr__(self) -> str:
        return f"<Loaded: {len(self.data)} keys, {self.origin!r}>"
