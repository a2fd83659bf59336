"""The client against prebuilt bytes on a plain socket, both on the same server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from benchmarks.measure import Effort, Way, compare
from benchmarks.raw import asking, connect
from benchmarks.rows import Row
from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.cache import Cache, Codec, open_store
from kt_cache.client import procedures, records
from kt_cache.client.command import Command
from kt_cache.protocol.expiry import NEVER_GIVEN

__all__ = ["client_rows"]

_BAR = 0.85
_KEY = "benchmark:client"
_VALUE = "v" * 100
_MANY = {f"{_KEY}:{number:03}": _VALUE for number in range(100)}
_TIMEOUT = 3600

Case: TypeAlias = "tuple[str, float | None, Command[Any], Way]"


def client_rows(server: str, name: str, bar_effort: Effort, effort: Effort) -> Iterator[Row]:
    """Compare the client with the floor on one server.

    :param server: as for :class:`~kt_cache.EmbeddedServer`.
    :param name: the server's name for the table.
    :param bar_effort: for rows that have a bar.
    :param effort: for the others.
    """
    section = f"Client on {name}, one thread, 100-byte values : prebuilt bytes on a socket"
    with EmbeddedServer(server, quiet=True) as running:
        assert running.port
        with connect(running.port) as sock:
            for what, bar, command, way in _cases(running.client, running.port):
                floor = asking(sock, command)
                found = compare(floor, way, effort if bar is None else bar_effort)
                yield Row(section, what, found, bar)


def _cases(client: KyotoTycoon, port: int) -> Iterator[Case]:
    """Name, bar, command with the floor's bytes, and the same done by the client."""
    key, value = _KEY.encode(), _VALUE.encode()
    client.set(_KEY, _VALUE)
    yield "get", _BAR, records.get(0, key), _calling(client.get, _KEY)
    set_one = records.set_one(0, key, value, NEVER_GIVEN)
    yield "set", _BAR, set_one, _calling(client.set, _KEY, _VALUE)
    yield "get_bytes", None, records.get(0, key), _calling(client.get_bytes, _KEY)

    client.set_bulk(_MANY)
    pairs = [(0, name.encode()) for name in _MANY]
    rows = [(*pair, value, NEVER_GIVEN) for pair in pairs]
    yield "get_bulk of 100", None, records.get_bulk(pairs), _calling(client.get_bulk, list(_MANY))
    yield "set_bulk of 100", None, records.set_bulk(rows), _calling(client.set_bulk, _MANY)

    add = procedures.add(0, key, value, NEVER_GIVEN)
    yield "add, refused", None, add, _calling(client.add, _KEY, _VALUE)
    # Always of ten digits, so that all replies are of one length.
    client.increment("benchmark:counter", 10**9)
    increment = procedures.increment(0, b"benchmark:counter", 1, None, NEVER_GIVEN)
    yield "increment", None, increment, _calling(client.increment, "benchmark:counter")
    cas = procedures.cas(0, key, value, value, NEVER_GIVEN)
    yield "cas", None, cas, _calling(client.cas, _KEY, _VALUE, _VALUE)

    cache = Cache(open_store(f"kt://127.0.0.1:{port}"), Codec(), prefix="benchmark")
    yield from _cache_cases("cache", client, cache.make_key(_KEY), cache.get, cache.set)
    try:
        from kt_cache.django import KyotoTycoonCache  # Django may not be there
    except ImportError:
        return
    backend = KyotoTycoonCache(f"kt://127.0.0.1:{port}", {"KEY_PREFIX": "benchmark"})
    stored = backend.make_key(_KEY).encode()
    yield from _cache_cases("Django's cache", client, stored, backend.get, backend.set)


def _cache_cases(
    name: str,
    client: KyotoTycoon,
    stored: bytes,
    get: Callable[[str], Any],
    put: Callable[[str, str, int], Any],
) -> Iterator[Case]:
    put(_KEY, _VALUE, _TIMEOUT)
    record = client.get_bytes(stored)
    assert record
    yield f"{name} get", None, records.get(0, stored), _calling(get, _KEY)
    set_one = records.set_one(0, stored, record, _TIMEOUT)
    yield f"{name} set", None, set_one, _calling(put, _KEY, _VALUE, _TIMEOUT)


def _calling(method: Callable[..., Any], *arguments: Any) -> Way:
    """Return a loop that calls a method; how it is written out, a call costs what it costs."""

    def call_one(count: int) -> None:
        for _ in range(count):
            method(first)

    def call_two(count: int) -> None:
        for _ in range(count):
            method(first, second)

    def call(count: int) -> None:
        for _ in range(count):
            method(*arguments)

    first, second = (*arguments, None)[:2]
    return {1: call_one, 2: call_two}.get(len(arguments), call)
