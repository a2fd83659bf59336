"""Work that takes several calls of a store, written once for threads and for event loops.

It is a generator: it yields steps, is sent their results, has their errors raised where it stands,
and returns the result of the whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

from kt_cache.cache.store import Store

__all__ = ["Ask", "Compute", "Steps", "Wait", "arun", "run"]

T = TypeVar("T")


class Ask:
    """Call one of the store's methods.

    :param method: its name, that of the blocking one.
    :param arguments: for it.
    """

    __slots__ = ("arguments", "method")

    def __init__(self, method: str, *arguments: Any) -> None:
        self.method = method
        self.arguments = arguments


class Wait:
    """Let some time go by.

    :param seconds: how much.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Compute:
    """Call a function of the cache's user; under an event loop its result is awaited if it can be.

    :param function: takes nothing.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function


Steps: TypeAlias = Generator["Ask | Wait | Compute", Any, T]


def run(store: Store, steps: Steps[T]) -> T:
    """Carry out steps, blocking.

    :raises Exception: whatever a step raises and the steps do not deal with.
    """
    try:
        step = next(steps)
        while True:
            try:
                result = None
                if isinstance(step, Ask):
                    result = getattr(store, step.method)(*step.arguments)
                elif isinstance(step, Wait):
                    time.sleep(step.seconds)
                else:
                    result = step.function()
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()


async def arun(store: Store, steps: Steps[T]) -> T:
    """Carry out steps on the running event loop; as :func:`run` otherwise."""
    try:
        step = next(steps)
        while True:
            try:
                result = None
                if isinstance(step, Ask):
                    result = await getattr(store, "a" + step.method)(*step.arguments)
                elif isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    result = step.function()
                    if isawaitable(result):
                        result = await result
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()
