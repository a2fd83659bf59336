"""What the CACHES setting may say, and what is said about mistakes in it."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from kt_cache import KyotoTycoon
from kt_cache.cache.locations import POOL_OPTIONS
from kt_cache.django import KyotoTycoonCache
from kt_cache.errors import KTError
from kt_cache.serializers import Serializer
from kt_cache.transport import get_pool
from tests.django.conftest import BACKEND

EXAMPLES = {
    "connect_timeout": 1,
    "read_timeout": 2.5,
    "call_timeout": 4,
    "max_size": 7,
    "max_waiting": 0,
    "max_idle": 60,
    "max_lifetime": 600,
}


class TestLocation:
    @pytest.mark.parametrize("form", ["{}", "kt://{}", "kt://{}/", "kt://{}/0", "{}/0"])
    def test_forms(self, settings, location, form):
        """Each documented form of LOCATION leads to the server."""
        settings.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": form.format(location)}}
        caches["default"].set("k", "v")
        assert caches["default"].get("k") == "v"

    def test_ipv6(self):
        """An IPv6 address stands in brackets."""
        backend = KyotoTycoonCache("kt://[::1]:1979/3", {})
        assert (backend.store.config.host, backend.store.config.port) == ("::1", 1979)
        assert backend.store.db == 3

    @pytest.mark.parametrize(
        ("location", "problem"),
        [
            ("", "must be 'host:port' or 'kt://host:port/db'"),
            (["a:1978", "b:1978"], "must be 'host:port'"),
            ("localhost:port", "port must be a number"),
            ("localhost:0", "port must be a number"),
            ("::1:1978", "IPv6 address in brackets"),
            ("[::1", "IPv6 address in brackets"),
            ("redis://localhost", "unknown scheme 'redis'"),
            ("localhost/name", "database in the location must be its index"),
            ("localhost/70000", "database in the location must be its index"),
        ],
    )
    def test_mistakes(self, settings, location, problem):
        """A LOCATION that is not understood is ImproperlyConfigured and says why."""
        settings.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": location}}
        with pytest.raises(ImproperlyConfigured, match=problem) as caught:
            caches["default"]
        assert str(caught.value).startswith("CACHES: ")

    def test_missing(self, settings):
        """A cache without LOCATION is ImproperlyConfigured, not a server picked silently."""
        settings.CACHES = {"default": {"BACKEND": BACKEND}}
        with pytest.raises(ImproperlyConfigured, match="location must be"):
            caches["default"]


class TestOptions:
    def test_examples_are_complete(self):
        """The options below are all that the connections have."""
        assert set(EXAMPLES) == POOL_OPTIONS

    def test_all_are_taken(self, make_backend):
        """Each option reaches the connections, and the cache works with all of them set."""
        backend = make_backend(OPTIONS={**EXAMPLES, "serializer": "json"})
        for name, value in EXAMPLES.items():
            assert getattr(backend.store.config, name) == value
        backend.set("k", {"a": (1, 2)})
        assert backend.get("k") == {"a": [1, 2]}

    @pytest.mark.parametrize(
        ("option", "hint"),
        [
            ("SERIALIZER", "did you mean 'serializer'?"),
            ("COMPRESSOR", "did you mean 'compressor'?"),
            ("signing_key", "did you mean 'signing_keys'?"),
            ("serialiser", "did you mean 'serializer'?"),
            ("read_timout", "did you mean 'read_timeout'?"),
            ("SIGNING_KEY", "did you mean 'signing_keys'?"),
            ("COMPRESSORS", "did you mean 'compressor'?"),
            ("IGNORE_ERROR", "did you mean 'ignore_errors'?"),
            ("colour", "known are: breaker_reset, breaker_threshold, call_timeout,"),
            ("SOCKET_TIMEOUT", "kt_cache calls it 'read_timeout'"),
            ("SOCKET_CONNECT_TIMEOUT", "kt_cache calls it 'connect_timeout'"),
            ("IGNORE_EXCEPTIONS", "kt_cache calls it 'ignore_errors'"),
            ("max_pool_size", "kt_cache calls it 'max_size'"),
            ("CONNECTION_POOL_KWARGS", "remove it: connections are always pooled; "),
            ("CLIENT_CLASS", "remove it: there is one client; "),
            ("PASSWORD", "remove it: the server knows no users; "),
            ("MAX_ENTRIES", "remove it: the server, not the client, decides "),
            ("CULL_FREQUENCY", "remove it: the server, not the client, decides "),
            ("db", "remove it: the database is in the location: kt://host:port/1"),
            ("key_prefix", "'KEY_PREFIX' stands beside OPTIONS"),
            ("TIMEOUT", "'TIMEOUT' stands beside OPTIONS, and how long to wait for the server"),
            ("timeout", "'TIMEOUT' stands beside OPTIONS, and how long to wait for the server"),
        ],
    )
    def test_unknown(self, settings, location, option, hint):
        """An unknown option is ImproperlyConfigured and names it with the nearest right one."""
        settings.CACHES = {
            "default": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": {option: 1}}
        }
        with pytest.raises(ImproperlyConfigured) as caught:
            caches["default"]
        assert str(caught.value).startswith(f"CACHES: unknown option {option!r}; {hint}")

    @pytest.mark.parametrize(
        ("entry", "hint"),
        [
            ("ignore_errors", "'ignore_errors' belongs into OPTIONS"),
            ("SERIALIZER", "'serializer' belongs into OPTIONS"),
            ("KEY_PREFX", "did you mean 'KEY_PREFIX'?"),
            ("key_prefix", "did you mean 'KEY_PREFIX'?"),
            ("OPTION", "did you mean 'OPTIONS'?"),
            ("Timeout", "did you mean 'TIMEOUT'?"),
            ("IGNORE_EXCEPTIONS", "kt_cache calls it 'ignore_errors'"),
            ("colour", "known are: BACKEND, KEY_FUNCTION, KEY_PREFIX, LOCATION, OPTIONS, REVERSE"),
        ],
    )
    def test_unknown_beside(self, settings, location, entry, hint):
        """A name beside OPTIONS that nobody knows is refused in the same way."""
        settings.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": location, entry: True}}
        with pytest.raises(ImproperlyConfigured) as caught:
            caches["default"]
        assert str(caught.value).startswith(f"CACHES: unknown entry {entry!r} beside OPTIONS; ")
        assert hint in str(caught.value)

    def test_known_beside(self, settings, location):
        """All that Django takes beside OPTIONS is taken, the old small names too."""
        known = {"TIMEOUT": 5, "KEY_PREFIX": "p", "VERSION": 2, "KEY_FUNCTION": None}
        old = {"timeout": 7, "max_entries": 10, "cull_frequency": 2}
        entry = {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": {}, **known}
        settings.CACHES = {"default": entry, "old": {**entry, **old}}
        assert caches["default"].default_timeout == 5
        assert caches["old"].default_timeout == 7

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("read_timeout", "fast"),
            ("call_timeout", 0),
            ("connect_timeout", None),
            ("max_size", -1),
            ("serializer", "yaml"),
            ("serializer", 3),
        ],
    )
    def test_bad_value(self, make_backend, option, value):
        """A value that cannot be is ImproperlyConfigured and names the option."""
        with pytest.raises(ImproperlyConfigured, match=option):
            make_backend(OPTIONS={option: value})

    def test_the_setting_is_not_changed(self, make_backend):
        """The dictionaries of the setting are left as they are."""
        options = {"serializer": "json", "read_timeout": 2}
        params = {"OPTIONS": options, "KEY_PREFIX": "p"}
        make_backend(**params)
        make_backend(**params)
        assert options == {"serializer": "json", "read_timeout": 2}

    def test_own_serializer(self, make_backend):
        """A serializer object of one's own is used for everything but counters."""
        rot = Serializer("upper", lambda value: value.upper().encode(), lambda data: data.decode())
        backend = make_backend(OPTIONS={"serializer": rot})
        backend.set_many({"k": "text", "n": 5})
        assert backend.get_many(["k", "n"]) == {"k": "TEXT", "n": 5}

    def test_no_server_at_start(self, settings):
        """A site starts without its server; only a call fails, and names the address."""
        settings.CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": "127.0.0.1:9"}}
        backend = caches["default"]
        with pytest.raises(KTError, match=r"127\.0\.0\.1:9"):
            backend.get("k")

    @pytest.mark.parametrize("options", [None, "serializer", ["serializer"], 5])
    def test_not_a_dictionary(self, make_backend, options):
        """OPTIONS that are no dictionary are ImproperlyConfigured."""
        with pytest.raises(ImproperlyConfigured, match="OPTIONS must be a dictionary"):
            make_backend(OPTIONS=options)


