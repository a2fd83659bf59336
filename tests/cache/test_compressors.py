"""Compressed values: what is kept, what is refused, and how much memory a lie can cost."""

from __future__ import annotations

import random
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import lz4.block
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kt_cache.cache import Codec
from kt_cache.cache.codec import RAW
from kt_cache.cache.compressors import (
    COMPRESSORS,
    Compression,
    get_compressor,
    zstd_of_python,
    zstd_of_zstandard,
)
from kt_cache.cache.signing import Signer
from kt_cache.errors import ConfigError, DecodeError
from kt_cache.serializers import KT_BINARY, KT_JSON
from tests.cache.values import SERIALIZERS, VALUES, same
from tests.support.programs import run_program

KEY = b":1:key"
MB = 2**20
LIMIT = 64 * 1024
MARKS = {"zlib": b"\xa1", "lz4": b"\xa2", "zstd": b"\xa3"}

# Before Python 3.14 the package that its module comes from stands in for it.
PYTHONS_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"

MADE = {
    "zlib": get_compressor("zlib"),
    "lz4": get_compressor("lz4"),
    "zstd of Python": zstd_of_python(import_module(PYTHONS_ZSTD)),
    "zstd of zstandard": zstd_of_zstandard(zstandard),
}
each_made = pytest.mark.parametrize("compressor", MADE.values(), ids=MADE.keys())


def compressing(name, serializer=RAW, *, threshold=0, limit=LIMIT, readers=(), signer=None):
    """Return a codec that compresses."""
    compression = Compression(
        name and get_compressor(name),
        tuple(map(get_compressor, readers)),
        threshold=threshold,
        limit=limit,
    )
    return Codec(serializer, compression=compression, signer=signer)


class TestRoundTrip:
    @settings(max_examples=400)
    @given(st.data())
    def test_every_combination(self, data):
        """Whatever is configured, a value comes back equal and of the same type."""
        name = data.draw(st.sampled_from(SERIALIZERS))
        compressor = data.draw(st.sampled_from([None, *MADE.values()]))
        keys = data.draw(st.sampled_from([None, ["0123456789abcdef"], [b"x" * 16, b"y" * 40]]))
        threshold = data.draw(st.sampled_from([0, 20, 1024]))
        value = data.draw(VALUES[name])
        key = data.draw(st.binary(max_size=20))
        compression = compressor and Compression(compressor, threshold=threshold, limit=LIMIT)
        codec = Codec(name, compression=compression, signer=keys and Signer(keys))
        decoded = codec.decode(codec.encode(value, key), key)
        if name == KT_BINARY and isinstance(value, bytes):
            # Documented: bytes that are UTF-8 come back as str.
            decoded = decoded.encode() if isinstance(decoded, str) else decoded
        assert same(decoded, value)

    @each_made
    @given(st.binary(max_size=200), st.integers(1, 300))
    def test_repeated(self, compressor, unit, times):
        """What compresses well comes back byte for byte."""
        data = unit * times
        packed = compressor.compress(memoryview(data))
        assert compressor.decompress(memoryview(packed), LIMIT) == data

    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_smaller(self, name, signed):
        """A repetitive value takes a fraction of the space, signed or not."""
        codec = compressing(name, KT_JSON, signer=Signer(["0123456789abcdef"]) if signed else None)
        value = [{"id": number, "name": "somebody"} for number in range(500)]
        payload = codec.encode(value, KEY)
        assert len(payload) < len(Codec(KT_JSON).encode(value, KEY)) / 3
        assert codec.decode(payload, KEY) == value

    def test_threads(self):
        """One codec serves many threads at a time."""
        codecs = [compressing(name) for name in COMPRESSORS]

        def work(seed):
            value = random.Random(seed).randbytes(50) * 200
            return all(
                codec.decode(codec.encode(value, KEY), KEY) == value
                for codec in codecs
                for _ in range(30)
            )

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(work, range(32)))


