"""Which keys there are: listing them, and removing many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from kt_cache.cache.base import MISSING, PROTECTED_PREFIXES, CacheBase, default_key
from kt_cache.cache.generations import without_notes
from kt_cache.cache.patterns import Pattern, quote
from kt_cache.cache.steps import Ask, Steps, arun, run
from kt_cache.cache.tolerant import strict
from kt_cache.errors import ConfigError
from kt_cache.serializers import encode_key

__all__ = ["ITERSIZE", "KeyMethods"]

ITERSIZE = 1000
"""Keys asked for, and removed, per request where a call does not say how many."""

_LOOK = 100  # values read per request to see which keys have one


class KeyMethods(CacheBase):
    """The calls of a cache that are about many keys, of one prefix and one version.

    A pattern is one as in :mod:`kt_cache.cache.patterns`. It is held against keys as callers give
    them, without prefix and version; the text it begins with narrows what the engine is asked for.
    """

    def keys(self, pattern: str = "*", version: int | None = None) -> list[Any]:
        """Return the keys that have a value, in no particular order, as text.

        :raises ConfigError: if a key function of one's own makes keys that cannot be taken apart.
        """
        return run(self.store, self._all_keys(pattern, version))

    async def akeys(self, pattern: str = "*", version: int | None = None) -> list[Any]:
        """See :meth:`keys`."""
        return await arun(self.store, self._all_keys(pattern, version))

    def iter_keys(
        self, pattern: str = "*", *, version: int | None = None, itersize: int = ITERSIZE
    ) -> Iterator[Any]:
        """Yield the keys that have a value, while they are being listed.

        Nothing is held between two parts of the list. A key whose value comes or goes meanwhile
        may be missed or yielded; all others are yielded once.

        :param itersize: keys per request, if the engine can list a part of its keys.
        :raises ConfigError: as :meth:`keys`.
        """
        listing = self._listing(pattern, version, itersize)
        while (found := run(self.store, listing.next())) is not None:
            yield from run(self.store, _with_value(found))

    async def aiter_keys(
        self, pattern: str = "*", *, version: int | None = None, itersize: int = ITERSIZE
    ) -> AsyncIterator[Any]:
        """See :meth:`iter_keys`."""
        listing = self._listing(pattern, version, itersize)
        while (found := await arun(self.store, listing.next())) is not None:
            for key in await arun(self.store, _with_value(found)):
                yield key

    def delete_pattern(
        self, pattern: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """Remove the values whose keys a pattern matches.

        :param itersize: as for :meth:`iter_keys`, and values removed per request.
        :return: how many there were.
        :raises ConfigError: as :meth:`keys`.
        """
        return run(strict(self.store), _deleting(self._listing(pattern, version, itersize)))

    async def adelete_pattern(
        self, pattern: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """See :meth:`delete_pattern`."""
        return await arun(strict(self.store), _deleting(self._listing(pattern, version, itersize)))

    def delete_prefix(
        self, prefix: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """Remove the values whose keys begin with a text, which may hold any characters.

        Otherwise as :meth:`delete_pattern`.
        """
        return self.delete_pattern(f"{quote(prefix)}*", version, itersize=itersize)

    async def adelete_prefix(
        self, prefix: str, version: int | None = None, *, itersize: int = ITERSIZE
    ) -> int:
        """See :meth:`delete_prefix`."""
        return await self.adelete_pattern(f"{quote(prefix)}*", version, itersize=itersize)

    # ------------------------------------------------------------ what they share

    def _all_keys(self, pattern: str, version: int | None) -> Steps[list[Any]]:
        listing = self._listing(pattern, version, ITERSIZE)
        stored = yield Ask("keys", listing.prefix)
        return (yield from _with_value(listing.select(stored)))

    def _listing(self, pattern: str, version: int | None, itersize: int) -> _Listing:
        if not isinstance(pattern, str):
            raise ConfigError(f"pattern must be text, not {pattern!r}")
        if isinstance(itersize, bool) or not isinstance(itersize, int) or itersize < 1:
            raise ConfigError(f"itersize must be a whole number of at least 1, not {itersize!r}")
        wanted = Pattern(pattern)
        if version is None:
            version = self.version
        if self.key_function is default_key:
            start = default_key("", self.prefix, version)
            take_apart = _after(start)
            return _Listing(encode_key(start + wanted.literal), itersize, take_apart, wanted)
        if self.reverse_key is None:
            raise ConfigError(
                "keys made by a key function of one's own cannot be listed, as nothing says how to "
                "take them apart again; give its reverse too (REVERSE_KEY_FUNCTION in Django)"
            )
        return _Listing(b"", itersize, self._reversed(self.reverse_key, version), wanted)

    def _reversed(self, reverse_key: Callable[[str], Any], version: int) -> Callable[[str], Any]:
        """Return what makes a caller's key of a stored one, ``MISSING`` of one of others."""

        def take_apart(text: str) -> Any:
            try:
                key = reverse_key(text)
            except (ValueError, LookupError):
                return MISSING
            # Others' keys, and those of other versions, may look alike: only the way there tells.
            return key if self.key_function(key, self.prefix, version) == text else MISSING

        return take_apart


