"""Our session engine beside Django's cache sessions on django-redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec

from benchmarks.django_peers import DJANGO_REDIS, peer_settings, what_is_missing
from benchmarks.measure import Effort, Way, compare
from benchmarks.rows import Row
from benchmarks.ways import repeating
from kt_cache import EmbeddedServer

__all__ = ["session_rows"]

_BAR = 1.8  # set on ktserver: Redis is written in C as well
_OURS, _THEIRS = "kt_cache.django.sessions", "django.contrib.sessions.backends.cache"
# What a shop knows of a visitor who is logged in.
_DATA = {
    "_auth_user_id": "4711",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "c0ffee" * 10,
    "cart": [{"id": number, "count": 1, "price": "19.95"} for number in range(3)],
    "language": "en",
}


def session_rows(
    servers: Mapping[str, str], effort: Effort, say: Callable[[str], object] = print
) -> Iterator[Row]:
    """Compare loading a session, changing and saving it, as a request does.

    :param servers: kind of server, as for :class:`~kt_cache.EmbeddedServer`, and its name for
        the table.
    :param say: called with each reason to leave rows out.
    """
    if not find_spec("django"):
        say("\nLeft out: sessions through Django's API need the package django.")
        return
    reason = what_is_missing(DJANGO_REDIS)
    if reason:
        say(f"\nLeft out: Django's cache sessions: {reason}.")
        return
    with peer_settings() as peers:
        for server, name in servers.items():
            with EmbeddedServer(server, quiet=True) as running:
                yield _row(server, name, running, peers[DJANGO_REDIS], effort)


def _row(
    server: str, name: str, running: EmbeddedServer, theirs: dict[str, str], effort: Effort
) -> Row:
    from django.conf import settings  # Django may not be there
    from django.core.cache import caches

    if not settings.configured:
        settings.configure()
    ours = {
        "BACKEND": "kt_cache.django.KyotoTycoonCache",
        "LOCATION": f"kt://{running.host}:{running.port}",
    }
    # Under aliases of their own: the backend of an alias is made once.
    aliases = {f"{server}, {_OURS}": ours, f"{server}, {_THEIRS}": theirs}
    caches.settings = caches.configure_settings({"default": ours, **aliases})
    way, floor = (_visits(alias.split(", ")[1], alias) for alias in aliases)
    section = f"Django's sessions on {name}, one thread : its cache sessions on {DJANGO_REDIS}"
    bar = _BAR if server == "ktserver" else None
    return Row(section, "load + save", compare(floor, way, effort), bar)


def _visits(engine: str, alias: str) -> Way:
    """Return what lets one visitor come back that many times.

    :param alias: of the cache that the sessions are in.
    """
    from django.conf import settings  # Django may not be there

    kind = import_module(engine).SessionStore
    settings.SESSION_CACHE_ALIAS = alias
    first = kind()
    first.update(_DATA)
    first.create()

    def visit() -> None:
        session = kind(first.session_key)
        session["seen"] = session.get("seen", 0) + 1
        session.save()

    repeat = repeating(visit)

    def visits(count: int) -> None:
        settings.SESSION_CACHE_ALIAS = alias
        repeat(count)

    return visits
