"""Floor 4: server-side sessions, free of any framework."""

from kt_cache.sessions.copies import Copies
from kt_cache.sessions.lifetimes import Lifetime
from kt_cache.sessions.options import SESSION_OPTIONS, SessionOptions
from kt_cache.sessions.origin import Loaded, Origin
from kt_cache.sessions.outage import note_dropped_write, note_refused_request
from kt_cache.sessions.store import SessionStore
from kt_cache.sessions.user_index import Owned, UserSession
from kt_cache.sessions.users import UserSessions

__all__ = [
    "SESSION_OPTIONS",
    "Copies",
    "Lifetime",
    "Loaded",
    "Origin",
    "Owned",
    "SessionOptions",
    "SessionStore",
    "UserSession",
    "UserSessions",
    "note_dropped_write",
    "note_refused_request",
]
