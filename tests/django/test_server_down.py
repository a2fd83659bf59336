"""Django's calls when the server is gone: what they give, and that pages go on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.cache import cache_page

from kt_cache import EmbeddedServer
from kt_cache.django import KyotoTycoonCache
from kt_cache.errors import CircuitOpen, ConnectError, SessionUnavailable, TransportError
from kt_cache.sessions import SessionStore
from tests.django.conftest import BACKEND
from tests.support.failing import dead_port, own
from tests.support.peers import Peer, ScriptedServer, until

GIVES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "get": (("k",), None),
    "get with a default": (("k", "default"), "default"),
    "get_many": ((["k", "l"],), {}),
    "has_key": (("k",), False),
    "set": (("k", "v"), None),
    "set that ends at once": (("k", "v", 0), None),
    "set_many": (({"k": "v", "l": "w"},), ["k", "l"]),
    "touch": (("k", 60), False),
    "delete": (("k",), False),
    "delete_many": ((["k", "l"],), None),
    "get_or_set": (("k", "value"), "value"),
    "get_or_set of a function": (("k", lambda: ["computed"], 60), ["computed"]),
    "close": ((), None),
}

RAISES: dict[str, tuple[Any, ...]] = {
    "add": ("k", "v"),
    "add that ends at once": ("k", "v", 0),
    "incr": ("k",),
    "decr": ("k", 2),
    "clear": (),
    "flush": (),
    "delete_pattern": ("k*",),
    "delete_prefix": ("k",),
    "delete_tag": ("t",),
    "delete_tags": (["t", "u"],),
}

__all__ = ["dead_port"]

each_way = pytest.mark.parametrize("way", ["blocking", "asyncio"])


def call(backend: KyotoTycoonCache, name: str, arguments: tuple[Any, ...], way: str) -> Any:
    """Call a method, or its twin; what stands behind its name does not count."""
    method = name.split()[0]
    if way == "blocking":
        return getattr(backend, method)(*arguments)
    return asyncio.run(getattr(backend, "a" + method)(*arguments))


@pytest.fixture
def lost(dead_port) -> KyotoTycoonCache:
    """A backend that ignores errors, on a server that is gone."""
    return KyotoTycoonCache(f"127.0.0.1:{dead_port}", {"OPTIONS": own(ignore_errors=True)})


@each_way
@pytest.mark.parametrize("name", GIVES)
def test_ignored(lost, name, way):
    """Each call gives what it gives for a missing key or a failed write, of its very type."""
    arguments, gives = GIVES[name]
    for _ in range(5):  # the first ones fail at the server, the others at the circuit breaker
        given = call(lost, name, arguments, way)
        assert given == gives
        assert type(given) is type(gives)


@each_way
@pytest.mark.parametrize("name", RAISES)
def test_never_ignored(lost, name, way):
    """Calls whose answer decides something raise, whatever the option says."""
    for _ in range(5):
        with pytest.raises(TransportError):
            call(lost, name, RAISES[name], way)


@each_way
@pytest.mark.parametrize("name", [*GIVES, *RAISES])
def test_nothing_ignored_by_default(dead_port, name, way):
    """Without the option every call that needs the server raises."""
    backend = KyotoTycoonCache(f"127.0.0.1:{dead_port}", {})
    arguments = RAISES[name] if name in RAISES else GIVES[name][0]
    if name == "close":
        assert call(backend, name, arguments, way) is None
    else:
        with pytest.raises(ConnectError):
            call(backend, name, arguments, way)


@each_way
def test_calls_beyond_djangos(lost, way):
    """What only reads, pops or gives another time misses, too."""
    assert "k" not in lost
    for name, args, given in [
        ("ttl", ("k",), 0),
        ("expire", ("k", 5), False),
        ("expire_at", ("k", 10**10), False),
        ("persist", ("k",), False),
        ("pop", ("k", "default"), "default"),
        ("keys", (), []),
    ]:
        assert call(lost, name, args, way) == given


@each_way
def test_calls_beyond_djangos_that_raise(lost, way):
    """What callers go by the answer of is never pretended."""
    for name, args in [
        ("replace", ("k", 1)),
        ("incr_version", ("k",)),
        ("decr_version", ("k",)),
        ("delete_pattern", ("*",)),
        ("delete_prefix", ("",)),
    ]:
        with pytest.raises(TransportError):
            call(lost, name, args, way)


@each_way
def test_get_or_set_with_a_server(make_backend, way):
    """With a server, get_or_set stores what the function returns, once."""
    for options in ({}, own(ignore_errors=True)):
        backend = make_backend(OPTIONS=options)
        backend.delete("k")
        values = iter(["first", "second"])
        for _ in range(2):
            assert call(backend, "get_or_set", ("k", values.__next__), way) == "first"
        assert call(backend, "get_or_set", ("k", None), way) == "first"


def test_get_or_set_computes_once(lost):
    """Without a server the function is called once for each call, and its errors are its own."""
    calls = []
    assert lost.get_or_set("k", lambda: calls.append(1)) is None
    assert calls == [1]

    def fails():
        raise ConnectError("of the function")

    with pytest.raises(ConnectError, match="of the function"):
        lost.get_or_set("k", fails)


@pytest.mark.parametrize(
    ("option", "value"),
    [("ignore_errors", "True"), ("breaker_threshold", -3), ("breaker_reset", "soon")],
)
def test_wrong_options(option, value):
    """A wrong value fails when the site starts, and names the option."""
    with pytest.raises(ImproperlyConfigured, match=f"CACHES: {option} must be"):
        KyotoTycoonCache("127.0.0.1:9", {"OPTIONS": {option: value}})


def test_misspelt_option():
    """So does a misspelt one, with the right one named."""
    with pytest.raises(ImproperlyConfigured, match="did you mean 'ignore_errors'"):
        KyotoTycoonCache("127.0.0.1:9", {"OPTIONS": {"ignore_error": True}})


def test_backend_objects_share_the_breaker(dead_port):
    """Django makes a backend object per thread and task; what one found out counts for all."""
    params = {"OPTIONS": own(breaker_threshold=2, breaker_reset=300)}
    location = f"127.0.0.1:{dead_port}"
    for _ in range(2):
        with pytest.raises(ConnectError):
            KyotoTycoonCache(location, params).get("k")
    with pytest.raises(CircuitOpen):
        KyotoTycoonCache(location, params).get("k")


def test_sessions_are_not_ignored(settings, dead_port):
    """On a cache that ignores errors, sessions raise: nobody is logged out by a failing server."""
    location = f"127.0.0.1:{dead_port}"
    settings.CACHES = {
        "default": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": own(ignore_errors=True)}
    }
    from kt_cache.django.sessions import SessionStore as Engine  # needs the settings

    session = Engine("a" * 32)
    with pytest.raises(SessionUnavailable):
        session.load()
    with pytest.raises(SessionUnavailable):
        session.exists("a" * 32)
    with pytest.raises(SessionUnavailable):
        session.delete("a" * 32)
    records = SessionStore(caches["default"].store, Engine("b" * 32)._records.codec)
    for use in (lambda: records.save("s", {}, 60), lambda: records.save("s", {}, 0)):
        with pytest.raises(SessionUnavailable):
            use()


# ---------------------------------------------------------------- pages

made = []


@cache_page(60)
def cached_page(request):
    made.append("page")
    return HttpResponse("page")


def busy_page(request):
    """A page with as many cache calls as a busy one has."""
    cache = caches["default"]
    for number in range(200):
        cache.get_or_set(f"part-{number}", lambda: "part")
        cache.get_many([f"row-{number}", f"other-{number}"])
        cache.set(f"row-{number}", number, 60)
    return HttpResponse("busy")


urlpatterns = [path("cached", cached_page), path("busy", busy_page)]


def site_on(settings, port: int, **options: Any) -> Client:
    settings.CACHES = {
        "default": {
            "BACKEND": BACKEND,
            "LOCATION": f"127.0.0.1:{port}",
            "OPTIONS": own(ignore_errors=True, **options),
        }
    }
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = []
    return Client()


def test_pages_of_a_dead_server(settings):
    """A page with 600 cache calls costs a few timeouts when the server does not answer."""
    with ScriptedServer(Peer.await_end) as server:
        visitor = site_on(settings, server.port, read_timeout=0.1)
        start = time.monotonic()
        assert visitor.get("/busy").content == b"busy"
        first = time.monotonic() - start
        start = time.monotonic()
        assert visitor.get("/busy").content == b"busy"
        assert visitor.get("/cached").content == b"page"
        second = time.monotonic() - start
    assert 0.3 <= first < 3
    assert second < 2


def test_cached_pages_over_a_restart(settings, tmp_path):
    """cache_page makes the page anew while the server is away, and caches it again afterwards."""
    database = str(tmp_path / "records.sqlite")
    with EmbeddedServer("included", database=database, quiet=True) as server:
        visitor = site_on(settings, server.port, breaker_reset=0.2)
        made.clear()
        for _ in range(3):
            assert visitor.get("/cached").content == b"page"
        assert len(made) == 1
        server.stop()
        for _ in range(10):
            assert visitor.get("/cached").content == b"page"
        assert len(made) == 11
        server.run()

        def is_cached() -> bool:
            before = len(made)
            assert visitor.get("/cached").content == b"page"
            return len(made) == before

        until(is_cached, "the page is cached again")