class TestThreshold:
    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_from_that_size_on(self, name):
        """What is as long as the threshold is compressed, and one byte less is not."""
        codec = compressing(name, threshold=1000)
        assert codec.encode(b"x" * 999, KEY) == b"\x84" + b"x" * 999
        assert codec.encode(b"x" * 1000, KEY)[:2] == MARKS[name] + b"\x84"

    @pytest.mark.parametrize("name", COMPRESSORS)
    @given(st.binary(max_size=60))
    def test_only_if_it_shrinks(self, name, value):
        """A payload is never longer than it would be without compression."""
        payload = compressing(name).encode(value, KEY)
        assert len(payload) <= 1 + len(value)
        assert compressing(name).decode(payload, KEY) == value

    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_noise_is_kept_as_it_is(self, name):
        """What cannot be compressed is stored as without compression."""
        noise = random.Random(1).randbytes(5000)
        assert compressing(name).encode(noise, KEY) == b"\x84" + noise

    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_what_is_written_is_readable(self, name):
        """A value larger than the limit is not compressed, so it can be read back."""
        codec = compressing(name, limit=5000)
        assert codec.encode(b"x" * 5000, KEY)[:1] == MARKS[name]
        assert codec.decode(codec.encode(b"x" * 5000, KEY), KEY) == b"x" * 5000
        assert codec.encode(b"x" * 5001, KEY) == b"\x84" + b"x" * 5001
        assert codec.decode(b"\x84" + b"x" * 5001, KEY) == b"x" * 5001


def packed_bomb(name, size):
    """Return what unpacks to so many bytes."""
    plain = bytes(size)
    if name == "zlib":
        return zlib.compress(plain)
    return lz4.block.compress(plain) if name == "lz4" else zstandard.compress(plain)


class TestBombs:
    @each_made
    def test_bounded_memory(self, compressor):
        """What unpacks to 32 MB is refused where 64 KB are allowed, without taking the memory."""
        packed = packed_bomb(compressor.name, 32 * MB)
        compressor.decompress(memoryview(packed_bomb(compressor.name, 10)), LIMIT)
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="more than decompress_limit allows"):
                compressor.decompress(memoryview(packed), LIMIT)
            assert tracemalloc.get_traced_memory()[1] < MB
        finally:
            tracemalloc.stop()

    @each_made
    def test_limit_is_exact(self, compressor):
        """As many bytes as allowed are unpacked, and one more is refused."""
        packed = memoryview(packed_bomb(compressor.name, 5000))
        assert compressor.decompress(packed, 5000) == bytes(5000)
        with pytest.raises(DecodeError, match="more than decompress_limit allows"):
            compressor.decompress(packed, 4999)

    @each_made
    def test_false_sizes(self, compressor):
        """A stated size that is not the true one is refused, in either direction."""
        if compressor.name == "zlib":
            states = [zlib.compress(b"abc")[:-4] + bytes(4)]  # zlib states a checksum instead
        elif compressor.name == "lz4":
            block = lz4.block.compress(b"abc" * 100)
            states = [(size).to_bytes(4, "little") + block[4:] for size in (0, 1, 299, 301, 60_000)]
        else:
            frame = zstandard.compress(b"abc" * 100)  # its size, less 256, is in two bytes
            states = [frame[:5] + size.to_bytes(2, "little") + frame[7:] for size in (43, 45, 5000)]
        for packed in states:
            with pytest.raises(DecodeError, match="broken"):
                compressor.decompress(memoryview(packed), LIMIT)

    @pytest.mark.parametrize("name", ["zstd of Python", "zstd of zstandard"])
    def test_zstd_without_a_size(self, name):
        """A frame that does not state its size is refused: ours always do."""
        frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(32 * MB))
        with pytest.raises(DecodeError, match="broken"):
            MADE[name].decompress(memoryview(frame), LIMIT)

    @each_made
    def test_two_in_a_row(self, compressor):
        """Something behind the end is refused, so that it cannot add up."""
        packed = compressor.compress(memoryview(bytes(5000)))
        for more in (packed, b"\x00"):
            with pytest.raises(DecodeError, match="broken"):
                compressor.decompress(memoryview(packed + more), LIMIT)

    @each_made
    @given(st.binary(max_size=80), st.data())
    def test_any_bytes(self, compressor, noise, data):
        """Bytes nobody compressed, and broken ones, are unpacked or refused, nothing else."""
        packed = bytearray(compressor.compress(memoryview(b"some text, " * 20)))
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] ^= data.draw(st.integers(1, 255))
        for found in (noise, bytes(packed), bytes(packed[:place])):
            try:
                assert len(compressor.decompress(memoryview(found), LIMIT)) <= LIMIT
            except DecodeError as error:
                assert error.message


