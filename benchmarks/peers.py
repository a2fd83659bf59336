"""The client against ukt, the client it replaces, both on the same server; and against itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from benchmarks.measure import Effort, compare
from benchmarks.raw import asking, connect
from benchmarks.rows import Row
from benchmarks.ways import in_threads, repeating
from kt_cache import EmbeddedServer
from kt_cache.client import records
from kt_cache.lua import SCRIPT
from kt_cache.protocol.expiry import NEVER_GIVEN

__all__ = ["between_servers_rows", "peer_rows", "thread_rows"]

# Set on ktserver. On a slower server the same client gains less, as more of a call is the server's.
_BARS = {
    "get": 1.3,
    "set": 1.25,
    "remove": 1.25,
    "get_bulk of 100": 1.6,
    "set_bulk of 100": 1.1,
    "touch": 1.3,
    "add, refused": 3.0,
    "increment": 3.3,
    "cas": 3.0,
    "exists": 3.0,
}
_THREADS = 4
_THREADS_BAR = 1.0
_SERVERS_BAR = 0.9
_KEY = "benchmark:peers"
_VALUE = "v" * 100
_MANY = {f"{_KEY}:{number:03}": _VALUE for number in range(100)}


def peer_rows(server: str, name: str, effort: Effort) -> Iterator[Row]:
    """Compare with ukt, if it is installed.

    :param server: as for :class:`~kt_cache.EmbeddedServer`.
    :param name: the server's name for the table.
    """
    if not find_spec("ukt"):
        return
    from ukt import KyotoTycoon as Ukt  # a development dependency

    section = f"Beside ukt on {name}, one thread, 100-byte values : ukt"
    with EmbeddedServer(server, quiet=True, server_args=["-scr", str(SCRIPT)]) as running:
        theirs = Ukt(running.host, running.port)
        ways = zip(_calls(running.client), _calls(theirs), strict=True)
        for (what, ours), (_, peer) in ways:
            bar = _BARS[what] if server == "ktserver" else None
            yield Row(section, what, compare(repeating(peer), repeating(ours), effort), bar)
        theirs.close_all()


def _calls(client: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and call of what is compared; both clients offer the same methods."""
    client.set_bulk(_MANY)
    client.set(_KEY, _VALUE)
    yield "get", lambda: client.get(_KEY)
    yield "set", lambda: client.set(_KEY, _VALUE)
    yield "remove", lambda: client.remove("benchmark:missing")
    yield "get_bulk of 100", lambda: client.get_bulk(list(_MANY))
    yield "set_bulk of 100", lambda: client.set_bulk(_MANY)
    yield "touch", lambda: client.touch(_KEY, 3600)
    yield "add, refused", lambda: client.add(_KEY, _VALUE)
    yield "increment", lambda: client.increment("benchmark:counter")
    yield "cas", lambda: client.cas(_KEY, _VALUE, _VALUE)
    yield "exists", lambda: client.exists(_KEY)


def thread_rows(server: str, name: str, effort: Effort) -> Iterator[Row]:
    """Compare several threads on one client with one thread."""
    section = f"{_THREADS} threads on {name}, 100-byte values : one thread"
    with EmbeddedServer(server, quiet=True) as running:
        client = running.client
        client.set(_KEY, _VALUE)
        one = repeating(lambda: client.get(_KEY))
        # Turns long enough for the threads to start, and to give each other the interpreter.
        slow = replace(effort, turn=max(effort.turn, 0.1))
        yield Row(section, "get", compare(one, in_threads(one, _THREADS), slow), _THREADS_BAR)


def between_servers_rows(effort: Effort) -> Iterator[Row]:
    """Compare the included server with ktserver, if that is there, on one connection each."""
    if not shutil.which("ktserver"):
        return
    section = "Included server beside ktserver, one connection, 100-byte values : ktserver"
    key, value = _KEY.encode(), _VALUE.encode()
    commands = {"set": records.set_one(0, key, value, NEVER_GIVEN), "get": records.get(0, key)}
    with (
        EmbeddedServer("included", quiet=True) as included,
        EmbeddedServer("ktserver", quiet=True) as theirs,
    ):
        assert included.port
        assert theirs.port
        with connect(included.port) as our_sock, connect(theirs.port) as their_sock:
            for what, command in commands.items():
                found = compare(asking(their_sock, command), asking(our_sock, command), effort)
                yield Row(section, what, found, _SERVERS_BAR)
