"""The procedures of TSV-RPC, by name.

A procedure is a function of a :class:`~kt_cache.server.calls.Call`. It returns the output map, or
raises :class:`~kt_cache.server.calls.Failure`. Adding one is adding it to a table.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from kt_cache.server.calls import Call, Rows
from kt_cache.server.procedures import administration, bulk, cursors, records

__all__ = ["PROCEDURES", "Procedure"]

Procedure: TypeAlias = Callable[[Call], Rows]

PROCEDURES: Mapping[bytes, Procedure] = {
    **records.PROCEDURES,
    **bulk.PROCEDURES,
    **cursors.PROCEDURES,
    **administration.PROCEDURES,
}
