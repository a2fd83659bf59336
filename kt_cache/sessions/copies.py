"""A second place where sessions are kept, such as a database: what it must be able to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol

__all__ = ["Copies"]


class Copies(Protocol):
    """Copies of sessions, from which a record that the store has lost is put back.

    So a session is live as long as either is there, and to end it the copy has to go first: while
    there is one, somebody may put the record back. Whoever does that looks for the copy once more
    behind it.
    """

    failures: ClassVar[tuple[type[Exception], ...]]
    """What the methods, and whatever else writes copies, raise if the second place fails."""

    def find(self, session_ids: Collection[str]) -> Mapping[str, tuple[dict[str, Any], float]]:
        """Return the data of those sessions that have a copy, and the seconds they have left."""

    async def afind(
        self, session_ids: Collection[str]
    ) -> Mapping[str, tuple[dict[str, Any], float]]:
        """See :meth:`find`."""

    def remove(self, session_ids: Collection[str]) -> Collection[str]:
        """Remove copies; return the ids of those that were not over."""

    async def aremove(self, session_ids: Collection[str]) -> Collection[str]:
        """See :meth:`remove`."""
