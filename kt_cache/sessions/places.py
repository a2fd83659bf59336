"""Where a user's sessions are: each in its record, and perhaps in a copy, too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from kt_cache.cache.steps import Ask, Steps
from kt_cache.errors import DecodeError
from kt_cache.sessions.copies import Copies
from kt_cache.sessions.store import SessionStore
from kt_cache.sessions.user_index import Digest, Entries, digest_of, record_of

__all__ = ["Places", "Stored"]

Stored: TypeAlias = "tuple[dict[str, Any], float]"
"""A session's data, and the seconds it has left."""


class Places:
    """Looks for sessions of an index, and removes them.

    :param sessions: where the records are.
    :param copies: where the copies are, if there are any.
    """

    def __init__(self, sessions: SessionStore, copies: Copies | None) -> None:
        self._sessions = sessions
        self._copies = copies

    def noted_id(self, session_id: str) -> str | None:
        """Return what the index is to hold of a session's id."""
        return None if self._copies is None else session_id

    def has(self, session_id: str) -> Steps[bool]:
        """Tell whether a session is stored anywhere."""
        if (yield Ask("get", self._sessions.record_key(session_id))) is not None:
            return True
        if self._copies is None:
            return False
        return session_id in (yield Ask("find", [session_id], of=self._copies))

    def present(self, entries: Entries) -> Steps[set[Digest]]:
        """Return those sessions that are stored anywhere."""
        found: Collection[bytes] = yield Ask("get_many", [record_of(digest) for digest in entries])
        present = {digest_of(record) for record in found}
        copied = yield from self._copied(entries, present)
        return present | copied.keys()

    def read(self, entries: Entries) -> Steps[tuple[dict[Digest, Stored], set[Digest]]]:
        """Return what can be read of sessions, and those that are stored anywhere."""
        found: Mapping[bytes, tuple[bytes, float]] = yield Ask(
            "get_many_with_ttl", [record_of(digest) for digest in entries]
        )
        readable = dict(self._readable(found))
        readable |= yield from self._copied(entries, readable)
        return readable, readable.keys() | {digest_of(record) for record in found}

    def remove(self, doomed: Entries) -> Steps[int]:
        """Remove sessions from everywhere, copies first; how many there were."""
        ids = _by_id(doomed)
        copied: Collection[Digest] = ()
        if self._copies is not None and ids:
            removed: Collection[str] = yield Ask("remove", list(ids), of=self._copies)
            copied = [ids[session_id] for session_id in removed]
        if copied:
            yield Ask("remove_many", [record_of(digest) for digest in copied])
        others = [record_of(digest) for digest in doomed if digest not in copied]
        count: int = (yield Ask("remove_many", others)) if others else 0
        return count + len(copied)

    def _copied(self, entries: Entries, known: Collection[Digest]) -> Steps[dict[Digest, Stored]]:
        """Return the copies of sessions that nothing is known of yet."""
        ids = _by_id({digest: entries[digest] for digest in entries if digest not in known})
        if self._copies is None or not ids:
            return {}
        copies: Mapping[str, Stored] = yield Ask("find", list(ids), of=self._copies)
        return {ids[session_id]: stored for session_id, stored in copies.items()}

    def _readable(
        self, found: Mapping[bytes, tuple[bytes, float]]
    ) -> Iterator[tuple[Digest, Stored]]:
        for record, (payload, left) in found.items():
            try:
                data = self._sessions.codec.decode(payload, record)
            except DecodeError:
                continue  # its owner cannot use it either
            if isinstance(data, dict):
                yield digest_of(record), (data, left)


def _by_id(entries: Entries) -> dict[str, Digest]:
    return {
        entry.session_id: digest
        for digest, entry in entries.items()
        if entry.session_id is not None
    }
