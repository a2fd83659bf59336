"""Location strings and options."""

from __future__ import annotations

import pytest

from kt_cache.cache import open_store
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.locations import POOL_OPTIONS
from kt_cache.errors import ConfigError
from kt_cache.transport import get_pool


class TestLocations:
    @pytest.mark.parametrize(
        ("location", "host", "port", "db"),
        [
            ("127.0.0.1:1979", "127.0.0.1", 1979, 0),
            ("cache.example.com:1979", "cache.example.com", 1979, 0),
            ("localhost", "localhost", 1978, 0),
            ("localhost:", "localhost", 1978, 0),
            ("localhost:1979/3", "localhost", 1979, 3),
            ("kt://localhost", "localhost", 1978, 0),
            ("kt://localhost/", "localhost", 1978, 0),
            ("kt://localhost:1979", "localhost", 1979, 0),
            ("kt://localhost:1979/0", "localhost", 1979, 0),
            ("kt://localhost:1979/7/", "localhost", 1979, 7),
            ("kt://localhost/65535", "localhost", 1978, 65535),
            ("KT://localhost:1979/2", "localhost", 1979, 2),
            ("  localhost:1979\n", "localhost", 1979, 0),
            ("[::1]:1979", "::1", 1979, 0),
            ("[::1]", "::1", 1978, 0),
            ("kt://[2001:db8::7]:1979/4", "2001:db8::7", 1979, 4),
            ("kt://[fe80::1%eth0]:1979", "fe80::1%eth0", 1979, 0),
        ],
    )
    def test_understood(self, location, host, port, db):
        """Each documented form names a host, a port and a database."""
        store = open_store(location)
        assert isinstance(store, KyotoStore)
        assert (store.config.host, store.config.port, store.db) == (host, port, db)

    @pytest.mark.parametrize(
        ("location", "problem"),
        [
            ("", "must be 'host:port' or 'kt://host:port/db', not ''"),
            ("   ", "must be 'host:port'"),
            (None, "must be 'host:port' or 'kt://host:port/db', not None"),
            (["a:1", "b:1"], r"must be 'host:port' .* not \['a:1', 'b:1'\]"),
            ("redis://localhost:6379/0", "unknown scheme 'redis' in the location; known are: kt"),
            ("http://localhost", "unknown scheme 'http'"),
            ("kt://", "lacks a host"),
            ("kt://:1978", "lacks a host"),
            ("/var/run/kt.sock", "lacks a host"),
            ("localhost:0", "port must be a number from 1 to 65535"),
            ("localhost:65536", "port must be a number from 1 to 65535"),
            ("localhost:http", "port must be a number from 1 to 65535"),
            ("localhost:-1", "port must be a number from 1 to 65535"),
            ("::1", r"write an IPv6 address in brackets, as in '\[::1\]:1978'"),
            ("::1:1978", "write an IPv6 address in brackets"),
            ("[::1", "write an IPv6 address in brackets"),
            ("kt://[not-an-address]:1", "write an IPv6 address in brackets"),
            ("[localhost]", "write an IPv6 address in brackets"),
            ("localhost/one", "database in the location must be its index, .* not 'one'"),
            ("localhost/-1", "database in the location must be its index"),
            ("localhost/65536", "database in the location must be its index, 0 to 65535"),
            ("localhost/1/2", "database in the location must be its index"),
            ("localhost/\N{ARABIC-INDIC DIGIT THREE}", "must be its index"),
            ("kt://user:secret@localhost", "a host, a port and a database, nothing else"),
            ("kt://@localhost", "nothing else"),
            ("localhost?timeout=3", "nothing else"),
            ("localhost#1", "nothing else"),
            ("a:1978,b:1978", "nothing else"),
            ("a:1978;b:1978", "nothing else"),
            ("local host:1978", "nothing else"),
        ],
    )
    def test_not_understood(self, location, problem):
        """What is not understood is refused at once, and the message says what is wrong."""
        with pytest.raises(ConfigError, match=problem) as caught:
            open_store(location)
        assert "secret" not in str(caught.value)

    def test_nothing_is_connected(self):
        """Opening a store connects to nothing, so a site starts without its cache server."""
        store = open_store("kt://127.0.0.1:9/0")
        assert get_pool(store.config).stats.connects == 0


class TestOptions:
    def test_every_option_is_taken(self):
        """Each option for the connections reaches the pool's configuration."""
        for name in POOL_OPTIONS:
            store = open_store("localhost:1979", {name: 7})
            assert getattr(store.config, name) == 7

    @pytest.mark.parametrize(
        ("option", "hint"),
        [
            ("read_timout", "did you mean 'read_timeout'?"),
            ("conect_timeout", "did you mean 'connect_timeout'?"),
            ("maxsize", "did you mean 'max_size'?"),
            ("MAX_SIZE", "did you mean 'max_size'?"),
            ("MAX_ENTRIES", "remove it: "),
            ("prefix", "known are: breaker_reset, breaker_threshold, call_timeout"),
        ],
    )
    def test_unknown_option(self, option, hint):
        """An unknown option is refused; the message names it and the nearest one, or all."""
        with pytest.raises(ConfigError) as caught:
            open_store("localhost", {option: 1})
        assert str(caught.value).startswith(f"unknown option {option!r}; {hint}")

    @pytest.mark.parametrize("option", ["host", "port"])
    def test_place_is_not_an_option(self, option):
        """Host and port come from the location alone."""
        with pytest.raises(ConfigError, match="unknown option"):
            open_store("localhost", {option: 1})

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("read_timeout", 0),
            ("read_timeout", "5"),
            ("connect_timeout", None),
            ("call_timeout", float("inf")),
            ("max_idle", float("nan")),
            ("max_lifetime", -1),
            ("max_size", 0),
            ("max_size", 2.5),
            ("max_size", True),
            ("max_waiting", -1),
        ],
    )
    def test_bad_value(self, option, value):
        """A value out of range is refused; the message names the option."""
        with pytest.raises(ConfigError, match=option):
            open_store("localhost", {option: value})

    def test_equal_settings_share_a_pool(self):
        """Stores of equal settings share connections, whichever database they use."""
        one = open_store("127.0.0.1:1979/0", {"read_timeout": 3})
        two = open_store("kt://127.0.0.1:1979/5", {"read_timeout": 3.0})
        other = open_store("127.0.0.1:1979", {"read_timeout": 4})
        assert get_pool(one.config) is get_pool(two.config)
        assert get_pool(one.config) is not get_pool(other.config)
