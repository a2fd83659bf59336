"""Session records in a store."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from kt_cache.cache.base import PROTECTED_PREFIX
from kt_cache.cache.codec import Codec
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict
from kt_cache.errors import DecodeError

__all__ = ["SessionStore"]

logger = logging.getLogger("kt_cache.sessions")


class SessionStore:
    """Keeps one record per session: a mapping of JSON-like values.

    A record's key is a SHA-256 of the session id under a prefix that no ``clear()`` touches, so
    an id can be read from no listing, log or error. A failure of the store raises, also if the
    cache on the same store ignores it: it never looks like an empty session.

    :param store: where the records are.
    :param codec: how a session's data becomes a payload.
    """

    def __init__(self, store: Store, codec: Codec) -> None:
        self.store = strict(store)
        self.codec = codec

    @staticmethod
    def record_key(session_id: str) -> bytes:
        """Return the key of a session's record."""
        digest = hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
        return PROTECTED_PREFIX + digest.encode()

    def load(self, session_id: str) -> dict[str, Any] | None:
        """Return a session's data, or ``None`` if there is no such session."""
        key = self.record_key(session_id)
        payload = self.store.get(key)
        if payload is None:
            return None
        try:
            data = self.codec.decode(payload, key)
        except DecodeError as error:
            logger.warning("an unreadable session counts as missing: %s", error.message)
            return None
        if not isinstance(data, dict):
            logger.warning("a session that is not a mapping counts as missing")
            return None
        return data

    def exists(self, session_id: str) -> bool:
        """Tell whether there is such a session."""
        return self.store.get(self.record_key(session_id)) is not None

    def create(self, session_id: str, data: dict[str, Any], lifetime: float) -> bool:
        """Store a new session, atomically.

        :param lifetime: seconds; zero and below stores nothing.
        :return: ``False`` if the id is taken.
        """
        key = self.record_key(session_id)
        payload = self.codec.encode(data, key)
        if lifetime <= 0:
            return self.store.get(key) is None
        return self.store.add(key, payload, lifetime)

    def save(self, session_id: str, data: dict[str, Any], lifetime: float) -> bool:
        """Store the data of an existing session; never revives a deleted one.

        :param lifetime: seconds from now; zero and below ends the session.
        :return: ``False`` if there is no such session any more.
        """
        key = self.record_key(session_id)
        payload = self.codec.encode(data, key)
        if lifetime <= 0:
            return bool(self.store.remove(key))
        return self.store.replace(key, payload, lifetime)

    def touch(self, session_id: str, lifetime: float) -> bool:
        """Give a session a new lifetime and leave its data alone.

        :param lifetime: seconds from now; zero and below ends the session.
        :return: ``False`` if there is no such session any more.
        """
        key = self.record_key(session_id)
        if lifetime <= 0:
            return bool(self.store.remove(key))
        return self.store.touch(key, lifetime)

    def delete(self, session_id: str) -> bool:
        """End a session.

        :return: whether there was one.
        """
        return bool(self.store.remove(self.record_key(session_id)))
