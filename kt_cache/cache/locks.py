"""Locks that processes on any number of machines share."""

from __future__ import annotations

import logging
import time
from math import isfinite
from types import TracebackType
from typing import TYPE_CHECKING

from kt_cache.cache.base import CacheBase
from kt_cache.cache.claims import LATENESS, claim, give_up, give_up_anyway, new_token
from kt_cache.cache.steps import Ask, Steps, Wait, arun, run
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict
from kt_cache.errors import ConfigError, KTError, LockError, LockNotAcquired, LockNotOwned

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Lock", "LockMethods"]

logger = logging.getLogger("kt_cache.cache")


class Lock:
    """At most one object at a time holds the lock of a name, wherever it is.

    The owner is the object, not the thread or task that uses it: make a lock object for each who is
    to hold it. It ends by itself when its time is over, so that nobody waits for one that died; up
    to two seconds late, never early. Work that may take longer extends it from time to time.

    Used with ``with`` or ``async with`` it is acquired at the beginning and released at the end.
    Every method has a twin for event loops, its name with an ``a`` before it.

    :param store: where the lock is.
    :param key: its record.
    :param name: what errors call it.
    :param timeout: seconds after which it ends, unless it is extended; it has no default and no end
        of "never", for a lock without an end stays for ever when its holder dies.
    :param blocking: whether to wait for it while somebody else has it.
    :param blocking_timeout: seconds to wait at most; ``None`` for as long as a holder that died
        with the same timeout could keep it.
    :param sleep: seconds between two attempts.
    :raises ConfigError: if one of the times is not a positive number.
    """

    def __init__(
        self,
        store: Store,
        key: bytes,
        name: str,
        timeout: float,
        *,
        blocking: bool = True,
        blocking_timeout: float | None = None,
        sleep: float = 0.1,
    ) -> None:
        self.name = name
        self.timeout = _positive("timeout", timeout)
        self.blocking = blocking
        self.blocking_timeout = _waiting(blocking_timeout, self.timeout)
        self.sleep = _positive("sleep", sleep)
        self._store = store
        self._key = key
        self._token: bytes | None = None

    def __repr__(self) -> str:
        held = "held" if self._token is not None else "not held"
        return f"<Lock {self.name!r}, {self.timeout} s, {held} by this object>"

    def acquire(self, blocking: bool | None = None, blocking_timeout: float | None = None) -> bool:
        """Get hold of the lock.

        :param blocking: instead of the lock's own.
        :param blocking_timeout: seconds, instead of the lock's own.
        :return: whether it was got in time.
        :raises LockError: if this object holds it already.
        :raises TransportError: if the server does not answer. Nothing is ignored here.
        """
        return run(self._store, self._acquiring(blocking, blocking_timeout))

    async def aacquire(
        self, blocking: bool | None = None, blocking_timeout: float | None = None
    ) -> bool:
        """See :meth:`acquire`. A cancelled one leaves no lock behind.

        Its task waits for half a second at most. If the server takes longer to answer, giving the
        lock back goes on behind it; should that fail the lock ends in its time.
        """
        return await arun(self._store, self._acquiring(blocking, blocking_timeout))

    def release(self) -> None:
        """Let others have the lock.

        If the server does not answer the object goes on holding it, so it can be tried again.

        :raises LockNotOwned: if this object does not hold it, or no longer.
        """
        run(self._store, self._releasing())

    async def arelease(self) -> None:
        """See :meth:`release`. A cancelled one releases the lock nevertheless."""
        await arun(self._store, self._releasing())

    def extend(self, timeout: float | None = None) -> bool:
        """Hold the lock for a new time, from now.

        :param timeout: seconds; ``None`` for the lock's own.
        :return: ``True``.
        :raises LockNotOwned: if this object does not hold it, or no longer.
        """
        return run(self._store, self._extending(timeout))

    async def aextend(self, timeout: float | None = None) -> bool:
        """See :meth:`extend`."""
        return await arun(self._store, self._extending(timeout))

    def locked(self) -> bool:
        """Tell whether anybody holds the lock."""
        return run(self._store, self._looking()) is not None

    async def alocked(self) -> bool:
        """See :meth:`locked`."""
        return await arun(self._store, self._looking()) is not None

    def owned(self) -> bool:
        """Tell whether this object holds the lock."""
        return self._token is not None and run(self._store, self._looking()) == self._token

    async def aowned(self) -> bool:
        """See :meth:`owned`."""
        return self._token is not None and await arun(self._store, self._looking()) == self._token

    def __enter__(self) -> Self:
        if not self.acquire():
            raise self._in_vain()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        run(self._store, self._leaving(error))

    async def __aenter__(self) -> Self:
        if not await self.aacquire():
            raise self._in_vain()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await arun(self._store, self._leaving(error))

    # ------------------------------------------------------------ in steps

    def _acquiring(self, blocking: bool | None, blocking_timeout: float | None) -> Steps[bool]:
        wait = self.blocking_timeout
        if blocking_timeout is not None:
            wait = _waiting(blocking_timeout, self.timeout)
        if not (self.blocking if blocking is None else blocking):
            wait = 0.0
        deadline = time.monotonic() + wait
        token = new_token()
        while True:
            if self._token is not None:
                raise LockError(
                    f"this object holds the lock {self.name!r} already; whoever else is to wait "
                    "for it needs a lock object of their own"
                )
            if (yield from claim(self._key, token, self.timeout)):
                self._token = token
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            yield Wait(min(self.sleep, remaining))

    def _releasing(self) -> Steps[None]:
        token = self._held()
        self._token = None  # from here on it may be gone
        try:
            owned = yield from give_up(self._key, token)
        except GeneratorExit:
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._token = token  # so that it can be tried again
            else:
                yield from give_up_anyway(self._key, token)
            raise
        if not owned:
            raise self._lost()

    def _extending(self, timeout: float | None) -> Steps[bool]:
        ttl = self.timeout if timeout is None else _positive("timeout", timeout)
        token = self._held()
        if not (yield Ask("swap", self._key, token, token, ttl)):
            self._token = None
            raise self._lost()
        return True

    def _looking(self) -> Steps[bytes | None]:
        token: bytes | None = yield Ask("get", self._key)
        return token

    def _leaving(self, error: BaseException | None) -> Steps[None]:
        if error is None:
            yield from self._releasing()
            return
        try:
            yield from self._releasing()
        except KTError as second:
            # What ended the block is what its caller must hear of.
            logger.warning("the lock %r was not released: %s", self.name, second)

    def _held(self) -> bytes:
        if self._token is None:
            raise LockNotOwned(f"this object does not hold the lock {self.name!r}")
        return self._token

    def _lost(self) -> LockNotOwned:
        return LockNotOwned(
            f"the lock {self.name!r} is not held any more: its {self.timeout} s were over; "
            "give it a longer timeout, or extend it while the work goes on"
        )

    def _in_vain(self) -> LockNotAcquired:
        return LockNotAcquired(f"somebody else has held the lock {self.name!r} all the time")


class LockMethods(CacheBase):
    """The call of a cache that makes locks."""

    def lock(
        self,
        name: str,
        timeout: float,
        *,
        version: int | None = None,
        blocking: bool = True,
        blocking_timeout: float | None = None,
        sleep: float = 0.1,
    ) -> Lock:
        """Return a lock, for threads and event loops, that all processes share.

        For the parameters see :class:`~kt_cache.cache.locks.Lock`. Its record is not a value:
        ``clear()`` leaves it alone, and a value of the same name is another record.

        :raises ConfigError: if one of the times is not a positive number.
        """
        return Lock(
            strict(self.store),
            self._key_beside("lock", name, version),
            name,
            timeout,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            sleep=sleep,
        )


def _positive(name: str, seconds: float) -> float:
    if isinstance(seconds, int | float) and isfinite(seconds) and seconds > 0:
        return seconds
    raise ConfigError(f"a lock's {name} must be a positive number of seconds, not {seconds!r}")


def _waiting(blocking_timeout: float | None, timeout: float) -> float:
    if blocking_timeout is None:
        return timeout + LATENESS
    if blocking_timeout == 0:
        return 0.0
    return _positive("blocking_timeout", blocking_timeout)
