"""The cache's atomic operations in one round trip, where the server has our script.

Whether it has is asked once per generation of connections. Where it has not, and for what the
script cannot do exactly, the operations of several commands stand in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from kt_cache.cache import operations
from kt_cache.cache.envelope import envelope_of, relative_xt, wrap
from kt_cache.cache.operations import Clock
from kt_cache.client import cache_functions, procedures
from kt_cache.client.cache_functions import NoAnswer
from kt_cache.client.command import Command
from kt_cache.client.operation import Operation
from kt_cache.errors import ServerError

__all__ = ["ADD", "INCREMENT", "SCRIPT", "TOUCH", "Atomic", "Pool"]

T = TypeVar("T")

SCRIPT = "script"
"""Under this name it is noted whether a server has the script."""


class Pool(Protocol):
    """A pool of connections to the server, of either kind.

    :ivar findings: what was found out about the server.
    """

    findings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Atomic(Generic[T]):
    """One operation in its two ways, which take the same arguments and have the same results.

    :param call: calls the script's function; the result may be a :class:`NoAnswer`.
    :param without: does it without the script.
    :param first: what is tried before anybody had to ask whether the server has the script: a
        command that does it, or answers ``False``.
    """

    call: Callable[..., Command[Any]]
    without: Callable[..., Operation[T]]
    first: Callable[..., Command[T]] | None = None

    def find_way(self, what: tuple[Any, ...], pool: Pool, answer: NoAnswer) -> Operation[T]:
        """Do it with the script if the server has it, and find out whether it has.

        :param what: the arguments.
        :param answer: of the script's function, if it was called already.
        :raises ServerError: if the server has the script, and the function failed.
        """
        findings = pool.findings
        if self.first and answer is NoAnswer.NOT_ASKED and SCRIPT not in findings:
            done: T = yield self.first(*what)
            if done:
                return done
        if answer is not NoAnswer.USE_CAS:
            if answer is NoAnswer.FAILED or SCRIPT not in findings:
                findings[SCRIPT] = yield cache_functions.serves_us()
            if findings[SCRIPT]:
                command = self.call(*what)
                result: T | NoAnswer = yield command
                if result is NoAnswer.FAILED:
                    raise ServerError(
                        "the script failed; the server's log may tell more", key=command[4]
                    )
                if not isinstance(result, NoAnswer):
                    return result
        return (yield from self.without(*what))


def _add_simply(
    db: int, key: bytes, payload: bytes, ttl: float | None, clock: Clock
) -> Command[bool]:
    record = wrap(payload, None if ttl is None else clock() + ttl)
    return procedures.add(db, key, record, relative_xt(ttl))


def _call_add(
    db: int, key: bytes, payload: bytes, ttl: float | None, clock: Clock
) -> Command[bool | NoAnswer]:
    now = clock()
    record = wrap(payload, None if ttl is None else now + ttl)
    return cache_functions.add(db, key, record, relative_xt(ttl), now)


def _call_increment(db: int, key: bytes, delta: int, _: Clock) -> Command[int | NoAnswer | None]:
    return cache_functions.increment(db, key, delta)


def _call_touch(db: int, key: bytes, ttl: float | None, clock: Clock) -> Command[bool | NoAnswer]:
    now = clock()
    envelope = envelope_of(None if ttl is None else now + ttl)
    return cache_functions.touch(db, key, relative_xt(ttl), envelope, now)


ADD: Atomic[bool] = Atomic(_call_add, operations.add, _add_simply)
INCREMENT: Atomic[int | None] = Atomic(_call_increment, operations.increment)
TOUCH: Atomic[bool] = Atomic(_call_touch, operations.touch)
