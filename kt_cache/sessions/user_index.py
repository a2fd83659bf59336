"""The record that says which sessions a user has: what is in it, and its bytes.

It holds no session's id, only the digest under which the session is stored, from which nobody can
make the cookie. Only where sessions have copies (:mod:`kt_cache.sessions.copies`) the id is beside
it, as the copies are found by nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass, field
from datetime import datetime, timezone
from math import floor
from typing import Any, TypeAlias

from kt_cache.cache.base import PROTECTED_PREFIX, USER_PREFIX
from kt_cache.cache.codec import Codec
from kt_cache.errors import ConfigError, DecodeError
from kt_cache.serializers import KT_MSGPACK

__all__ = [
    "Digest",
    "Entries",
    "Entry",
    "Owned",
    "UserIndexFormat",
    "UserSession",
    "digest_of",
    "handle_of",
    "new_entry",
    "record_of",
    "shown",
]

Digest: TypeAlias = bytes
"""What a session's record has as its key, without the prefix that all of them have."""

_HANDLE_DIGITS = 16
_LONGEST_ADDRESS = 64  # characters; an IPv6 address with its zone is shorter
_LONGEST_AGENT = 200
_FIELDS = 6  # of an entry
# Seconds. A time that is told by what a session has left differs a little each time it is asked
# for. Often it is a whole second, which is not to become the one before.
_INACCURACY = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One session of a user.

    :param created: Unix time of the login.
    :param noted: Unix time when the entry was made; later than ``created`` if the session has
        changed its id since.
    :param address: where the visitor came from, if that is noted at all.
    :param agent: the browser by its own account, likewise.
    :param ended: whether somebody has ended the session and is removing its record.
    :param session_id: by which a copy of the session is found, where there are copies.
    """

    created: float
    noted: float
    address: str | None = None
    agent: str | None = None
    ended: bool = False
    session_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Owned:
    """Which session is whose.

    :param user: the user's id.
    :param session_id: the session's.
    """

    user: str
    session_id: str = field(repr=False)


Entries: TypeAlias = "dict[Digest, Entry]"


@dataclass(frozen=True)
class UserSession:
    """A session as its user may see it. It holds neither the session's id nor its data.

    :param handle: by which this one session can be ended; 16 hexadecimal digits.
    :param created: when the user logged in, in UTC.
    :param last_seen: when the session was stored or prolonged for the last time, in UTC. Visits
        that did neither are not noted anywhere. In whole seconds, unless it is the login.
    :param address: from where the user logged in, if the site notes that.
    :param agent: with which browser, by its own account, if the site notes that.
    :param current: whether it is the one of the caller.
    """

    handle: str
    created: datetime
    last_seen: datetime
    address: str | None = None
    agent: str | None = None
    current: bool = False


def new_entry(now: float, address: str | None, agent: str | None) -> Entry:
    """Return the entry of a session that begins now; texts too long for it are cut.

    They come from the visitor, and may be shown in a terminal: nothing in them can control that.
    """
    return Entry(
        now,
        now,
        _plain(address, _LONGEST_ADDRESS),
        _plain(agent, _LONGEST_AGENT),
    )


def _plain(text: str | None, longest: int) -> str | None:
    if not text:
        return None
    return "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:longest]
    )


def digest_of(record_key: bytes) -> Digest:
    """Return the digest in the key of a session's record."""
    return record_key.removeprefix(PROTECTED_PREFIX)


def record_of(digest: Digest) -> bytes:
    """Return the key of a session's record."""
    return PROTECTED_PREFIX + digest


def handle_of(digest: Digest) -> str:
    """Return what a session is called on pages and in lists; useless as a cookie or as a key."""
    return hashlib.sha256(digest).hexdigest()[:_HANDLE_DIGITS]


def shown(digest: Digest, entry: Entry, last_seen: float, is_current: bool) -> UserSession:
    """Return what a user may see of a session."""
    seen = last_seen
    if last_seen != entry.created:
        seen = max(entry.created, floor(last_seen + _INACCURACY))
    return UserSession(
        handle_of(digest),
        datetime.fromtimestamp(entry.created, timezone.utc),
        datetime.fromtimestamp(seen, timezone.utc),
        entry.address,
        entry.agent,
        is_current,
    )


class UserIndexFormat:
    """Makes index records and reads them.

    :param codec: of the sessions; the records are compressed and signed as they are.
    :param realm: keeps users of different sites apart that have the same id.
    """

    def __init__(self, codec: Codec, realm: str) -> None:
        self._codec = codec.with_serializer(KT_MSGPACK)
        self._realm = realm

    def key_of(self, user: object) -> bytes:
        """Return the key of a user's record.

        :param user: the id; its text counts, so 7 and "7" are the same user.
        :raises ConfigError: if there is no id.
        """
        text = "" if user is None else str(user)
        if not text:
            raise ConfigError("whose sessions? A user that is not stored yet, or nobody, has none")
        name = f"{self._realm}\0{text}".encode("utf-8", "surrogatepass")
        return USER_PREFIX + hashlib.sha256(name).hexdigest().encode()

    def encode(self, entries: Entries, key: bytes) -> bytes:
        """Return the record."""
        return self._codec.encode({d: astuple(entry) for d, entry in entries.items()}, key)

    def decode(self, payload: bytes, key: bytes) -> Entries:
        """Return what a record says.

        :raises DecodeError: if it is broken, or not compressed or signed as configured.
        """
        try:
            return _checked(self._codec.decode(payload, key))
        except DecodeError as error:
            raise DecodeError(
                f"the list of a user's sessions cannot be read: {error.message}. If a signing key "
                "or a compressor was just taken out of the settings, bring it back until the "
                "sessions have been swept"
            ) from error


def _checked(found: Any) -> Entries:
    if not isinstance(found, dict):
        raise DecodeError("not a mapping")
    entries = {}
    for digest, fields in found.items():
        if not (isinstance(digest, bytes) and isinstance(fields, list) and len(fields) == _FIELDS):
            raise DecodeError("not a mapping of digests to entries")
        created, noted, address, agent, ended, session_id = fields
        if not (isinstance(created, float) and isinstance(noted, float)):
            raise DecodeError("an entry without its times")
        if not (isinstance(address, str | None) and isinstance(agent, str | None)):
            raise DecodeError("an entry whose address or agent is no text")
        if not isinstance(session_id, str | None):
            raise DecodeError("an entry whose session id is no text")
        if not isinstance(ended, bool):
            raise DecodeError("an entry that has neither ended nor not")
        entries[digest] = Entry(created, noted, address, agent, ended, session_id)
    return entries
