"""How values are stored: options of the setting, and records that were tampered with."""

from __future__ import annotations

import asyncio
import logging

import pytest
from django.core.cache import caches

from kt_cache.cache.envelope import unwrap
from kt_cache.cache.log_limit import begin_anew
from kt_cache.django.sessions import SessionStore
from kt_cache.sessions import SessionStore as Records
from tests.django.conftest import BACKEND
from tests.django.session_tools import made
from tests.support.bombs import bomb_payloads

OLD, NEW = "the old signing key", "the new signing key"
VALUE = {"user": 7, "text": "some text, " * 300}
COMPRESSORS = [None, "zlib", "lz4", "zstd"]


@pytest.fixture
def make(make_backend):
    """Make a backend with these OPTIONS and a prefix of its own."""

    def make(prefix="p", **options):
        return make_backend(KEY_PREFIX=prefix, OPTIONS=options)

    return make


def record(backend, key):
    """Return what is stored under a key."""
    return backend.client.get_bytes(backend.make_key(key))


def store(backend, key, data):
    """Put bytes under a key, past the cache."""
    backend.client.set_bytes(backend.make_key(key), data)


class TestRoundTrip:
    @pytest.mark.parametrize("signing_keys", [None, OLD])
    @pytest.mark.parametrize("compressor", COMPRESSORS)
    @pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
    def test_combinations(self, make, serializer, compressor, signing_keys):
        """Every combination works in every call that stores or reads a value."""
        backend = make(serializer=serializer, compressor=compressor, signing_keys=signing_keys)
        backend.set("set", VALUE)
        assert backend.add("add", VALUE)
        backend.set_many({"many": VALUE, "n": 1})
        assert backend.incr("n") == 2
        assert backend.touch("set", 60)
        assert backend.get("add") == VALUE
        assert backend.get_or_set("default", lambda: VALUE) == VALUE
        keys = ["set", "add", "many", "default"]
        assert backend.get_many([*keys, "n"]) == {**dict.fromkeys(keys, VALUE), "n": 2}
        assert (len(record(backend, "set")) < 500) == (compressor is not None)

    async def _through_the_loop(self, backend):
        await backend.aset("set", VALUE)
        assert await backend.aadd("add", VALUE)
        await backend.aset_many({"many": VALUE, "n": 1})
        assert await backend.aincr("n") == 2
        assert await backend.aget("set") == VALUE
        return await backend.aget_many(["set", "add", "many", "n"])

    def test_async(self, make):
        """The a-methods store and read the same records."""
        backend = make(compressor="zlib", signing_keys=OLD)
        found = asyncio.run(self._through_the_loop(backend))
        assert found == {"set": VALUE, "add": VALUE, "many": VALUE, "n": 2}
        assert backend.get("set") == VALUE

    def test_further_calls(self, make, caplog):
        """Values with tags, protected, moved, popped and replaced ones are signed ones, too."""
        backend = make(compressor="zlib", signing_keys=OLD)
        backend.set("tagged", VALUE, tags=["t"])
        backend.get_or_set("made", lambda: VALUE, 60, tags=["t"], lock=True, beta=1.0)
        assert backend.get_many(["tagged", "made"]) == {"tagged": VALUE, "made": VALUE}
        backend.set("moved", VALUE)
        assert backend.incr_version("moved") == 2
        assert backend.get("moved", version=2) == VALUE
        assert backend.set("moved", "new", version=2, xx=True)
        assert backend.pop("moved", version=2) == "new"
        backend.delete_tag("t")
        assert backend.get_many(["tagged", "made"]) == {}
        assert not caplog.records

    def test_raw(self, make):
        """Raw values are bytes, compressed on their way if so configured."""
        backend = make(serializer="raw", compressor="zlib")
        backend.set("k", b"\x00" * 5000)
        assert len(record(backend, "k")) < 100
        assert backend.get("k") == b"\x00" * 5000
        with pytest.raises(ValueError, match="stores bytes alone, not str"):
            backend.set("k", "text")


