"""The procedures of TSV-RPC, by name.

A procedure is a function of a :class:`~kt_cache.server.calls.Call`. It returns the output map, or
raises :class:`~kt_cache.server.calls.Failure`. One that has to wait is a coroutine function: its
connection's further requests wait with it, nobody else does, and it is cancelled if the client
goes. Adding one is adding it to a table.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from kt_cache.server.calls import Call, Rows
from kt_cache.server.procedures import administration, bulk, cursors, records, scripts

__all__ = ["PROCEDURES", "Procedure"]

Procedure: TypeAlias = Callable[[Call], Rows | Coroutine[Any, Any, Rows]]

PROCEDURES: Mapping[bytes, Procedure] = {
    **records.PROCEDURES,
    **bulk.PROCEDURES,
    **cursors.PROCEDURES,
    **administration.PROCEDURES,
    **scripts.PROCEDURES,
}
