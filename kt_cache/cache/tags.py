"""Tags: names that many values can have, and by which all of them are deleted in one go.

Each tag has a record with a random *generation*. A value notes the generations of its tags when it
is stored, and counts as missing unless all of them are the present ones. Deleting a tag gives it a
new generation; the values stay where they are until their time is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Any

from kt_cache.cache.base import CacheBase
from kt_cache.cache.generations import make_record, random_generation, read_record, those_that_count
from kt_cache.cache.notes import NOTED, Notes, Tags, attach
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.tolerant import strict
from kt_cache.errors import ConfigError, KTError

__all__ = ["TagMethods"]

# A tag outlives the values that have it. It is kept for twice the timeout, so that it is not
# written anew with every value, and for a day at least, for values whose time is prolonged.
_SPARE = 2
_AT_LEAST = 86_400.0
_ATTEMPTS = 20


class TagMethods(CacheBase):
    """The part of the cache that knows of tags."""

    def delete_tag(self, tag: str, version: int | None = None) -> None:
        """Delete all values that have a tag. One round trip, however many there are.

        :param version: of the values.
        :raises TransportError: if the server does not answer. Nothing is ignored here.
        """
        run(strict(self.store), self._deleting_tags([tag], version))

    async def adelete_tag(self, tag: str, version: int | None = None) -> None:
        """See :meth:`delete_tag`."""
        await arun(strict(self.store), self._deleting_tags([tag], version))

    def delete_tags(self, tags: Iterable[str], version: int | None = None) -> None:
        """Delete all values that have one of these tags. One round trip.

        :param version: of the values.
        :raises TransportError: as :meth:`delete_tag`.
        """
        run(strict(self.store), self._deleting_tags(tags, version))

    async def adelete_tags(self, tags: Iterable[str], version: int | None = None) -> None:
        """See :meth:`delete_tags`."""
        await arun(strict(self.store), self._deleting_tags(tags, version))

    # ------------------------------------------------------------ in steps

    def _deleting_tags(self, tags: Iterable[str], version: int | None) -> Steps[None]:
        kept_until = self._clock() + _AT_LEAST
        records = {
            key: make_record(kept_until, random_generation())
            for key in self._tag_keys(tags, version)
        }
        yield Ask("set_many", records, _AT_LEAST)

    def _tagging(
        self, payload: bytes, tags: Iterable[str], timeout: float | None, version: int | None
    ) -> Steps[bytes]:
        """Return a payload with its tags' generations beside it."""
        keys = self._tag_keys(tags, version)
        return attach(payload, Notes(tags=(yield from self._generations(keys, timeout))))

    def _tagging_many(
        self,
        payloads: Mapping[bytes, bytes],
        tags: Iterable[str],
        timeout: float | None,
        version: int | None,
    ) -> Steps[dict[bytes, bytes]]:
        """Return payloads that all have the same tags."""
        keys = self._tag_keys(tags, version)
        notes = Notes(tags=(yield from self._generations(keys, timeout)))
        return {key: attach(payload, notes) for key, payload in payloads.items()}

    def _adding_tagged(
        self,
        key: bytes,
        payload: bytes,
        tags: Iterable[str],
        timeout: float | None,
        version: int | None,
    ) -> Steps[bool]:
        """Store a payload unless there is one whose tags were not deleted."""
        payload = yield from self._tagging(payload, tags, timeout, version)
        if (yield Ask("add", key, payload, timeout)):
            return True
        found = yield Ask("get", key)
        if found is None:
            added: bool = yield Ask("add", key, payload, timeout)
            return added
        if found[:1] != NOTED or (yield from those_that_count({key: found})):
            return False
        replaced: bool = yield Ask("swap", key, found, payload, timeout)
        return replaced

    def _generations(
        self,
        keys: Collection[bytes],
        timeout: float | None,
        records: Mapping[bytes, bytes] | None = None,
    ) -> Steps[Tags]:
        """Return the present generations, of records that outlive a value stored now.

        :param keys: of the tags' records.
        :param timeout: of the value.
        :param records: what was found under these keys, if they were read already.
        """
        found: dict[bytes, bytes] = {}
        try:
            for _ in range(_ATTEMPTS):
                missing = [key for key in keys if key not in found]
                if not missing:
                    break
                if records is None:
                    records = yield Ask("get_many", missing)
                found.update((yield from self._renewing(missing, timeout, records or {})))
                records = None
        except KTError as error:
            if not self._ignores(error):
                raise
        # A tag that cannot be asked for, or is deleted over and over, gets a generation of which
        # nobody else knows: the value counts as deleted, too.
        return tuple((key, found.get(key) or random_generation()) for key in keys)

    def _renewing(
        self, keys: Collection[bytes], timeout: float | None, records: Mapping[bytes, bytes]
    ) -> Steps[dict[bytes, bytes]]:
        """Return the generations of those tags that nobody else changed in the meantime."""
        now = self._clock()
        ttl = None if timeout is None else max(_SPARE * timeout, _AT_LEAST)
        kept_until = inf if ttl is None else now + ttl
        needed_until = inf if timeout is None else now + timeout
        found = {}
        for key in keys:
            old = records.get(key)
            generation, until = (random_generation(), 0.0) if old is None else read_record(old)
            if until < needed_until:
                new = make_record(kept_until, generation)
                call = Ask("add", key, new, ttl) if old is None else Ask("swap", key, old, new, ttl)
                if not (yield call):
                    continue
            found[key] = generation
        return found

    def _tag_keys(self, tags: Iterable[str], version: int | None) -> list[bytes]:
        if isinstance(tags, str):
            raise ConfigError(f"tags must be a list of names, such as [{tags!r}]")
        return list(dict.fromkeys(self._key_beside("tag", _single(tag), version) for tag in tags))


def _single(tag: Any) -> Any:
    """Return a tag; of several in its place the text would be a tag that no value has."""
    if type(tag) is not str and isinstance(tag, Iterable) and not isinstance(tag, str | bytes):
        raise ConfigError(
            f"a tag must be a name, not a {type(tag).__name__}; delete_tags(tags) is for several"
        )
    return tag
