"""This package's backend beside those that Django sites use today, through Django's cache API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from benchmarks.django_peers import DJANGO_REDIS, PEERS, PYMEMCACHE, peer_settings, what_is_missing
from benchmarks.measure import Effort, compare
from benchmarks.rows import Row
from benchmarks.ways import event_loops, in_tasks, in_threads, open_loop, repeating
from kt_cache import EmbeddedServer

__all__ = ["django_rows"]

# Set on ktserver: Redis and memcached are written in C as well.
_BARS = {
    DJANGO_REDIS: {
        "get": 1.35,
        "set": 1.4,
        "get_many of 100": 1.3,
        "set_many of 100": 2.5,
        "incr": 1.1,
        "delete, missing": 1.2,
        "add, refused": 1.05,
        "touch": 1.0,
    },
    PYMEMCACHE: {"get": 1.1, "set": 1.1},
}
_SCRIPTED = frozenset({"incr", "add, refused", "touch"})
_SHOWN_OF_OTHERS = frozenset({"get", "set", "get_many of 100", "set_many of 100"})
_THREADS, _THREADS_BAR = 4, 2.0
_TASKS, _TASKS_BAR = 64, 2.0
_LONGER = 10  # times the usual turn, for each begins and ends with fewer at work

_OURS, _SCRIPTLESS = "ours", "ours without the script"
_KEY = "benchmark"
_COUNTER = "benchmark:counter"
_VALUE = {"id": 4711, "name": "a small dict", "active": True, "price": 19.95}
_MANY = {f"{_KEY}:{number:03}": _VALUE for number in range(100)}
_TIMEOUT = 300

Settings = dict[str, dict[str, str]]
"""``CACHES``, with the names of the peers and of ours as aliases."""


def django_rows(
    servers: Mapping[str, str],
    bar_effort: Effort,
    effort: Effort,
    say: Callable[[str], object] = print,
) -> Iterator[Row]:
    """Compare backends.

    :param servers: kind of server, as for :class:`~kt_cache.EmbeddedServer`, and its name for
        the table.
    :param bar_effort: for rows that have a bar.
    :param effort: for the others.
    :param say: called with each reason to leave rows out.
    """
    if not find_spec("django"):
        say("\nLeft out: this package's backend through Django's API needs the package django.")
        return
    for reason in filter(None, map(what_is_missing, PEERS)):
        say(f"\nLeft out: {reason}.")
    _configure_django()
    with peer_settings() as peers:
        for server, name in servers.items():
            with _our_settings(server) as ours:
                found = _rows_beside_ours(name, peers | ours, bar_effort, effort)
                yield from found if server == "ktserver" else map(_without_bar, found)
        yield from _rows_of_others(peers, effort)


def _rows_beside_ours(
    name: str, settings: Settings, bar_effort: Effort, effort: Effort
) -> Iterator[Row]:
    yield from _rows_of_calls(name, settings, bar_effort, effort)
    if DJANGO_REDIS in settings:
        yield from _rows_of_many_at_work(name, settings, bar_effort)


def _without_bar(row: Row) -> Row:
    return replace(row, bar=None)


def _rows_of_calls(
    name: str, settings: Settings, bar_effort: Effort, effort: Effort
) -> Iterator[Row]:
    """Compare each call that has a bar; those that the script makes faster without it, too."""
    ours, scriptless = _calls(settings, _OURS), _calls(settings, _SCRIPTLESS)
    for peer in (peer for peer in PEERS if peer in _BARS and peer in settings):
        section = f"Django's cache on {name}, one thread, small dicts : {peer}"
        theirs = _calls(settings, peer)
        for what, bar in _BARS[peer].items():
            floor = repeating(theirs[what])
            yield Row(section, what, compare(floor, repeating(ours[what]), bar_effort), bar)
            if what in _SCRIPTED:
                found = compare(floor, repeating(scriptless[what]), effort)
                yield Row(section, f"{what}, without the script", found)


def _rows_of_many_at_work(name: str, settings: Settings, effort: Effort) -> Iterator[Row]:
    """Compare ``get`` in threads, and ``aget`` in tasks."""
    from django.core.cache import CacheHandler  # Django may not be there

    effort = replace(effort, turn=effort.turn * _LONGER)
    caches = CacheHandler(settings)

    def gets(alias: str, count: int) -> None:
        get = caches[alias].get  # an object of this thread's own, as Django has it
        for _ in range(count):
            get(_KEY)

    section = f"Django's cache on {name}, {_THREADS} threads, small dicts : {DJANGO_REDIS}"
    floor = in_threads(partial(gets, DJANGO_REDIS), _THREADS)
    way = in_threads(partial(gets, _OURS), _THREADS)
    yield Row(section, "get", compare(floor, way, effort), _THREADS_BAR)

    async def agets(alias: str, turns: Iterator[int]) -> None:
        aget = caches[alias].aget  # an object of this task's own
        for _ in turns:
            await aget(_KEY)

    # django-redis has no asyncio client: Django calls its get in a thread.
    section = f"Django's cache on {name}, {_TASKS} tasks, small dicts : {DJANGO_REDIS}"
    for kind, new_loop in event_loops():
        with open_loop(new_loop) as loop:
            floor = in_tasks(loop, partial(agets, DJANGO_REDIS), _TASKS)
            way = in_tasks(loop, partial(agets, _OURS), _TASKS)
            yield Row(section, f"aget, {kind}", compare(floor, way, effort), _TASKS_BAR)


def _rows_of_others(peers: Settings, effort: Effort) -> Iterator[Row]:
    """Compare the peers among themselves, to show where each is strong."""
    if DJANGO_REDIS not in peers:
        return
    section = f"Other backends of Django's cache, one thread, small dicts : {DJANGO_REDIS}"
    floors = _calls(peers, DJANGO_REDIS)
    for peer in peers:
        calls = {} if peer == DJANGO_REDIS else _calls(peers, peer)
        for what in (what for what in calls if what in _SHOWN_OF_OTHERS):
            found = compare(repeating(floors[what]), repeating(calls[what]), effort)
            yield Row(section, f"{what}, {peer}", found)


def _calls(settings: Settings, alias: str) -> dict[str, Callable[[], Any]]:
    """Name and call of what is compared; the values are stored already."""
    from django.core.cache import CacheHandler  # Django may not be there

    cache = CacheHandler(settings)[alias]
    keys = list(_MANY)
    cache.set_many({**_MANY, _KEY: _VALUE, _COUNTER: 10**6}, _TIMEOUT)
    return {
        "get": lambda: cache.get(_KEY),
        "set": lambda: cache.set(_KEY, _VALUE, _TIMEOUT),
        "get_many of 100": lambda: cache.get_many(keys),
        "set_many of 100": lambda: cache.set_many(_MANY, _TIMEOUT),
        "incr": lambda: cache.incr(_COUNTER),
        "delete, missing": lambda: cache.delete("benchmark:missing"),
        "add, refused": lambda: cache.add(_KEY, _VALUE, _TIMEOUT),
        "touch": lambda: cache.touch(_KEY, _TIMEOUT),
    }


@contextmanager
def _our_settings(server: str) -> Iterator[Settings]:
    """Run two servers of a kind, one of them with the script."""
    with (
        EmbeddedServer(server, quiet=True) as scripted,
        EmbeddedServer(server, quiet=True, script=False) as plain,
    ):
        backend = "kt_cache.django.KyotoTycoonCache"
        running = {_OURS: scripted, _SCRIPTLESS: plain}
        yield {
            alias: {"BACKEND": backend, "LOCATION": f"kt://{server.host}:{server.port}"}
            for alias, server in running.items()
        }


def _configure_django() -> None:
    from django.conf import settings  # Django may not be there

    if not settings.configured:
        settings.configure()
