"""The engines behind the included server: memory hash, memory tree, SQLite file.

All of them are a :class:`~kt_cache.storage.database.Database`: bytes in, bytes out, expiration as
absolute Unix seconds. No engine looks at a clock; who calls says what time it is. Nothing here
knows a protocol, so scripts, replication and an embedded store can stand on the same interface.
"""

from kt_cache.storage.cursors import Cursor, Entry, open_cursor
from kt_cache.storage.database import Database, Stored
from kt_cache.storage.memory import HashDatabase, TreeDatabase
from kt_cache.storage.names import open_database
from kt_cache.storage.sqlite import SQLiteDatabase

__all__ = [
    "Cursor",
    "Database",
    "Entry",
    "HashDatabase",
    "SQLiteDatabase",
    "Stored",
    "TreeDatabase",
    "open_cursor",
    "open_database",
]
