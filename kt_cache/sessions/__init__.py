"""Floor 4: server-side sessions, free of any framework."""

from kt_cache.sessions.store import SessionStore

__all__ = ["SessionStore"]
