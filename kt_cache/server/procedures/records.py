"""Procedures on one record."""

from __future__ import annotations

from kt_cache.server.calls import Call, Failure, Rows, expiry_row
from kt_cache.server.parameters import parse_integer, parse_real
from kt_cache.storage.numbers import INTEGER, REAL

__all__ = ["PROCEDURES"]


def _set(call: Call) -> Rows:
    database = call.database
    key, value = call.required(b"key"), call.required(b"value")
    database.set(key, value, call.xt)
    call.counts.count_set(1, 1)
    return {}


def _add(call: Call) -> Rows:
    database = call.database
    key, value = call.required(b"key"), call.required(b"value")
    added = database.add(key, value, call.xt, call.now)
    call.counts.count_set(1, added)
    if not added:
        raise Failure.duplicate()
    return {}


def _replace(call: Call) -> Rows:
    database = call.database
    key, value = call.required(b"key"), call.required(b"value")
    replaced = database.replace(key, value, call.xt, call.now)
    call.counts.count_set(1, replaced)
    if not replaced:
        raise Failure.no_record()
    return {}


def _append(call: Call) -> Rows:
    database = call.database
    key, value = call.required(b"key"), call.required(b"value")
    database.append(key, value, call.xt, call.now)
    call.counts.count_set(1, 1)
    return {}


def _cas(call: Call) -> Rows:
    database = call.database
    key = call.required(b"key")
    old, new = call.params.get(b"oval"), call.params.get(b"nval")
    changed = database.cas(key, old, new, call.xt, call.now)
    call.counts.count_set(1, changed)
    if not changed:
        raise Failure.inconsistent("status conflict")
    return {}


def _increment(call: Call) -> Rows:
    database = call.database
    key, amount = call.required(b"key"), parse_integer(call.required(b"num"))
    named = {b"try": INTEGER.only_existing, b"set": INTEGER.overwrite}
    given = call.params.get(b"orig", b"0")
    origin = named[given] if given in named else parse_integer(given)
    total = database.increment(key, amount, origin, call.xt, call.now)
    call.counts.count_set(1, total is not None)
    if total is None:
        raise Failure.inconsistent()
    return {b"num": b"%d" % total}


def _increment_double(call: Call) -> Rows:
    database = call.database
    key, amount = call.required(b"key"), parse_real(call.required(b"num"))
    named = {b"try": REAL.only_existing, b"set": REAL.overwrite}
    given = call.params.get(b"orig", b"0")
    origin = named[given] if given in named else parse_real(given)
    total = database.increment_double(key, amount, origin, call.xt, call.now)
    call.counts.count_set(1, total is not None)
    if total is None:
        raise Failure.inconsistent()
    return {b"num": b"%f" % total}


def _remove(call: Call) -> Rows:
    database = call.database
    removed = database.remove(call.required(b"key"), call.now)
    call.counts.count_remove(1, removed)
    if not removed:
        raise Failure.no_record()
    return {}


def _get(call: Call) -> Rows:
    database = call.database
    record = database.get(call.required(b"key"), call.now)
    call.counts.count_get(1, record is not None)
    if record is None:
        raise Failure.no_record()
    value, xt = record
    return {b"value": value, **expiry_row(xt)}


def _check(call: Call) -> Rows:
    database = call.database
    record = database.get(call.required(b"key"), call.now)
    call.counts.count_get(1, record is not None)
    if record is None:
        raise Failure.no_record()
    value, xt = record
    return {b"vsiz": b"%d" % len(value), **expiry_row(xt)}


def _seize(call: Call) -> Rows:
    database = call.database
    record = database.seize(call.required(b"key"), call.now)
    found = record is not None
    call.counts.count_get(1, found)
    call.counts.count_remove(1, found)
    if record is None:
        raise Failure.no_record()
    value, xt = record
    return {b"value": value, **expiry_row(xt)}


PROCEDURES = {
    b"set": _set,
    b"add": _add,
    b"replace": _replace,
    b"append": _append,
    b"cas": _cas,
    b"increment": _increment,
    b"increment_double": _increment_double,
    b"remove": _remove,
    b"get": _get,
    b"check": _check,
    b"seize": _seize,
}
