"""Watching records until they are gone, and judging when that was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TENTH = 0.1


@dataclass
class Written:
    """A record that was written between two moments, to live for some seconds.

    :param late: how many seconds after its time it may still be there.
    :param early: how many seconds before its time it may be gone.
    """

    name: Any
    ttl: float
    before: float
    after: float
    late: float = TENTH
    early: float = 0.0


def write(
    name: Any, ttl: float, action: Callable[[], Any], late: float = TENTH, early: float = 0.0
) -> Written:
    """Carry out the writing of a record and take the times around it."""
    before = time.time()
    action()
    return Written(name, ttl, before, time.time(), late, early)


def watch(records: list[Written], present: Callable[[Written], bool]) -> None:
    """Look at the records over and over until all are gone; judge every look.

    A look that finds a record must have begun before its end (and ``late``), one that misses it
    must have ended after its beginning and its time. That holds however slow the machine is.
    """
    left = list(records)
    while left:
        for record in list(left):
            began = time.time()
            found = present(record)
            ended = time.time()
            if found:
                overdue = began - (record.after + record.ttl)
                assert overdue < record.late, f"{record} is still there {overdue:.3f} s too late"
            else:
                early = record.before + record.ttl - ended
                assert early <= record.early, f"{record} is gone {early:.3f} s too early"
                left.remove(record)
        time.sleep(0.005)
    for record in records:
        assert not present(record), f"{record} came back"
