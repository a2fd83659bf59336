"""The rows of users' sessions in the table of Django's database engines, found and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore as Rows
from django.db import DatabaseError, router, transaction
from django.utils import timezone

from kt_cache.sessions import SessionStore as Records

__all__ = ["SessionRows"]

_BATCH = 500  # ids that a statement names; some databases have a limit


class SessionRows:
    """Copies of sessions, as :class:`~kt_cache.sessions.Copies` has them.

    :param session: any of the engine's, which knows the table and how a row's data is written.
    :param records: of the sessions on the server.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (DatabaseError,)

    def __init__(self, session: Rows, records: Records) -> None:
        self._session = session
        self._records = records

    def find(self, session_ids: Collection[str]) -> dict[str, tuple[dict[str, Any], float]]:
        """Return the data of those sessions that have a row, and the seconds they have left."""
        now = timezone.now()
        return {
            row.session_key: (
                self._session.decode(row.session_data),
                (row.expire_date - now).total_seconds(),
            )
            for batch in _batches(session_ids)
            for row in self._session.model.objects.filter(
                session_key__in=batch, expire_date__gt=now
            )
        }

    async def afind(self, session_ids: Collection[str]) -> dict[str, tuple[dict[str, Any], float]]:
        """See :meth:`find`."""
        return await sync_to_async(self.find)(session_ids)

    def remove(self, session_ids: Collection[str]) -> set[str]:
        """Remove rows; return the ids of those that were not over."""
        live: set[str] = set()
        using = router.db_for_write(self._session.model)
        if transaction.get_connection(using).in_atomic_block:
            # Until the end of the transaction others see the rows, and may put records back.
            transaction.on_commit(partial(self._remove_records, session_ids), using=using)
        with transaction.atomic(using=using):
            for batch in _batches(session_ids):
                rows = self._session.model.objects.using(using).filter(session_key__in=batch)
                current = rows.filter(expire_date__gt=timezone.now())
                live.update(current.values_list("session_key", flat=True))
                rows.delete()
        return live

    async def aremove(self, session_ids: Collection[str]) -> set[str]:
        """See :meth:`remove`."""
        return await sync_to_async(self.remove)(session_ids)

    def _remove_records(self, session_ids: Collection[str]) -> None:
        for session_id in session_ids:
            self._records.delete(session_id)


def _batches(session_ids: Collection[str]) -> Iterator[list[str]]:
    ids = list(session_ids)
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
