"""Changes that depend on the value there is: pop, replace, moving to another version."""

from __future__ import annotations

import math
from typing import Any

from kt_cache.cache.base import MISSING, CacheBase, is_over
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.tolerant import strict

__all__ = ["ChangeMethods"]


class ChangeMethods(CacheBase):
    """The calls of a cache that change a value if there is one.

    All but pop raise in any case if the store fails: their callers go by the answer.
    """

    def pop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Remove a value and return it, or ``default`` if there is none.

        Atomic: of many who pop a value at once one gets it.
        """
        payload = self.store.pop(self.make_key(key, version))
        return default if payload is None else self._decode(key, payload, default)

    async def apop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See :meth:`pop`."""
        payload = await self.store.apop(self.make_key(key, version))
        return default if payload is None else self._decode(key, payload, default)

    def replace(
        self, key: Any, value: Any, timeout: float | None, version: int | None = None
    ) -> bool:
        """Store a value only if there is one; a removed one is never brought back.

        :return: whether there was one.
        :raises EncodeError: if the codec cannot encode the value; what was stored before stays.
        """
        return run(strict(self.store), self._replacing(key, value, timeout, version))

    async def areplace(
        self, key: Any, value: Any, timeout: float | None, version: int | None = None
    ) -> bool:
        """See :meth:`replace`."""
        return await arun(strict(self.store), self._replacing(key, value, timeout, version))

    def move_version(self, key: Any, delta: int, version: int | None = None) -> int | None:
        """Move a value to another version, with the time it has left.

        It is stored there first and removed here then, so whoever reads finds it under one of the
        two. What others store here meanwhile may be removed with it.

        :param delta: what to add to the version.
        :return: the new version, or ``None`` if there is no value.
        """
        return run(strict(self.store), self._moving(key, delta, version))

    async def amove_version(self, key: Any, delta: int, version: int | None = None) -> int | None:
        """See :meth:`move_version`."""
        return await arun(strict(self.store), self._moving(key, delta, version))

    # ------------------------------------------------------------ in steps

    def _replacing(
        self, key: Any, value: Any, timeout: float | None, version: int | None
    ) -> Steps[bool]:
        payload = self.codec.encode(value)
        raw = self.make_key(key, version)
        # The engine alone would replace what is past its time, as long as it holds it.
        if (yield Ask("get", raw)) is None:
            return False
        if is_over(timeout):
            return bool((yield Ask("remove", raw)))
        return bool((yield Ask("replace", raw, payload, timeout)))

    def _moving(self, key: Any, delta: int, version: int | None) -> Steps[int | None]:
        current = self.version if version is None else version
        old, new = self.make_key(key, current), self.make_key(key, current + delta)
        found = yield Ask("get_with_ttl", old)
        if found is None:
            return None
        payload, left = found
        value = self._decode(key, payload, MISSING)
        if value is MISSING:
            return None
        if new != old:
            timeout = None if math.isinf(left) else left
            yield Ask("set", new, self.codec.encode(value), timeout)
            yield Ask("remove", old)
        return current + delta