class _Listing:
    """Where a listing is, and which of the stored keys it is about.

    :param prefix: of the stored keys to ask for.
    :param size: most keys to ask for at once, and to hand out at once.
    :param take_apart: makes a caller's key of a stored one, ``MISSING`` of one of others.
    :param wanted: the pattern of callers' keys.
    """

    def __init__(
        self, prefix: bytes, size: int, take_apart: Callable[[str], Any], wanted: Pattern
    ) -> None:
        self.prefix = prefix
        self._size = size
        self._take_apart = take_apart
        self._matches = wanted.matches
        self._listed: Iterator[bytes] = iter(())
        self._after: bytes | None = None
        self._complete = False
        self._page_size = 0

    def next(self) -> Steps[dict[bytes, Any] | None]:
        """Return some more keys, stored -> caller's, which may be none; ``None`` at the end."""
        while True:
            part = list(islice(self._listed, self._size))
            if part:
                return self.select(part)
            if self._complete:
                return None
            listed, self._after = yield Ask("page", self.prefix, self._after, self._size)
            self._listed, self._complete = iter(listed), self._after is None
            self._page_size = len(listed)

    def removed(self, count: int) -> None:
        """Take note of how many of the keys handed out last were there and are removed now.

        If that was all the last page had, the rest begins at the front again, where an engine finds
        it faster than from a place in the middle on.
        """
        if count == self._page_size:
            self._after = None

    def select(self, stored: Iterable[bytes]) -> dict[bytes, Any]:
        """Return those that are wanted, stored -> caller's."""
        found = {}
        for raw in stored:
            if raw.startswith(PROTECTED_PREFIXES):
                continue
            try:
                key = self._take_apart(raw.decode())
            except UnicodeDecodeError:
                continue  # no key of this cache's is anything but text
            if key is not MISSING and self._matches(str(key)):
                found[raw] = key
        return found


def _after(start: str) -> Callable[[str], str]:
    length = len(start)
    return lambda text: text[length:]


def _with_value(found: dict[bytes, Any]) -> Steps[list[Any]]:
    """Return the callers' keys of records that count as values."""
    stored = iter(found)
    keys = []
    while part := list(islice(stored, _LOOK)):
        payloads = yield from without_notes((yield Ask("get_many", part)))
        keys += [found[raw] for raw in part if raw in payloads]
    return keys


def _deleting(listing: _Listing) -> Steps[int]:
    removed = 0
    while (found := (yield from listing.next())) is not None:
        if found:
            count = yield Ask("remove_many", list(found))
            listing.removed(count)
            removed += count
    return removed
