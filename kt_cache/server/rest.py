"""The RESTful interface: a record is a resource."""

from __future__ import annotations

from kt_cache.protocol.expiry import NEVER, NEVER_GIVEN, resolve_expiry
from kt_cache.protocol.http import HttpRequest
from kt_cache.protocol.tsv import url_decode
from kt_cache.server.calls import Failure
from kt_cache.server.dates import format_date, parse_date
from kt_cache.server.replies import Reply
from kt_cache.server.service import Service
from kt_cache.storage import Database

__all__ = ["serve_resource"]


def serve_resource(service: Service, request: HttpRequest, now: int) -> Reply:
    """Carry out a request for a record.

    :param now: current Unix second.
    """
    database_name, key = _split_target(request.target)
    database = service.find_database(database_name)
    if database is None:
        return Reply(400, [], b"no such database\n", None)
    try:
        if request.method in (b"GET", b"HEAD"):
            return _get(service, database, key, now)
        if request.method == b"PUT":
            return _put(service, database, key, request, now)
        if request.method == b"DELETE":
            return _delete(service, database, key, now)
    except Failure as failure:
        return Reply(failure.status, [("X-Kt-Error", failure.text)])
    return Reply(501, [])


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return the database's name and the key that a request target stands for."""
    path = target.partition(b"?")[0].removeprefix(b"/")
    database, slash, key = path.partition(b"/")
    if not slash:
        return b"", url_decode(path)
    return url_decode(database), url_decode(key.removeprefix(b"/"))


def _get(service: Service, database: Database, key: bytes, now: int) -> Reply:
    record = database.get(key, now)
    service.counts.count_get(1, record is not None)
    if record is None:
        raise Failure.no_record(404)
    value, xt = record
    headers = [("X-Kt-Xt", format_date(xt))] if xt < NEVER else []
    return Reply(200, headers, value, len(value))


def _put(service: Service, database: Database, key: bytes, request: HttpRequest, now: int) -> Reply:
    xt = _parse_xt(request, now)
    mode = request.headers.get(b"x-kt-mode", b"set").lower()
    stored = True
    if mode == b"add":
        stored = database.add(key, request.body, xt, now)
    elif mode == b"replace":
        stored = database.replace(key, request.body, xt, now)
    else:
        database.set(key, request.body, xt)
    service.counts.count_set(1, stored)
    if not stored:
        raise Failure.duplicate() if mode == b"add" else Failure.no_record()
    target = request.target.decode("latin-1")
    return Reply(201, [("Location", f"http://localhost:{service.port}{target}")])


def _parse_xt(request: HttpRequest, now: int) -> int:
    """Return the stored form of the time in a header, which is absolute; unreadable is never."""
    header = request.headers.get(b"x-kt-xt")
    given = None if header is None else parse_date(header.decode("latin-1"))
    return resolve_expiry(NEVER_GIVEN if given is None or given <= 0 else -given, now)


def _delete(service: Service, database: Database, key: bytes, now: int) -> Reply:
    removed = database.remove(key, now)
    service.counts.count_remove(1, removed)
    if not removed:
        raise Failure.no_record(404)
    return Reply(204, [])
