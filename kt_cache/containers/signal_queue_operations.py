"""What a queue with signals does. It needs no script: an item is a record, found by its key."""

from __future__ import annotations

import time
from typing import Any

from kt_cache.client import bulk_procedures, procedures, records
from kt_cache.client.call import Signals, call, common, done, number, params_of
from kt_cache.client.command import Command
from kt_cache.client.operation import Operation
from kt_cache.containers.patience import PatientOperation, waits
from kt_cache.containers.place import Key, Place
from kt_cache.protocol.rpc import RpcReply

__all__ = ["consume", "flush", "produce"]

# A signal sent between looking for items and waiting for it goes by unnoticed; so look again.
_LONGEST_WAIT = 1.0  # seconds


def produce(place: Place, signal: Key, data: bytes, xt: int) -> Operation[tuple[bool, int]]:
    """Add an item and wake those who wait: ``True``, and how many these were."""
    while True:
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        key = place.key + b":%d.%09d" % (seconds, nanoseconds)
        listeners = yield _add(place, signal, key, data, xt)
        if listeners is not None:  # else somebody has added one in the same nanosecond
            return True, listeners


def _add(place: Place, signal: Key, key: bytes, data: bytes, xt: int) -> Command[int | None]:
    where = common(place.db, Signals(signal=signal, send=True))
    params = params_of(where, (b"key", key), (b"value", data), (b"xt", xt))

    def listeners(reply: RpcReply) -> int | None:
        return number(reply, b"SIGNALED") if reply.status == 200 else None

    return call("add", params, listeners, repeatable=False, key=key)


def consume(place: Place, signal: Key, wait: float) -> PatientOperation[Any]:
    """Remove the oldest item and return it; wait for one if there is none.

    :param wait: seconds altogether.
    """
    steps = waits("wait", wait, _LONGEST_WAIT)
    while True:
        data = yield from _take_oldest(place)
        if data is not None:
            return place.decoded(data)
        seconds = next(steps, 0.0)
        if not seconds:
            return None
        where = common(place.db, Signals(signal=signal, wait=seconds))
        yield call("void", params_of(where), done, repeatable=True), seconds


def _take_oldest(place: Place) -> PatientOperation[bytes | None]:
    most = 1
    while True:
        keys = yield bulk_procedures.match_prefix(place.db, place.key + b":", most), 0.0
        for key in keys:
            data: bytes | None = yield procedures.seize(place.db, key), 0.0
            if data is not None:
                return data
        if len(keys) < most:
            return None
        most *= 2  # others were faster, or expired items are still listed


def flush(place: Place) -> Operation[int]:
    """Remove all items: how many."""
    keys = yield bulk_procedures.match_prefix(place.db, place.key + b":")
    if not keys:
        return 0
    removed: int = yield records.remove_bulk([(place.db, key) for key in keys])
    return removed
