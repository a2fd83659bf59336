"""From options to a codec: what may be said, and what is said about mistakes."""

from __future__ import annotations

import base64
import json
import pickle
from collections import OrderedDict
from contextlib import suppress

import pytest

from kt_cache.cache import CODEC_OPTIONS, Codec, pop_codec
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE, Serializer
from tests.cache.values import SERIALIZERS
from tests.support.bombs import bomb_payloads

KEY = b":1:key"
HERE = __name__
LONG = {"text": "x" * 5000}


class Dumping:
    """A serializer as django-redis and Django have them."""

    def dumps(self, value):
        return base64.b64encode(json.dumps(value).encode())

    def loads(self, data):
        return json.loads(base64.b64decode(data, validate=True))


class Packing:
    """A serializer as the clients take it."""

    pack = Dumping.dumps
    unpack = Dumping.loads


class Encoding:
    """A serializer with the remaining pair of names."""

    encode = Dumping.dumps
    decode = Dumping.loads


class Demanding(Dumping):
    """A serializer that cannot be made without arguments."""

    def __init__(self, options):
        self.options = options


class Texting:
    """A serializer that makes text of values, which is not bytes."""

    dumps = staticmethod(json.dumps)
    loads = staticmethod(json.loads)


READY = Serializer("mine", Dumping().dumps, Dumping().loads)
NOT_ONE = 7


def codec(**options):
    """Return the codec of these options, all of which are taken."""
    made = pop_codec(options)
    assert options == {}
    return made


class TestSerializer:
    def test_default_is_pickle(self):
        """Without options values are pickled, neither compressed nor signed."""
        assert codec().encode(LONG, KEY) == b"\x81" + pickle.dumps(LONG, pickle.HIGHEST_PROTOCOL)

    @pytest.mark.parametrize("name", SERIALIZERS)
    def test_names(self, name):
        """Each name is the serializer of that name."""
        assert codec(serializer=name).encode("text", KEY) == Codec(name).encode("text", KEY)

    @pytest.mark.parametrize("name", sorted(CODEC_OPTIONS))
    def test_none_is_the_default(self, name):
        """An option that is None is as one that is not there."""
        assert codec(**{name: None}).encode(LONG, KEY) == codec().encode(LONG, KEY)

    def test_raw(self):
        """Raw is bytes in and bytes out, and nothing else but counters."""
        raw = codec(serializer="raw")
        for value in (b"\x00\xff", bytearray(b"abc"), memoryview(b"abc")):
            payload = raw.encode(value, KEY)
            assert raw.decode(payload, KEY) == bytes(value)
            assert codec(serializer="none").decode(payload, KEY) == bytes(value)
        assert raw.decode(raw.encode(5, KEY), KEY) == 5
        for value in ("text", 1.5, True, None, [b"a"]):
            with pytest.raises(EncodeError, match="raw serializer stores bytes alone"):
                raw.encode(value, KEY)

    @pytest.mark.parametrize("kind", [Dumping, Packing, Encoding])
    def test_own_classes_and_objects(self, kind):
        """A class by its dotted path, a class, and an object of it are the same serializer."""
        payload = codec(serializer=kind()).encode(LONG, KEY)
        for given in (f"{HERE}.{kind.__name__}", kind, kind()):
            own = codec(serializer=given)
            assert own.encode(LONG, KEY) == payload
            assert own.decode(payload, KEY) == LONG
            assert own.decode(b"12", KEY) == 12
            with pytest.raises(DecodeError, match="not"):
                own.decode(payload[:-1], KEY)

    def test_other_paths(self):
        """A dotted path may lead to a ready object, and to a module."""
        assert codec(serializer=f"{HERE}.READY").decode(b"\x8fWzFd", KEY) == [1]
        module = codec(serializer="tests.cache.serializing")
        assert module.decode(module.encode({"a": 1}, KEY), KEY) == {"a": 1}

    def test_own_errors_are_ours(self):
        """Whatever a serializer of one's own raises becomes our error."""
        own = codec(serializer=Serializer("mine", lambda value: 1 / 0, lambda data: 1 / 0))
        with pytest.raises(EncodeError, match="mine cannot encode dict"):
            own.encode({}, KEY)
        with pytest.raises(DecodeError, match="not mine"):
            own.decode(b"\x8f", KEY)
        with pytest.raises(EncodeError, match="made str instead of bytes"):
            codec(serializer=Texting()).encode({}, KEY)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ("yaml", r"unknown serializer 'yaml' .*; known are: binary, json, msgpack, none, pick"),
            ("jsn", r"unknown serializer 'jsn' .*; did you mean 'json'\?"),
            ("PICKLE", r"unknown serializer 'PICKLE' .*; did you mean 'pickle'\?"),
            ("no.such.module", "cannot import 'no.such.module'"),
            (f"{HERE}.Missing", "has nothing named 'Missing'"),
            (f"{HERE}.NOT_ONE", "is not a serializer; it needs the methods dumps and loads"),
            (f"{HERE}.Demanding", "Demanding is called without arguments, which fails"),
            (".relative", "cannot import '.relative'"),
            (3, "3 is not a serializer"),
            (b"json", "b'json' is not a serializer"),
            (object(), "is not a serializer"),
        ],
    )
    def test_mistakes(self, given, problem):
        """A serializer that is not understood is a ConfigError that names the option."""
        with pytest.raises(ConfigError, match=f"^serializer: .*{problem}"):
            codec(serializer=given)
        with pytest.raises(ConfigError, match=f"^read_serializers: .*{problem}"):
            codec(read_serializers=[given])


