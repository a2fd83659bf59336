"""Operations of several commands, written once for the blocking and the asyncio client.

An operation is a generator: it yields commands and is sent their replies; what it returns is the
result. It may yield a :class:`Pause` instead to let others go first.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from kt_cache.client.command import Command

__all__ = ["Operation", "Pause"]

T = TypeVar("T")

# Seconds; several round trips. With 16 threads on one counter a third fewer commands than with one
# round trip's time, and with two the same speed.
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


class Pause:
    """A short random wait after losing a race; longer with every race lost.

    :param lost: how many races were lost so far.
    """

    __slots__ = ("seconds",)

    def __init__(self, lost: int) -> None:
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(lost, 16))
        self.seconds = random.uniform(0, longest)  # noqa: S311 - not a secret


Operation: TypeAlias = Generator["Command[Any] | Pause", Any, T]
