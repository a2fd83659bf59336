"""How sessions are saved and renewed, and what happens without their store: the options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kt_cache.cache.options import check_options, nearest
from kt_cache.errors import ConfigError, KTError, NoSuchDatabase

__all__ = [
    "ADDRESS",
    "AGENT",
    "ERROR",
    "LAST_WRITE",
    "MERGE",
    "MODES",
    "NOTES",
    "ON_FAILURE",
    "RAISE",
    "READ_ONLY",
    "SESSION_OPTIONS",
    "SessionOptions",
]

MERGE, LAST_WRITE, ERROR = MODES = ("merge", "last-write", "error")
RAISE, READ_ONLY = ON_FAILURE = ("raise", "read-only")
ADDRESS, AGENT = NOTES = ("address", "agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Options of a :class:`~kt_cache.sessions.SessionStore`.

    :param mode: what a save does that finds the session changed by others since it was loaded.
        ``merge`` keeps what either side changed, and of a top-level key that both changed the
        value saved last; ``error`` does the same, but raises
        :class:`~kt_cache.errors.SessionConflict` if both changed one key, even to the same value;
        ``last-write`` replaces the whole session.
    :param touch_after: part of its lifetime after which a session that is used without being
        changed gets its whole lifetime anew; from 0, at every use, to below 1.
    :param on_failure: ``raise`` to raise :class:`~kt_cache.errors.SessionUnavailable` if the store
        fails; ``read-only`` to go on with an empty session instead, of which nothing is stored.
    :param note_visitors: what is noted of the visitor at a login, for the list of the user's
        sessions: ``address``, ``agent`` (the browser by its own account), both, or nothing.
    :raises ConfigError: if one of them is not understood.
    """

    mode: str = MERGE
    touch_after: float = 0.1
    on_failure: str = RAISE
    note_visitors: Collection[str] = ()

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, MODES)
        _check_choice("on_failure", self.on_failure, ON_FAILURE)
        notes = self.note_visitors
        if isinstance(notes, str) or not isinstance(notes, Collection):
            raise ConfigError(f"note_visitors: a list such as ['address', 'agent'], not {notes!r}")
        for note in notes:
            _check_choice("note_visitors", note, NOTES)
        object.__setattr__(self, "note_visitors", frozenset(notes))
        part = self.touch_after
        if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part < 1:
            raise ConfigError(
                f"touch_after must be a part of the lifetime, from 0 to below 1, not {part!r}"
            )

    def goes_on_after(self, error: KTError) -> bool:
        """Tell whether a request goes on without its session after a failure of the store.

        A database that is not there is a mistake in the settings, and does not come back.
        """
        return self.on_failure == READ_ONLY and not isinstance(error, NoSuchDatabase)

    @classmethod
    def read(cls, given: Any) -> SessionOptions:
        """Return the options in a setting's mapping.

        :raises ConfigError: if it is not a mapping, has a name that nobody knows, or a value that
            is not understood; the message names the nearest right one.
        """
        if not isinstance(given, Mapping):
            raise ConfigError(f"session options are a dictionary, not {given!r}")
        check_options(given, SESSION_OPTIONS)
        return cls(**given)


SESSION_OPTIONS = frozenset(field.name for field in fields(SessionOptions))
"""Names of the options."""


def _check_choice(option: str, given: object, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise ConfigError(f"{option}: unknown choice {given!r}; {nearest(given, choices)}")
