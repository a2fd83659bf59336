"""What the tests of the session engine share."""

from __future__ import annotations

import time

from django.core.cache import caches

from kt_cache.django import KyotoTycoonCache
from kt_cache.django.sessions import SessionStore
from kt_cache.sessions import SessionStore as Records
from kt_cache.sessions import UserSessions

TWO_WEEKS = 1_209_600


def without_index(engine, dead_port):
    """Return an engine's class with the users' indexes on a server that is gone."""

    class WithoutIndex(engine):
        @property
        def users(self):
            gone = KyotoTycoonCache(f"127.0.0.1:{dead_port}", {})
            return UserSessions(
                Records(gone.store, gone.codec), realm="django", lifetime_of=lambda _: None
            )

    WithoutIndex.__qualname__ = engine.__qualname__  # rows are signed for the class's name
    return WithoutIndex


def made(**data):
    """Return the id of a stored session."""
    session = SessionStore()
    session.update(data)
    session.save()
    return session.session_key


def ends(session_key):
    """Return in how many seconds the server ends a session, or ``None``."""
    when = caches["default"].client.expire_time(Records.record_key(session_key))
    return None if when is None else when - time.time()
