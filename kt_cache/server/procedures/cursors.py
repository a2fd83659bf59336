"""Procedures on the connection's cursors."""

from __future__ import annotations

from kt_cache.errors import NotSupported
from kt_cache.server.calls import Call, Failure, Rows, expiry_row
from kt_cache.storage import Entry

__all__ = ["PROCEDURES"]


def _jump(call: Call) -> Rows:
    cursor = call.cursor
    return _moved(call, cursor.jump(call.params.get(b"key")))


def _jump_back(call: Call) -> Rows:
    cursor = call.cursor
    try:
        return _moved(call, cursor.jump_back(call.params.get(b"key")))
    except NotSupported as error:
        raise Failure.unordered() from error


def _step(call: Call) -> Rows:
    return _moved(call, call.cursor.step())


def _step_back(call: Call) -> Rows:
    cursor = call.cursor
    try:
        return _moved(call, cursor.step_back())
    except NotSupported as error:
        raise Failure.unordered() from error


def _moved(call: Call, done: bool) -> Rows:
    call.counts.misc += 1
    if not done:
        raise Failure.no_record()
    return {}


def _set_value(call: Call) -> Rows:
    cursor, value = call.cursor, call.required(b"value")
    done = cursor.set_value(value, call.xt, call.now, step=call.flag(b"step"))
    call.counts.count_set(1, done)
    if not done:
        raise Failure.no_record()
    return {}


def _remove(call: Call) -> Rows:
    entry = call.cursor.seize(call.now)
    call.counts.count_remove(1, entry is not None)
    if entry is None:
        raise Failure.no_record()
    return {}


def _get_key(call: Call) -> Rows:
    key, _, _ = _read(call)
    return {b"key": key}


def _get_value(call: Call) -> Rows:
    _, value, _ = _read(call)
    return {b"value": value}


def _get(call: Call) -> Rows:
    key, value, xt = _read(call)
    return {b"key": key, b"value": value, **expiry_row(xt)}


def _read(call: Call) -> Entry:
    entry = call.cursor.get(call.now, step=call.flag(b"step"))
    call.counts.count_get(1, entry is not None)
    if entry is None:
        raise Failure.no_record()
    return entry


def _seize(call: Call) -> Rows:
    entry = call.cursor.seize(call.now)
    call.counts.count_get(1, entry is not None)
    if entry is None:
        raise Failure.no_record()
    key, value, xt = entry
    return {b"key": key, b"value": value, **expiry_row(xt)}


def _delete(call: Call) -> Rows:
    number = call.cursor_number
    if number is None or number not in call.cursors or call.new_cursor:
        raise Failure.not_implemented("cur_delete")
    del call.cursors[number]
    return {}


PROCEDURES = {
    b"cur_jump": _jump,
    b"cur_jump_back": _jump_back,
    b"cur_step": _step,
    b"cur_step_back": _step_back,
    b"cur_set_value": _set_value,
    b"cur_remove": _remove,
    b"cur_get_key": _get_key,
    b"cur_get_value": _get_value,
    b"cur_get": _get,
    b"cur_seize": _seize,
    b"cur_delete": _delete,
}