class TestReadSerializers:
    def test_off_by_default(self):
        """A value of another serializer is refused unless that one is named."""
        payload = codec(serializer="json").encode(LONG, KEY)
        with pytest.raises(DecodeError):
            codec(serializer="msgpack").decode(payload, KEY)

    def test_migration(self):
        """With the old serializer named, its values are read and new ones are written."""
        old = codec(serializer=KT_PICKLE)
        new = codec(serializer="json", read_serializers=["pickle", f"{HERE}.Dumping"])
        own = codec(serializer=Dumping())
        for writer in (old, own):
            assert new.decode(writer.encode(LONG, KEY), KEY) == LONG
        assert new.encode(LONG, KEY) == codec(serializer=KT_JSON).encode(LONG, KEY)
        with pytest.raises(DecodeError):
            new.decode(codec(serializer="msgpack").encode(LONG, KEY), KEY)

    def test_the_same_again(self):
        """Naming the serializer that writes, or one twice, changes nothing."""
        for given in ("json", Dumping()):
            both = codec(serializer=given, read_serializers=[given, "pickle", "pickle"])
            assert both.decode(both.encode(LONG, KEY), KEY) == LONG
            assert both.decode(codec().encode(LONG, KEY), KEY) == LONG

    @pytest.mark.parametrize(
        ("one", "other"), [(Dumping(), Packing()), ("raw", "none")], ids=["own", "raw"]
    )
    def test_ambiguous(self, one, other):
        """Two serializers whose values look alike cannot be read side by side."""
        with pytest.raises(ConfigError, match=r"^read_serializers: .* cannot be told apart"):
            codec(serializer=one, read_serializers=[other])

    @pytest.mark.parametrize("given", ["pickle", {"pickle"}, 1])
    def test_must_be_a_list(self, given):
        """A single name is not a list of them."""
        with pytest.raises(ConfigError, match="read_serializers must be a list, not"):
            codec(read_serializers=given)

    @pytest.mark.parametrize("compressor", [None, "zlib", "lz4", "zstd"])
    def test_no_bomb_goes_off(self, compressor, tmp_path):
        """Whatever is configured, pickle never runs where it is not named."""
        keys = "0123456789abcdef"
        for options in (
            {"serializer": "json", "read_serializers": ["msgpack", "none"]},
            {"serializer": "raw", "read_serializers": ["json", Dumping]},
            {"serializer": "pickle", "signing_keys": keys},
            {"serializer": "json", "read_serializers": ["pickle"], "signing_keys": [keys]},
        ):
            careful = codec(**options, compressor=compressor)
            for payload in bomb_payloads(tmp_path / "bang"):
                with suppress(DecodeError):  # raw bytes, for one, are what they are
                    careful.decode(payload, KEY)
        assert list(tmp_path.iterdir()) == []


