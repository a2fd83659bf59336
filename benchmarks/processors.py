"""Keeping this program and the servers on processors of their own, so that nobody moves them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["ALL", "can_keep_apart", "keep_apart"]

ALL: frozenset[int] = (
    frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
)
"""The processors that this program had when it began; none where a system does not tell."""


def can_keep_apart() -> bool:
    """Tell whether programs can be kept apart: on Linux, with two processors or more."""
    return len(ALL) > 1 and Path("/proc/self/task").is_dir()


def keep_apart() -> None:
    """Put this program on one processor and those that it has started on the others.

    A server of several threads is otherwise moved about with every request, and moves the program
    that waits for it; what is measured then is how often that happens.
    """
    own = {min(ALL)}
    for thread in _threads_of(os.getpid()):
        _place(thread, own)
    for child in _descendants_of(os.getpid()):
        for thread in _threads_of(child):
            _place(thread, ALL - own)


def _place(thread: int, processors: frozenset[int] | set[int]) -> None:
    with suppress(ProcessLookupError):  # it may have ended
        os.sched_setaffinity(thread, processors)


def _threads_of(process: int) -> list[int]:
    try:
        return [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()]
    except FileNotFoundError:
        return []


def _descendants_of(process: int) -> Iterator[int]:
    for thread in _threads_of(process):
        try:
            children = Path(f"/proc/{process}/task/{thread}/children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _descendants_of(child)
