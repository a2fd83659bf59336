"""Changes that depend on the value there is: pop, replace, moving to another version."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from kt_cache.cache.base import MISSING, is_over
from kt_cache.cache.generations import those_that_count, without_notes
from kt_cache.cache.notes import NOTED, attach
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.tags import TagMethods
from kt_cache.cache.tolerant import strict

__all__ = ["ChangeMethods"]


class ChangeMethods(TagMethods):
    """The calls of a cache that change a value if there is one.

    All but pop raise in any case if the store fails: their callers go by the answer.
    """

    def pop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Remove a value and return it, or ``default`` if there is none.

        Atomic: of many who pop a value at once one gets it.
        """
        raw = self.make_key(key, version)
        payload = self.store.pop(raw)
        if payload is not None and payload[:1] == NOTED:
            payload = run(self.store, without_notes({raw: payload})).get(raw)
        return default if payload is None else self._decode(raw, payload, default)

    async def apop(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See :meth:`pop`."""
        raw = self.make_key(key, version)
        payload = await self.store.apop(raw)
        if payload is not None and payload[:1] == NOTED:
            payload = (await arun(self.store, without_notes({raw: payload}))).get(raw)
        return default if payload is None else self._decode(raw, payload, default)

    def replace(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """Store a value only if there is one; a removed one is never brought back.

        :param tags: of the new value.
        :return: whether there was one.
        :raises EncodeError: if the codec cannot encode the value; what was stored before stays.
        """
        return run(strict(self.store), self._replacing(key, value, timeout, version, tags))

    async def areplace(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """See :meth:`replace`."""
        return await arun(strict(self.store), self._replacing(key, value, timeout, version, tags))

    def move_version(self, key: Any, delta: int, version: int | None = None) -> int | None:
        """Move a value to another version, with the time it has left.

        It is stored there first and removed here then, so whoever reads finds it under one of the
        two. What others store here meanwhile may be removed with it. Its tags stay those of the
        version it comes from.

        :param delta: what to add to the version.
        :return: the new version, or ``None`` if there is no value.
        """
        return run(strict(self.store), self._moving(key, delta, version))

    async def amove_version(self, key: Any, delta: int, version: int | None = None) -> int | None:
        """See :meth:`move_version`."""
        return await arun(strict(self.store), self._moving(key, delta, version))

    # ------------------------------------------------------------ in steps

    def _replacing(
        self,
        key: Any,
        value: Any,
        timeout: float | None,
        version: int | None,
        tags: Iterable[str] | None,
    ) -> Steps[bool]:
        raw = self.make_key(key, version)
        payload = self.codec.encode(value, raw)
        # The engine alone would replace what is past its time, as long as it holds it.
        found = yield Ask("get", raw)
        if found is None or not (yield from without_notes({raw: found})):
            return False
        if is_over(timeout):
            return bool((yield Ask("remove", raw)))
        if tags:
            payload = yield from self._tagging(payload, tags, timeout, version)
        return bool((yield Ask("replace", raw, payload, timeout)))

    def _moving(self, key: Any, delta: int, version: int | None) -> Steps[int | None]:
        current = self.version if version is None else version
        old, new = self.make_key(key, current), self.make_key(key, current + delta)
        found = yield Ask("get_with_ttl", old)
        if found is None:
            return None
        payload, left = found
        notes = None
        if payload[:1] == NOTED:
            counted = (yield from those_that_count({old: payload})).get(old)
            if counted is None:
                return None
            payload, notes = counted
        value = self._decode(old, payload, MISSING)
        if value is MISSING:
            return None
        if new != old:
            timeout = None if math.isinf(left) else left
            payload = self.codec.encode(value, new)
            if notes is not None:
                payload = attach(payload, notes)
            yield Ask("set", new, payload, timeout)
            yield Ask("remove", old)
        return current + delta