CLIENT = KyotoTycoon("127.0.0.1", 19, default_db=3)


class TestClient:
    """A ready-made client instead of a location."""

    @pytest.fixture
    def client(self, location):
        host, port = location.split(":")
        return KyotoTycoon(host, int(port), timeout=3)

    def test_its_connections_are_used(self, client):
        """The cache works through the client's pool, and on its database."""
        backend = KyotoTycoonCache("", {"OPTIONS": {"client": client, "serializer": "json"}})
        backend.set("k", (1, 2))
        assert backend.get("k") == [1, 2]
        assert get_pool(backend.store.config) is get_pool(client.config)
        assert client.get_bytes(backend.make_key("k")) is not None
        assert backend.get_client().config is client.config

    @pytest.mark.parametrize("given", [CLIENT, "tests.django.test_options.CLIENT"])
    def test_object_and_path(self, given):
        """It is an object, or where to import it from."""
        backend = KyotoTycoonCache("", {"OPTIONS": {"client": given}})
        assert backend.store.config == CLIENT.config
        assert backend.client.default_db == 3

    def test_none(self, location):
        """None is as if the option were not there."""
        backend = KyotoTycoonCache(location, {"OPTIONS": {"client": None}})
        assert backend.store.config.address == location

    def test_errors_can_be_ignored(self):
        """What is to happen when the server fails can be said beside it."""
        backend = KyotoTycoonCache("", {"OPTIONS": {"client": CLIENT, "ignore_errors": True}})
        assert backend.get("k", "default") == "default"

    @pytest.mark.parametrize(
        ("location", "options", "problem"),
        [
            ("127.0.0.1:1978", {"client": CLIENT}, "remove LOCATION"),
            ("", {"client": CLIENT, "read_timeout": 1}, "a 'read_timeout' of its own; remove"),
            ("", {"client": object()}, "client must be a kt_cache.KyotoTycoon, not <object"),
            ("", {"client": "tests.django.nothing.CLIENT"}, "client: .* No module named"),
            ("", {"client": "tests.django.test_options.NOTHING"}, "client: .* nothing named"),
            ("", {"client": "CLIENT"}, "client: cannot import 'CLIENT': a dotted path names a mod"),
            ("", {"client": None}, "the location must be"),
        ],
    )
    def test_mistakes(self, location, options, problem):
        """What says two things, or is no client, is ImproperlyConfigured."""
        with pytest.raises(ImproperlyConfigured, match=problem):
            KyotoTycoonCache(location, {"OPTIONS": options})