class TestWhatMayBeRead:
    @pytest.mark.parametrize("reader", [None, *COMPRESSORS])
    @pytest.mark.parametrize("writer", COMPRESSORS)
    def test_other_compressors_are_refused(self, writer, reader):
        """A value is unpacked by the compressor that is configured and by no other."""
        payload = compressing(writer).encode(bytes(500), KEY)
        codec = compressing(reader) if reader else Codec(RAW)
        if reader == writer:
            assert codec.decode(payload, KEY) == bytes(500)
        else:
            with pytest.raises(DecodeError, match="format that is not configured"):
                codec.decode(payload, KEY)

    def test_read_compressors(self):
        """Others may be named for reading, with or without one for writing."""
        payloads = [compressing(name).encode(bytes(500), KEY) for name in COMPRESSORS]
        for codec in (
            compressing("lz4", readers=COMPRESSORS),
            compressing(None, readers=COMPRESSORS),
        ):
            assert [codec.decode(payload, KEY) for payload in payloads] == [bytes(500)] * 3
        assert compressing(None, readers=["zlib"]).encode(bytes(500), KEY) == b"\x84" + bytes(500)

    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_plain_values_are_read(self, name):
        """Values from before compression was turned on stay readable."""
        value = {"a": ["x" * 5000]}
        payload = Codec(KT_JSON).encode(value, KEY)
        assert compressing(name, KT_JSON).decode(payload, KEY) == value

    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_the_format_is_looked_at_first(self, name):
        """A value of another format is refused before it is unpacked."""
        broken = MARKS[name] + b"\x81" + b"neither of these"
        with pytest.raises(DecodeError, match="format that is not configured"):
            compressing(name, KT_JSON).decode(broken, KEY)

    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_the_signature_is_looked_at_first(self, name):
        """A value with a wrong signature is refused before it is unpacked."""
        codec = compressing(name, signer=Signer(["0123456789abcdef"]))
        bomb = MARKS[name] + b"\x84" + packed_bomb(name, 32 * MB)
        with pytest.raises(DecodeError, match="signature fits none"):
            codec.decode(Signer(["fedcba9876543210"]).sign(bomb, KEY), KEY)
        with pytest.raises(DecodeError, match="decompress_limit"):
            codec.decode(codec.signer.sign(bomb, KEY), KEY)

    def test_zstd_of_either_module(self):
        """What one zstd library wrote the other reads, so that Python can be changed."""
        one, other = MADE["zstd of Python"], MADE["zstd of zstandard"]
        data = b"some text, " * 500
        for writer, reader in ((one, other), (other, one)):
            assert reader.decompress(memoryview(writer.compress(memoryview(data))), LIMIT) == data

    def test_counters_are_not_compressed(self):
        """A counter stays digits, however long it is."""
        assert compressing("zlib").encode(10**500, KEY) == b"1" + b"0" * 500


class TestPackages:
    def test_unknown(self):
        """A compressor nobody knows is a ConfigError that names the nearest one."""
        with pytest.raises(ConfigError, match="no compressor 'zst'; did you mean 'zstd'"):
            get_compressor("zst")

    @pytest.mark.parametrize(
        ("name", "package"), [("lz4", "lz4"), ("zstd", "zstandard")], ids=["lz4", "zstd"]
    )
    def test_not_installed(self, name, package):
        """Where the package is missing, the error says what to install."""
        printed = run_program(
            """
            import sys

            name, package = sys.argv[1:]
            sys.modules[package] = None  # as if it were not installed
            sys.modules["compression.zstd"] = None  # nor this Python a newer one
            from kt_cache.cache.compressors import get_compressor
            from kt_cache.errors import ConfigError

            try:
                get_compressor(name)
            except ConfigError as error:
                print(error)
            """,
            name,
            package,
        )
        assert printed == (
            f"the compressor '{name}' needs the package {package}, which is not installed: "
            f"pip install 'kt-cache[{name}]'\n"
        )