class TestTampering:
    def test_every_bit(self, make, caplog):
        """Of a signed value's record no bit of the payload can be flipped: each is a miss."""
        backend = make(signing_keys=OLD)
        backend.set("k", {"user": 7})
        whole = record(backend, "k")
        start = len(whole) - len(unwrap(whole)[0])
        assert backend.get("k") == {"user": 7}
        for place in range(start, len(whole)):
            for bit in range(8):
                flipped = bytearray(whole)
                flipped[place] ^= 1 << bit
                store(backend, "k", bytes(flipped))
                assert backend.get("k", "miss") == "miss"
        lines = [line.getMessage() for line in caplog.records]
        # A line for each of: a wrong signature, none, and what looks like notes beside a value.
        assert len(set(lines)) == len(lines) == 3
        assert not any("user" in line.getMessage() for line in caplog.records)

    @pytest.mark.parametrize("read", ["get", "get_many", "has_key"])
    def test_copied_to_another_key(self, make, read, caplog):
        """A signed value copied to another key, version or prefix is a miss and one log line."""
        backend, other = make(signing_keys=OLD), make("other", signing_keys=OLD)
        backend.set("alice", {"admin": True})
        copies = [(backend, "bob", None), (backend, "alice", 2), (other, "alice", None)]
        for cache, key, version in copies:
            stored = cache.make_key(key, version)
            cache.client.set_bytes(stored, record(backend, "alice"))
            caplog.clear()
            begin_anew()
            with caplog.at_level(logging.DEBUG, "kt_cache"):
                if read == "get":
                    assert cache.get(key, version=version) is None
                elif read == "get_many":
                    assert cache.get_many([key], version=version) == {}
                else:
                    assert not cache.has_key(key, version=version)
            (line,) = caplog.records
            assert "signature fits none of the signing keys" in line.getMessage()
        assert backend.get("alice") == {"admin": True}

    def test_unsigned_is_a_miss(self, make, caplog):
        """Where signatures are required a value without one is a miss, and the other way round."""
        signing, plain = make(signing_keys=OLD), make()
        plain.set("k", VALUE)
        assert signing.get("k") is None
        signing.set("k", VALUE)
        assert signing.get("k") == VALUE
        assert plain.get("k") is None
        assert len(caplog.records) == 2

    def test_rotation(self, make, caplog):
        """A value of a listed key is read, and one of a retired key is a miss."""
        make(signing_keys=OLD).set("k", VALUE)
        assert make(signing_keys=[NEW, OLD]).get("k") == VALUE
        assert not caplog.records
        assert make(signing_keys=[NEW]).get("k") is None
        assert len(caplog.records) == 1

    @pytest.mark.parametrize(
        "options",
        [
            {"serializer": "json"},
            {"serializer": "json", "compressor": "zstd", "read_compressors": ["lz4", "zlib"]},
            {"serializer": "raw", "read_serializers": ["json"], "compressor": "lz4"},
            {"serializer": "pickle", "signing_keys": OLD, "compressor": "zlib"},
        ],
        ids=["json", "compressed", "raw", "signed"],
    )
    def test_bombs(self, make, options, tmp_path):
        """Pickles put on the server by a stranger are never run."""
        backend = make(**options)
        payloads = dict(enumerate(bomb_payloads(tmp_path / "bang")))
        for number, data in payloads.items():
            store(backend, number, data)
        backend.get_many(payloads)
        for number in payloads:
            backend.get(number)
        assert list(tmp_path.iterdir()) == []


class TestMigration:
    def test_serializer(self, make, caplog):
        """Values of the serializer before are read if it is named, and missing if not."""
        make(serializer="pickle").set("k", VALUE)
        assert make(serializer="json", read_serializers=["pickle"]).get("k") == VALUE
        assert not caplog.records
        assert make(serializer="json").get("k") is None
        assert len(caplog.records) == 1

    def test_compressor(self, make):
        """The same for compressors; plain values are readable in any case."""
        make(compressor="zlib").set("k", VALUE)
        assert make(compressor="zstd", read_compressors=["zlib"]).get("k") == VALUE
        assert make(compressor="zstd").get("k") is None
        make().set("k", VALUE)
        assert make(compressor="zstd").get("k") == VALUE


class TestSessions:
    @pytest.fixture
    def sign(self, session_site, location):
        """Set the options of the cache that sessions are kept with."""

        def sign(**options):
            session_site.CACHES = {
                "default": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": options}
            }

        return sign

    def test_they_are_signed(self, sign, caplog):
        """Sessions are compressed and signed as values are: a forged one is no session."""
        sign(signing_keys=OLD, compressor="zlib")
        victim, attacker = made(user=1, text="x" * 5000), made(user=2)
        assert SessionStore(victim)["user"] == 1
        client = caches["default"].client
        stored = client.get_bytes(Records.record_key(victim))
        assert len(stored) < 500
        client.set_bytes(Records.record_key(attacker), stored)
        assert SessionStore(attacker).get("user") is None
        client.set_bytes(Records.record_key(attacker), b'\x8f{"user":1}')
        assert SessionStore(attacker).get("user") is None
        assert len(caplog.records) == 1  # one line in half a minute
        assert victim not in caplog.text
        assert attacker not in caplog.text

    def test_rotation(self, sign):
        """Sessions outlive a new key in front of theirs."""
        sign(signing_keys=OLD)
        key = made(user=1)
        sign(signing_keys=[NEW, OLD])
        session = SessionStore(key)
        assert session["user"] == 1
        session["user"] = 2
        session.save()
        sign(signing_keys=[NEW])
        assert SessionStore(key)["user"] == 2

    def test_the_serializer_is_djangos(self, sign):
        """The cache's serializers play no part in sessions."""
        sign(serializer="pickle", read_serializers=["json"])
        key = made(user=1)
        stored = caches["default"].client.get_bytes(Records.record_key(key))
        assert unwrap(stored)[0] == b'\x8f{"user":1}'
