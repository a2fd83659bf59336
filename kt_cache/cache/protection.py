"""How ``get_or_set`` keeps its function from being called by many at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from kt_cache.cache.claims import LATENESS
from kt_cache.cache.notes import Notes
from kt_cache.errors import ConfigError

__all__ = ["Protection", "growing_pauses", "make_protection"]

_USUAL_TURN = 30.0  # seconds that a leader has if the caller does not say
_FIRST_PAUSE = 0.005  # seconds between two looks at whether the leader is ready
_LONGEST_PAUSE = 0.25
_GROWTH = 1.5


@dataclass(frozen=True)
class Protection:
    """Options of one call.

    :param turn: seconds that the one who calls the function has before another one does.
    :param stale: seconds for which a value may be used after its timeout, while one makes it anew.
    :param beta: how early it is made anew; 0 for not before its timeout.
    """

    turn: float = _USUAL_TURN
    stale: float = 0.0
    beta: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds to wait for others at most: for one that dies, and the one in its place."""
        return 2 * (self.turn + LATENESS)

    @property
    def needs_notes(self) -> bool:
        """Whether values must tell until when they are fresh."""
        return self.stale > 0 or self.beta > 0

    def is_due(self, notes: Notes, now: float) -> bool:
        """Tell whether a value is to be made anew.

        Before its time that is a matter of chance: likelier the nearer that is and the longer the
        making takes, so that of many callers one begins early enough and hardly ever two.
        """
        early = notes.seconds * self.beta * random.expovariate(1.0) if self.beta else 0.0
        return now + early >= notes.fresh_until


_USUAL = Protection()


def make_protection(
    lock: float | bool | None, stale: float | None, beta: float | None
) -> Protection | None:
    """Return what the options of a call mean; ``None`` for no protection.

    :raises ConfigError: if one of them is not understood.
    """
    if stale is None and beta is None:
        if lock is None:
            return None
        if lock is True:
            return _USUAL
    turn = _USUAL_TURN
    if lock is not None and not isinstance(lock, bool):
        turn = _number("lock", lock)
        if not turn:
            raise ConfigError("lock must be True or more than 0 seconds")
    protection = Protection(turn, _number("stale", stale or 0), _number("beta", beta or 0))
    return protection if lock or protection.needs_notes else None


def growing_pauses() -> Iterator[float]:
    """Yield seconds to wait between two looks, longer and longer; those of no two are the same."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        pause = min(_LONGEST_PAUSE, pause * _GROWTH)


def _number(name: str, given: float) -> float:
    if isinstance(given, int | float) and isfinite(given) and given >= 0:
        return float(given)
    raise ConfigError(f"{name} must be a number, and not below 0, instead of {given!r}")
