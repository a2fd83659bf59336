"""The cache backends that Django sites use today, each with the server it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from benchmarks.other_servers import lack_of, memcached, redis

__all__ = ["DJANGO_REDIS", "PEERS", "PYMEMCACHE", "Peer", "peer_settings", "what_is_missing"]

DJANGO_REDIS = "django-redis"
PYMEMCACHE = "PyMemcacheCache"


@dataclass(frozen=True)
class Peer:
    """A backend to compare with, as its documentation sets it up.

    :param backend: its class, as in ``CACHES``.
    :param packages: what it needs installed, by the names of the modules.
    :param program: its server's; empty if it needs none.
    :param location: LOCATION with a place for the server's port, or for a directory.
    """

    backend: str
    packages: tuple[str, ...]
    program: str
    location: str


# redis-py and valkey-py parse with hiredis and libvalkey by themselves where these are installed.
PEERS = {
    DJANGO_REDIS: Peer(
        "django_redis.cache.RedisCache",
        ("django_redis", "hiredis"),
        "redis-server",
        "redis://127.0.0.1:{}/0",
    ),
    PYMEMCACHE: Peer(
        "django.core.cache.backends.memcached.PyMemcacheCache",
        ("pymemcache",),
        "memcached",
        "127.0.0.1:{}",
    ),
    "RedisCache": Peer(
        "django.core.cache.backends.redis.RedisCache",
        ("redis", "hiredis"),
        "redis-server",
        "redis://127.0.0.1:{}/1",
    ),
    "django-valkey": Peer(
        "django_valkey.cache.ValkeyCache",
        ("django_valkey", "libvalkey"),
        "redis-server",
        "valkey://127.0.0.1:{}/2",
    ),
    "diskcache": Peer("diskcache.DjangoCache", ("diskcache",), "", "{}"),
}


def what_is_missing(name: str) -> str:
    """Say why a peer cannot be measured here; empty if it can."""
    peer = PEERS[name]
    return lack_of(name, peer.packages, peer.program)


@contextmanager
def peer_settings() -> Iterator[dict[str, dict[str, str]]]:
    """Run the servers that are there; gives the ``CACHES`` entry of each peer that can be used."""
    usable = {name: peer for name, peer in PEERS.items() if not what_is_missing(name)}
    programs = {peer.program for peer in usable.values()}
    with ExitStack() as stack:
        places: dict[str, int | str] = {"": stack.enter_context(TemporaryDirectory())}
        if "redis-server" in programs:
            places["redis-server"] = stack.enter_context(redis())
        if "memcached" in programs:
            places["memcached"] = stack.enter_context(memcached())
        yield {
            name: {"BACKEND": peer.backend, "LOCATION": peer.location.format(places[peer.program])}
            for name, peer in usable.items()
        }
