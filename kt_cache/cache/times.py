"""How long values live: asking, and changing it."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any

from kt_cache.cache.base import CacheBase, is_over
from kt_cache.cache.generations import without_notes
from kt_cache.cache.notes import NOTED
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.errors import ConfigError

__all__ = ["TimeMethods"]


class TimeMethods(CacheBase):
    """The calls of a cache that are about time."""

    def ttl(self, key: Any, version: int | None = None) -> int | None:
        """Return the seconds a value has left.

        :return: rounded up, so at least 1; ``None`` for one that never ends, 0 if there is none.
        """
        return run(self.store, self._seconds_left(key, version))

    async def attl(self, key: Any, version: int | None = None) -> int | None:
        """See :meth:`ttl`."""
        return await arun(self.store, self._seconds_left(key, version))

    def touch(self, key: Any, timeout: float | None, version: int | None = None) -> bool:
        """Give a value a new timeout.

        :return: whether there is one.
        """
        raw = self.make_key(key, version)
        if is_over(timeout):
            # The engine may hold a record past its time, which its remove would count.
            return self.store.get(raw) is not None and bool(self.store.remove(raw))
        return self.store.touch(raw, timeout)

    async def atouch(self, key: Any, timeout: float | None, version: int | None = None) -> bool:
        """See :meth:`touch`."""
        raw = self.make_key(key, version)
        if is_over(timeout):
            return await self.store.aget(raw) is not None and bool(await self.store.aremove(raw))
        return await self.store.atouch(raw, timeout)

    def expire_at(self, key: Any, when: datetime | float, version: int | None = None) -> bool:
        """Let a value end at a moment, by this machine's clock; one in the past removes it.

        :param when: a ``datetime``, taken as local time if it names no zone, or a Unix time.
        :return: whether there is a value.
        :raises ConfigError: if ``when`` is neither.
        """
        return self.touch(key, _seconds_until(when), version)

    async def aexpire_at(
        self, key: Any, when: datetime | float, version: int | None = None
    ) -> bool:
        """See :meth:`expire_at`."""
        return await self.atouch(key, _seconds_until(when), version)

    def persist(self, key: Any, version: int | None = None) -> bool:
        """Let a value never end.

        :return: whether there is one.
        """
        return self.touch(key, None, version)

    async def apersist(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`persist`."""
        return await self.atouch(key, None, version)

    def _seconds_left(self, key: Any, version: int | None) -> Steps[int | None]:
        raw = self.make_key(key, version)
        found = yield Ask("get_with_ttl", raw)
        if found is None:
            return 0
        payload, left = found
        if payload[:1] == NOTED and not (yield from without_notes({raw: payload})):
            return 0
        return None if math.isinf(left) else math.ceil(left)


def _seconds_until(when: datetime | float) -> float:
    if isinstance(when, datetime):
        return when.timestamp() - time.time()
    if isinstance(when, bool) or not isinstance(when, int | float) or not math.isfinite(when):
        raise ConfigError(f"when must be a datetime or a Unix time in seconds, not {when!r}")
    return when - time.time()
