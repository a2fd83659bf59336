"""``get_or_set``: a value that is made when it is missing, by one caller and not by all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from kt_cache.cache.entries import Task
from kt_cache.cache.making import MakingMethods
from kt_cache.cache.patience import PatientStore
from kt_cache.cache.protection import make_protection
from kt_cache.cache.steps import arun, run
from kt_cache.cache.store import Store
from kt_cache.cache.wrapper import StoreWrapper

__all__ = ["StampedeMethods"]


class StampedeMethods(MakingMethods):
    """The part of the cache that makes values that are missing."""

    def get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """Return a value; if there is none, make it, store it and return it.

        With ``lock``, ``stale`` or ``beta`` one caller at a time calls the function, wherever they
        are, and the others wait for the value. If it raises, the next one calls it at once, unless
        there is an old value: all get that then, for the time of ``lock``. If the
        caller dies, when its time is over. Nobody waits longer than twice that time and 4 seconds;
        whoever has waited that long calls the function, too. While the server's failures are
        ignored and it fails, everybody calls it.

        The value is what is stored, decoded anew, also for the caller who made it.

        :param default: the value, or a function that makes it; for the a-method also a coroutine
            function.
        :param lock: seconds that the one who calls the function has; ``True`` for 30.
        :param stale: seconds for which the value is kept beyond its timeout. Meanwhile one caller
            makes it anew and the others get the old one, without waiting.
        :param beta: also make it anew before its timeout, by chance, the earlier the longer the
            making takes; 1.0 is a good value, more is earlier.
        :param tags: of the value. What is deleted while the function runs is deleted.
        :raises ConfigError: if an option is not understood.
        :raises EncodeError: if the codec cannot encode the value.
        """
        protection = make_protection(lock, stale, beta)
        raw, tag_keys = self._stored_names(key, version, tags)
        if tag_keys:
            found = self.store.get_many((raw, *tag_keys))
            payload = found.get(raw)
        else:
            found, payload = {}, self.store.get(raw)
        entry = self._known_entry(raw, payload, tag_keys, found)
        if entry is not None and not self._must_make(entry, protection):
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(raw, leader, default, timeout, tag_keys, protection)
        steps = self._getting_or_setting(task, payload, found, entry)
        return run(self._patient_store(task), steps)

    async def aget_or_set(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        lock: float | bool | None = None,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """See :meth:`get_or_set`."""
        protection = make_protection(lock, stale, beta)
        raw, tag_keys = self._stored_names(key, version, tags)
        if tag_keys:
            found = await self.store.aget_many((raw, *tag_keys))
            payload = found.get(raw)
        else:
            found, payload = {}, await self.store.aget(raw)
        entry = self._known_entry(raw, payload, tag_keys, found)
        if entry is not None and not self._must_make(entry, protection):
            return entry.value
        leader = self._key_beside("leader", key, version)
        task = Task(raw, leader, default, timeout, tag_keys, protection, is_on_loop=True)
        steps = self._getting_or_setting(task, payload, found, entry)
        return await arun(self._patient_store(task), steps)

    def renew(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """Make a value, whether there is one or not, store it and return it.

        The options are those of :meth:`get_or_set`; it waits for nobody.

        :raises ConfigError: if an option is not understood.
        :raises EncodeError: if the codec cannot encode the value.
        """
        raw, tag_keys = self._stored_names(key, version, tags)
        protection = make_protection(None, stale, beta)
        task = Task(raw, b"", default, timeout, tag_keys, protection)
        return run(self.store, self._making_anew(task))

    async def arenew(
        self,
        key: Any,
        default: Any,
        timeout: float | None,
        version: int | None = None,
        *,
        stale: float | None = None,
        beta: float | None = None,
        tags: Iterable[str] | None = None,
    ) -> Any:
        """See :meth:`renew`."""
        raw, tag_keys = self._stored_names(key, version, tags)
        protection = make_protection(None, stale, beta)
        task = Task(raw, b"", default, timeout, tag_keys, protection)
        return await arun(self.store, self._making_anew(task))

    def discard(self, key: Any, version: int | None = None) -> bool:
        """Remove a value, and also one that :meth:`get_or_set` is making: it is not kept.

        That is one made under ``lock``, ``stale`` or ``beta`` by whose turn it is. Its caller gets
        it, everybody else makes it anew. One round trip.

        :return: whether there was one, or one was being made.
        """
        return bool(self.store.remove_many(self._made_under(key, version)))

    async def adiscard(self, key: Any, version: int | None = None) -> bool:
        """See :meth:`discard`."""
        return bool(await self.store.aremove_many(self._made_under(key, version)))

    def _made_under(self, key: Any, version: int | None) -> tuple[bytes, bytes]:
        """Return the keys of a value and of the record that says who is making it.

        They are removed together: whoever makes it stores it first and gives up the turn then.
        """
        return self.make_key(key, version), self._key_beside("leader", key, version)

    def _stored_names(
        self, key: Any, version: int | None, tags: Iterable[str] | None
    ) -> tuple[bytes, Collection[bytes]]:
        """Return the stored keys of a value and of its tags."""
        return self.make_key(key, version), self._tag_keys(tags, version) if tags else ()

    def _patient_store(self, task: Task) -> Store:
        """Return the store with which many callers of one protected value take turns."""
        store = self.store
        if (
            task.protection is None
            or not self._ignores_errors
            or not isinstance(store, StoreWrapper)
        ):
            return store
        # A claim that finds no connection is nothing to wait for if there is an old value.
        return PatientStore(store, task.protection.patience, ("add", task.leader))
