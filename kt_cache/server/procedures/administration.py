"""Procedures on a whole database and on the server."""

from __future__ import annotations

import os
import platform
import threading

from kt_cache.server.calls import Call, Failure, Rows
from kt_cache.server.service import SERVER_NAME

__all__ = ["PROCEDURES"]


def _void(call: Call) -> Rows:  # noqa: ARG001
    return {}


def _echo(call: Call) -> Rows:
    return call.params


def _status(call: Call) -> Rows:
    database = call.database
    call.counts.misc += 1
    return _encode(database.status())


def _clear(call: Call) -> Rows:
    database = call.database
    call.counts.misc += 1
    database.clear()
    return {}


def _synchronize(call: Call) -> Rows:
    database = call.database
    call.counts.misc += 1
    database.synchronize(hard=call.flag(b"hard"))
    if call.flag(b"command"):
        # There is no directory of commands that clients may have run.
        raise Failure(500, "DB: 8: logical inconsistency: postprocessing failed")
    return {}


def _vacuum(call: Call) -> Rows:
    database, step = call.database, call.integer(b"step", 0)
    call.counts.misc += 1
    if step > 1:
        database.sweep(call.now, step)
    else:
        database.vacuum(call.now)
    return {}


def _report(call: Call) -> Rows:
    service = call.service
    clock = service.clock()
    counts = service.counts
    rows = {f"cnt_{name}": str(getattr(counts, name)) for name in counts.__slots__}
    count = size = 0
    for number, database in enumerate(service.databases):
        records, taken = database.count(), database.size()
        rows[f"db_{number}"] = f"count={records} size={taken} path={database.path}"
        count += records
        size += taken
    times = os.times()
    return _encode(
        rows
        | {
            "conf_kt_version": SERVER_NAME,
            "conf_kt_features": "(asyncio)(lua)" if service.scripts else "(asyncio)",
            "conf_kc_version": "",
            "conf_kc_features": "",
            "conf_os_name": platform.system(),
            "db_total_count": str(count),
            "db_total_size": str(size),
            "serv_conn_count": str(len(service.connections)),
            "serv_task_count": str(service.signals.waiting),
            "serv_thread_count": str(threading.active_count()),
            "serv_current_time": f"{clock:.6f}",
            "serv_running_term": f"{clock - service.started:.6f}",
            "serv_proc_id": str(os.getpid()),
            "sys_ru_stime": f"{times.system:.6f}",
            "sys_ru_utime": f"{times.user:.6f}",
        }
    )


def _tune_replication(call: Call) -> Rows:  # noqa: ARG001
    raise Failure(501, "the RTS file is not set")


def _update_log(call: Call) -> Rows:  # noqa: ARG001
    raise Failure(400, "no update log allows no replication")


def _encode(rows: dict[str, str]) -> Rows:
    return {name.encode(): value.encode() for name, value in rows.items()}


PROCEDURES = {
    b"void": _void,
    b"echo": _echo,
    b"report": _report,
    b"tune_replication": _tune_replication,
    b"ulog_list": _update_log,
    b"ulog_remove": _update_log,
    b"status": _status,
    b"clear": _clear,
    b"synchronize": _synchronize,
    b"vacuum": _vacuum,
}
