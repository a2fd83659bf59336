"""Work that takes several calls of a store, written once for threads and for event loops.

It is a generator: it yields steps, is sent their results, has their errors raised where it stands,
and returns the result of the whole. What interrupts a step (a cancelled task, a KeyboardInterrupt)
is raised there, too, and may be answered with further steps, as in a coroutine's ``finally``. Only
after a ``GeneratorExit`` nobody is left who would carry them out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from inspect import isawaitable, iscoroutine
from typing import Any, TypeAlias, TypeVar

from kt_cache.cache.errands import keep, wait_a_moment
from kt_cache.cache.store import Store
from kt_cache.errors import ConfigError

__all__ = ["Ask", "Compute", "Finish", "FunctionStopped", "Steps", "Wait", "arun", "run"]

T = TypeVar("T")


class Ask:
    """Call one of the store's methods.

    :param method: its name, that of the blocking one.
    :param arguments: for it.
    :param of: what else has the method and its twin for event loops, instead of the store.
    """

    __slots__ = ("arguments", "method", "of")

    def __init__(self, method: str, *arguments: Any, of: object = None) -> None:
        self.method = method
        self.arguments = arguments
        self.of = of


class Finish(Ask):
    """The same; on an event loop the steps hear of an interruption when the call has ended.

    So whatever they ask for next comes after it on the server.
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

    A ``StopIteration`` of its own, which no generator lets through, comes as `FunctionStopped`.

    :param function: takes nothing.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function


class FunctionStopped(Exception):
    """A user's function raised ``StopIteration``.

    :param cause: what it raised, and what :func:`run` raises in the end.
    """

    def __init__(self, cause: StopIteration) -> None:
        super().__init__(cause)
        self.cause = cause


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
                    asked = store if step.of is None else step.of
                    result = getattr(asked, step.method)(*step.arguments)
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
    except FunctionStopped as stopped:
        raise stopped.cause from None
    finally:
        steps.close()


def _called(function: Callable[[], Any]) -> Any:
    result = _begun(function)
    if not iscoroutine(result):
        return result
    result.close()
    raise ConfigError(
        "a coroutine function needs an event loop: call the method whose name begins with an 'a'"
    )


def _begun(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StopIteration as stop:
        raise FunctionStopped(stop) from stop


async def arun(store: Store, steps: Steps[T]) -> T:
    """Carry out steps on the running event loop; as :func:`run` otherwise.

    Who is cancelled hears of it at once. Should the steps have something to do about it, such as to
    take back a claim, that takes half a second at most; it goes on behind if it is not done then.
    """
    handed_on = False
    try:
        step = next(steps)
        while True:
            call = None
            try:
                if isinstance(step, Finish):
                    call = asyncio.ensure_future(_carried_out(store, step))
                    result = await asyncio.shield(call)
                else:
                    result = await _carried_out(store, step)
            except GeneratorExit:
                raise
            except asyncio.CancelledError as error:
                handed_on = True
                await wait_a_moment(_tidy_up(store, steps, error, call))
                raise
            except BaseException as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as stop:
        done: T = stop.value
        return done
    except FunctionStopped as stopped:
        raise stopped.cause from None
    finally:
        if not handed_on:
            steps.close()


async def _carried_out(store: Store, step: Ask | Wait | Compute) -> Any:
    if isinstance(step, Ask):
        asked = store if step.of is None else step.of
        return await getattr(asked, "a" + step.method)(*step.arguments)
    if isinstance(step, Wait):
        return await asyncio.sleep(step.seconds)
    result = _begun(step.function)
    return await result if isawaitable(result) else result


async def _tidy_up(
    store: Store,
    steps: Steps[Any],
    error: asyncio.CancelledError,
    call: asyncio.Task[Any] | None,
) -> None:
    """Let a call come to its end, raise an interruption in the steps and carry out the rest."""
    try:
        if call is not None:
            keep(call)
            call.add_done_callback(_take_note)
            await asyncio.wait([call])
        step = steps.throw(error)
        while True:
            try:
                result = await _carried_out(store, step)
            except Exception as another:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(another)
            else:
                step = steps.send(result)
    except (StopIteration, asyncio.CancelledError):
        pass  # the steps are at their end, or the event loop is
    finally:
        steps.close()


def _take_note(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # who would have been told has been cancelled