class TestSharedConnections:
    def test_equal_settings_share(self, settings, location):
        """Aliases of equal location and options share a pool, whatever else differs."""
        same = {"BACKEND": BACKEND, "OPTIONS": {"read_timeout": 3}}
        settings.CACHES = {
            "one": {**same, "LOCATION": location},
            "two": {**same, "LOCATION": f"kt://{location}/0", "KEY_PREFIX": "p", "TIMEOUT": 5},
            "default": {**same, "LOCATION": location, "OPTIONS": {"read_timeout": 4}},
        }
        pools = {name: get_pool(caches[name].store.config) for name in settings.CACHES}
        assert pools["one"] is pools["two"]
        assert pools["one"] is not pools["default"]

    def test_close_keeps_connections(self, make_backend):
        """close(), which Django calls after every request, leaves the connections open."""
        backend = make_backend(OPTIONS={"max_size": 3})
        backend.set("k", "v")
        before = get_pool(backend.store.config).stats
        for _ in range(10):
            backend.close()
            backend.close(signal=None, sender=None)
            assert backend.get("k") == "v"
        after = get_pool(backend.store.config).stats
        assert (after.connects, after.discards) == (before.connects, before.discards)
        assert before.connects >= 1

    def test_new_backend_objects_connect_no_more(self, make_backend):
        """Django makes a backend object per thread; they use the connections there are."""
        options = {"max_size": 4}
        make_backend(OPTIONS=options).set("k", "v")
        pool = get_pool(make_backend(OPTIONS=options).store.config)
        before = pool.stats.connects
        for _ in range(20):
            assert make_backend(OPTIONS=options).get("k") == "v"
        assert pool.stats.connects == before
