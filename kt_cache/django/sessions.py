"""The engine for Django's ``SESSION_ENGINE`` setting: ``"kt_cache.django.sessions"``.

Sessions live on the server of the cache named by ``SESSION_CACHE_ALIAS``, in records of their own
that ``cache.clear()`` does not touch. Their data is stored by ``SESSION_SERIALIZER`` (JSON), and
compressed and signed as that cache's values are.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import (
    VALID_KEY_CHARS,
    CreateError,
    SessionBase,
    UpdateError,
)
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import get_random_string

from kt_cache.django.cache import KyotoTycoonCache
from kt_cache.errors import DecodeError
from kt_cache.serializers import Serializer
from kt_cache.sessions import SessionStore as Records

__all__ = ["SessionStore"]


class SessionStore(SessionBase):
    """A session in a Kyoto Tycoon server.

    Unlike Django's cache engine, a failing server raises instead of logging everybody out, and
    saving a session that was deleted meanwhile never revives it (``UpdateError``).
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        cache = caches[settings.SESSION_CACHE_ALIAS]
        if not isinstance(cache, KyotoTycoonCache):
            raise ImproperlyConfigured(
                f"kt_cache.django.sessions needs a kt_cache.django.KyotoTycoonCache; the cache "
                f"{settings.SESSION_CACHE_ALIAS!r} (SESSION_CACHE_ALIAS) is not one"
            )
        self._records = Records(
            cache.store, cache.codec.with_serializer(_serializer(self.serializer))
        )

    def load(self) -> dict[str, Any]:
        """Return the session's data; with an unknown id, none and a new id on saving."""
        data = self._records.load(self._session_key) if self._session_key else None
        if data is None:
            self._session_key = None
            return {}
        return data

    def create(self) -> None:
        """Store a new, empty session under a new id."""
        while True:
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def _get_new_session_key(self) -> str:
        """Return a new id; that nobody has it is found out by storing the record, atomically."""
        return get_random_string(32, VALID_KEY_CHARS)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    def save(self, must_create: bool = False) -> None:
        """Store the session.

        :raises CreateError: with ``must_create``, if the id is taken.
        :raises UpdateError: without, if the session was deleted meanwhile.
        """
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        if self.session_key is None:  # loading it for this call found that it is gone
            raise UpdateError
        lifetime = self.get_expiry_age()
        if must_create:
            if not self._records.create(self.session_key, data, lifetime):
                raise CreateError
        elif not self._records.save(self.session_key, data, lifetime):
            raise UpdateError

    def exists(self, session_key: str | None) -> bool:
        """Tell whether there is a session of that id."""
        return bool(session_key) and self._records.exists(str(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """End a session, this one by default."""
        session_id = self.session_key if session_key is None else session_key
        if session_id is not None:
            self._records.delete(session_id)

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: the server ends expired sessions by itself."""


def _serializer(kind: type[Any]) -> Serializer:
    """Wrap a Django session serializer; what cannot be decoded is a missing session."""
    serializer = kind()

    def decode(data: bytes) -> Any:
        try:
            return serializer.loads(data)
        except Exception as error:
            raise DecodeError(f"not what {kind.__name__} writes") from error

    return Serializer(f"{kind.__module__}.{kind.__qualname__}", serializer.dumps, decode)
