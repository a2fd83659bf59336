"""Database names as they stand on a command line: ``*``, ``%``, ``data/cache.sqlite``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kt_cache.errors import ConfigError
from kt_cache.storage.bounded import BoundedHashDatabase, BoundedTreeDatabase, Capacity
from kt_cache.storage.database import Database
from kt_cache.storage.memory import HashDatabase, TreeDatabase
from kt_cache.storage.sqlite import SUFFIX, SQLiteDatabase

__all__ = ["open_database"]

_TYPE_CODES = {"-": 16, "+": 17, ":": 24, "*": 32, "%": 33}
_TREES = frozenset("+%")
_THEIRS = (".kch", ".kct", ".kcd", ".kcf", ".kcx")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}

_number = re.compile(r"([0-9]+)([kmgt]?)", re.IGNORECASE).fullmatch


def open_database(name: str) -> Database:
    """Open the database a name stands for.

    :param name: ``*``, ``:`` or ``-`` for a hash in memory, ``%`` or ``+`` for an ordered tree in
        memory, or the path of a file ending in ``.sqlite``. Behind a database in memory may stand
        ``#ktcapcnt=RECORDS`` and ``#ktcapsiz=BYTES`` (also ``capcnt``, ``capsiz``), its capacity;
        numbers may end in k, m, g or t.
    :raises ConfigError: if it stands for none.
    :raises NotSupported: for a tree without the package it needs.
    :raises StorageError: if the file cannot be opened.
    """
    path, *given = name.split("#")
    parameters = _parse_parameters(name, given)
    if path in _TYPE_CODES:
        capacity = Capacity(
            records=_take_number(name, parameters, "ktcapcnt", "capcnt"),
            size=_take_number(name, parameters, "ktcapsiz", "capsiz"),
        )
        _refuse_rest(name, parameters)
        return _open_in_memory(path, capacity)
    if path.endswith(SUFFIX):
        _refuse_rest(name, parameters)
        return SQLiteDatabase(path)
    if path.endswith(_THEIRS):
        raise ConfigError(
            f"{path!r} is a file of Kyoto Cabinet's, which only ktserver opens; "
            f"the included server's files end in {SUFFIX}"
        )
    raise ConfigError(
        f"{path!r} is no database; give '*' (hash in memory), '%' (tree in memory) "
        f"or a path ending in {SUFFIX}"
    )


def _open_in_memory(path: str, capacity: Capacity) -> Database:
    code = _TYPE_CODES[path]
    if capacity == Capacity():
        return TreeDatabase(path, code) if path in _TREES else HashDatabase(path, code)
    bounded = BoundedTreeDatabase if path in _TREES else BoundedHashDatabase
    return bounded(path, code, capacity)


def _parse_parameters(name: str, given: list[str]) -> dict[str, str]:
    parameters = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"database {name!r}: {item!r} is not of the form name=value")
        parameters[key] = value
    return parameters


def _take_number(name: str, parameters: dict[str, str], *aliases: str) -> int | None:
    number = None
    for alias in aliases:
        text = parameters.pop(alias, None)
        if text is None:
            continue
        match = _number(text)
        if not match:
            raise ConfigError(f"database {name!r}: {alias} must be a number, not {text!r}")
        number = int(match[1]) * _UNITS[match[2].lower()]
    return number


def _refuse_rest(name: str, parameters: Mapping[str, str]) -> None:
    if parameters:
        unknown = ", ".join(sorted(parameters))
        raise ConfigError(f"database {name!r}: unknown parameter {unknown}")