class TestCompression:
    @pytest.mark.parametrize("name", ["zlib", "lz4", "zstd"])
    def test_names(self, name):
        """A named compressor shrinks values from 1024 bytes on."""
        made = codec(serializer="raw", compressor=name)
        assert len(made.encode(b"x" * 1024, KEY)) < 100
        assert made.encode(b"x" * 1023, KEY) == b"\x84" + b"x" * 1023

    def test_sizes(self):
        """Threshold and limit are what they are set to."""
        made = codec(
            serializer="raw", compressor="zlib", compress_threshold=10, decompress_limit=100
        )
        assert made.encode(b"x" * 100, KEY)[:1] == b"\xa1"
        assert made.encode(b"x" * 101, KEY)[:1] == b"\x84"
        large = codec(serializer="raw", compressor="zlib").encode(b"x" * 2000, KEY)
        with pytest.raises(DecodeError, match="decompress_limit"):
            made.decode(large, KEY)

    @pytest.mark.parametrize("none", [None, "none"])
    def test_none(self, none):
        """None, by value or name, turns compression off; others can still be read."""
        payload = codec(compressor="zlib").encode(LONG, KEY)
        assert codec(compressor=none).encode(LONG, KEY) == codec().encode(LONG, KEY)
        with pytest.raises(DecodeError):
            codec(compressor=none).decode(payload, KEY)
        assert codec(compressor=none, read_compressors=["zlib"]).decode(payload, KEY) == LONG

    @pytest.mark.parametrize(
        ("option", "given", "problem"),
        [
            ("compressor", "gzip", "no compressor 'gzip'; known are: lz4, zlib, zstd"),
            ("compressor", "ZLIB", "did you mean 'zlib'"),
            ("compressor", "django_redis.compressors.zlib.ZlibCompressor", "known are: lz4"),
            ("compressor", True, "one of lz4, zlib, zstd, not True"),
            ("read_compressors", ["lz5"], "did you mean 'lz4'"),
            ("read_compressors", "zlib", "must be a list, not str"),
            ("compress_threshold", -1, "whole number of bytes from 0 to 1073741824, not -1"),
            ("compress_threshold", "1 kB", "whole number of bytes"),
            ("compress_threshold", True, "whole number of bytes"),
            ("decompress_limit", 0, "whole number of bytes from 1 to"),
            ("decompress_limit", 2**40, "whole number of bytes"),
        ],
    )
    def test_mistakes(self, option, given, problem):
        """A value that cannot be is a ConfigError that names the option."""
        with pytest.raises(ConfigError, match=f"^{option}.*{problem}"):
            codec(**{option: given})


class TestSigningKeys:
    @pytest.mark.parametrize(
        "given", ["0123456789abcdef", b"0123456789abcdef", ("0123456789abcdef",)]
    )
    def test_one_key(self, given):
        """One key may be given as it is, as text or bytes."""
        payload = codec(signing_keys=["0123456789abcdef"]).encode(LONG, KEY)
        assert codec(signing_keys=given).decode(payload, KEY) == LONG
        with pytest.raises(DecodeError):
            codec().decode(payload, KEY)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ([], "at least one signing key"),
            ("", "at least 16 bytes, not 0"),
            (["hunter2"], "at least 16 bytes, not 7"),
            ([None], "text or bytes, not NoneType"),
            (12345678901234567890, "must be a list, not int"),
            ({"hunter2hunter2hunter2": 1}, "must be a list, not dict"),
        ],
    )
    def test_mistakes(self, given, problem):
        """An empty, short or strange setting is an error that does not show it, never unsigned."""
        with pytest.raises(ConfigError, match=f"^signing_keys.*{problem}") as caught:
            codec(signing_keys=given)
        assert "hunter2" not in str(caught.value)
        assert "1234567890" not in str(caught.value)


class TestStoredValues:
    """Payloads as they have always been written, byte for byte."""

    WRITTEN = (
        (KT_PICKLE, b"\x81\x80\x04}\x8c\x01a](K\x01Nes.", {"a": [1, None]}),
        (KT_JSON, b'\x82{"a":[1,null]}', {"a": [1, None]}),
        (KT_MSGPACK, b"\x83\x81\xa1a\x92\x01\xc0", {"a": [1, None]}),
        (KT_NONE, b"\x84abc", b"abc"),
        ("binary", b"\x85abc", "abc"),
        (READY, b"\x8fWzFd", [1]),
    )

    @pytest.mark.parametrize(("serializer", "payload", "value"), WRITTEN)
    @pytest.mark.parametrize("more", [{}, {"compressor": "zlib", "compress_threshold": 0}])
    def test_still_readable(self, serializer, payload, value, more):
        """They are read by the same serializer, and still when compression is turned on."""
        assert codec(serializer=serializer, **more).decode(payload, KEY) == value

    def test_pickles(self):
        """Pickles of every protocol are read."""
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            payload = b"\x81" + pickle.dumps(OrderedDict(a=[1, None]), protocol)
            assert codec().decode(payload, KEY) == OrderedDict(a=[1, None])


def test_with_serializer():
    """A codec with another serializer compresses and signs as before, and reads that one only."""
    made = codec(
        serializer="pickle",
        read_serializers=["msgpack"],
        compressor="zlib",
        signing_keys="0123456789abcdef",
    )
    other = made.with_serializer("json")
    payload = other.encode(LONG, KEY)
    assert (payload[:1], payload[33:35]) == (b"\x91", b"\xa1\x82")
    assert other.decode(payload, KEY) == LONG
    for writer in (made, codec(serializer="msgpack", signing_keys="0123456789abcdef")):
        with pytest.raises(DecodeError, match="format that is not configured"):
            other.decode(writer.encode(LONG, KEY), KEY)
