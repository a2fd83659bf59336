"""Procedures on several records, and those that find keys."""

from __future__ import annotations

from kt_cache.errors import ConfigError
from kt_cache.server.calls import Call, Failure, Rows

__all__ = ["PROCEDURES"]


def _set_bulk(call: Call) -> Rows:
    database, records, xt = call.database, call.underscored(), call.xt
    stored = database.set_bulk((key, value, xt) for key, value in records.items())
    call.counts.count_set(stored, stored)
    return {b"num": b"%d" % stored}


def _remove_bulk(call: Call) -> Rows:
    database, keys = call.database, call.underscored()
    removed = database.remove_bulk(keys, call.now)
    call.counts.count_remove(len(keys), removed)
    return {b"num": b"%d" % removed}


def _get_bulk(call: Call) -> Rows:
    database, keys = call.database, call.underscored()
    found = database.get_bulk(keys, call.now)
    call.counts.count_get(len(keys), len(found))
    rows = {b"_" + key: value for key, value, _ in found}
    return {**rows, b"num": b"%d" % len(found)}


def _match_prefix(call: Call) -> Rows:
    database, prefix = call.database, call.required(b"prefix")
    call.counts.misc += 1
    return _ranked(database.match_prefix(prefix, call.integer(b"max", -1)))


def _match_regex(call: Call) -> Rows:
    database, pattern = call.database, call.required(b"regex")
    call.counts.misc += 1
    try:
        return _ranked(database.match_regex(pattern, call.integer(b"max", -1)))
    except ConfigError as error:
        raise Failure.inconsistent("compilation failed") from error


def _match_similar(call: Call) -> Rows:
    database, origin = call.database, call.required(b"origin")
    call.counts.misc += 1
    distance = call.integer(b"range", 1)
    keys = database.match_similar(
        origin,
        distance if distance >= 0 else 1,
        call.integer(b"max", -1),
        characters=call.flag(b"utf"),
    )
    return _ranked(keys)


def _ranked(keys: list[bytes]) -> Rows:
    rows = {b"_" + key: b"%d" % rank for rank, key in enumerate(keys)}
    return {**rows, b"num": b"%d" % len(keys)}


PROCEDURES = {
    b"set_bulk": _set_bulk,
    b"remove_bulk": _remove_bulk,
    b"get_bulk": _get_bulk,
    b"match_prefix": _match_prefix,
    b"match_regex": _match_regex,
    b"match_similar": _match_similar,
}
