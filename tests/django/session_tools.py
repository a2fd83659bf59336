"""What the tests of the session engine share."""

from __future__ import annotations

import time

from django.core.cache import caches

from kt_cache.django.sessions import SessionStore
from kt_cache.sessions import SessionStore as Records

TWO_WEEKS = 1_209_600


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
