"""Work that takes several calls of a store, written once for threads and for event loops.

It is a generator: it yields steps, is sent their results, has their errors raised where it stands,
and returns the result of the whole. What interrupts a step (a cancelled task, a KeyboardInterrupt)
is raised there, too, and may be answered with further steps, as in a coroutine's ``finally``. Only
after a ``GeneratorExit`` nobody is left who would carry them out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from inspect import isawaitable, iscoroutine
from typing import Any, TypeAlias, TypeVar

from kt_cache.cache.store import Store
from kt_cache.errors import ConfigError

__all__ = ["Ask", "Compute", "Finish", "Steps", "Wait", "arun", "run"]

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


class Finish(Ask):
    """The same; on an event loop an interruption is raised only when the call has ended.

    So whatever is asked for next comes after it on the server.
    """

    __slots__ = ()


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

    :raises ConfigError: if a function to be called is a coroutine function.
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
                    result = _called(step.function)
            except BaseException as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()


def _called(function: Callable[[], Any]) -> Any:
    result = function()
    if not iscoroutine(result):
        return result
    result.close()
    raise ConfigError(
        "a coroutine function needs an event loop: call the method whose name begins with an 'a'"
    )


async def _finished(call: Coroutine[Any, Any, Any]) -> Any:
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.add_done_callback(_take_note)
            await asyncio.wait([task])
        raise


def _take_note(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # who would have been told has been cancelled


async def arun(store: Store, steps: Steps[T]) -> T:
    """Carry out steps on the running event loop; as :func:`run` otherwise."""
    try:
        step = next(steps)
        while True:
            try:
                result = None
                if isinstance(step, Ask):
                    call = getattr(store, "a" + step.method)(*step.arguments)
                    result = await (_finished(call) if isinstance(step, Finish) else call)
                elif isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    result = step.function()
                    if isawaitable(result):
                        result = await result
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as stop:
        done: T = stop.value
        return done
    finally:
        steps.close()
