"""Signed values: whoever lacks the key can change nothing, and keys can be changed."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.cache import Cache, Codec
from kt_cache.cache.compressors import Compression, get_compressor
from kt_cache.cache.signing import Signer
from kt_cache.errors import ConfigError, DecodeError
from kt_cache.serializers import KT_JSON, KT_PICKLE

OLD, NEW, OTHER = ("the old signing key", b"the new signing key", "a key of somebody else's")
KEY = b":1:key"
VALUE = {"user": 7, "text": "x" * 200}


def signing(*keys, serializer=KT_PICKLE, compressor=None):
    """Return a codec that signs."""
    compression = compressor and Compression(get_compressor(compressor), threshold=0, limit=2**20)
    return Codec(serializer, compression=compression, signer=Signer(keys))


each_compressor = pytest.mark.parametrize("compressor", [None, "zlib", "lz4", "zstd"])


class TestTampering:
    @each_compressor
    def test_every_bit_counts(self, compressor):
        """A signed payload with any one bit flipped is refused; unchanged it is read."""
        codec = signing(OLD, compressor=compressor)
        payload = codec.encode(VALUE, KEY)
        assert codec.decode(payload, KEY) == VALUE
        for place in range(len(payload)):
            for bit in range(8):
                flipped = bytearray(payload)
                flipped[place] ^= 1 << bit
                with pytest.raises(DecodeError):
                    codec.decode(bytes(flipped), KEY)

    @each_compressor
    def test_every_cut_counts(self, compressor):
        """A signed payload cut anywhere, or with something behind it, is refused."""
        codec = signing(OLD, compressor=compressor)
        payload = codec.encode(VALUE, KEY)
        for end in range(len(payload)):
            with pytest.raises(DecodeError):
                codec.decode(payload[:end], KEY)
        with pytest.raises(DecodeError):
            codec.decode(payload + b"\x00", KEY)

    @each_compressor
    def test_stripped_signature(self, compressor):
        """What was never signed, or has lost its signature, is refused."""
        codec = signing(OLD, compressor=compressor)
        unsigned = Codec(compression=codec.compression).encode(VALUE, KEY)
        assert codec.encode(VALUE, KEY).endswith(unsigned)
        with pytest.raises(DecodeError, match="lacks the signature that is required"):
            codec.decode(unsigned, KEY)

    def test_another_format_byte(self):
        """A JSON value cannot be made a pickled one under its signature, nor be read as one."""
        both = Codec(KT_JSON, read_serializers=[KT_PICKLE], signer=Signer([OLD]))
        payload = both.encode(VALUE, KEY)
        assert payload[33:34] == b"\x82"
        with pytest.raises(DecodeError, match="signature fits none"):
            both.decode(payload[:33] + b"\x81" + payload[34:], KEY)

    @given(st.binary(max_size=8), st.binary(max_size=8))
    def test_another_key(self, one, other):
        """A value copied to another key is refused there."""
        codec = signing(OLD)
        payload = codec.encode(VALUE, one)
        if one == other:
            assert codec.decode(payload, other) == VALUE
            return
        with pytest.raises(DecodeError, match="signature fits none"):
            codec.decode(payload, other)

    @given(st.binary(min_size=1, max_size=8), st.binary(max_size=8), st.binary(max_size=8))
    def test_nothing_moves_between_key_and_payload(self, moved, key, payload):
        """Bytes moved from the end of the key to the start of the payload break the signature."""
        signer = Signer([OLD])
        signed = signer.sign(payload, key + moved)
        with pytest.raises(DecodeError):
            signer.verify(signed[:33] + moved + payload, key)

    @given(st.binary(max_size=80))
    def test_made_up(self, data):
        """Bytes that nobody signed are refused, whatever they begin with."""
        for payload in (data, b"\x91" + data):
            with pytest.raises(DecodeError):
                Signer([OLD]).verify(payload, KEY)

    def test_signed_twice(self):
        """A signature within a signature is no value."""
        codec = signing(OLD)
        with pytest.raises(DecodeError, match="format that is not configured"):
            codec.decode(codec.signer.sign(codec.encode(VALUE, KEY), KEY), KEY)

    def test_unsigned_reader(self):
        """Who has no keys does not read signed values unchecked."""
        with pytest.raises(DecodeError, match="format that is not configured"):
            Codec().decode(signing(OLD).encode(VALUE, KEY), KEY)

    def test_the_secret_itself_signs_nothing(self):
        """A signature made with the secret for another purpose is none of ours."""
        payload = Codec().encode(VALUE, KEY)
        covered = len(KEY).to_bytes(4, "big") + KEY + payload
        foreign = b"\x91" + hmac.digest(OLD.encode(), covered, "sha256") + payload
        with pytest.raises(DecodeError, match="signature fits none"):
            signing(OLD).decode(foreign, KEY)


class TestRotation:
    def test_steps(self):
        """New key announced, new key first, old key gone: each step reads what it must."""
        steps = [signing(OLD), signing(OLD, NEW), signing(NEW, OLD), signing(NEW)]
        for number, writer in enumerate(steps):
            payload = writer.encode(VALUE, KEY)
            # Processes of neighbouring steps run beside each other while a release goes out.
            for reader in steps[max(number - 1, 0) : number + 2]:
                if (writer, reader) != (steps[0], steps[3]):
                    assert reader.decode(payload, KEY) == VALUE

    def test_first_key_signs(self):
        """The first key signs; a reader without it refuses."""
        payload = signing(NEW, OLD).encode(VALUE, KEY)
        assert signing(NEW).decode(payload, KEY) == VALUE
        with pytest.raises(DecodeError):
            signing(OLD).decode(payload, KEY)

    @pytest.mark.parametrize("keys", [(NEW,), (NEW, OTHER), (OTHER,)])
    def test_retired_key(self, keys):
        """A value signed with a key that is no longer listed is refused."""
        payload = signing(OLD).encode(VALUE, KEY)
        with pytest.raises(DecodeError, match="fits none of the signing keys"):
            signing(*keys).decode(payload, KEY)

    def test_text_is_utf8(self):
        """A key given as text and its UTF-8 bytes are the same key."""
        text = "ein geheimer Schlüssel"
        payload = signing(text).encode(VALUE, KEY)
        assert signing(text.encode()).decode(payload, KEY) == VALUE

    @pytest.mark.parametrize(
        ("keys", "problem"),
        [
            ([], "at least one signing key"),
            ([""], "at least 16 bytes, not 0"),
            ([OLD, "hunter2"], "at least 16 bytes, not 7"),
            ([OLD, None], "must be text or bytes, not NoneType"),
            ([12345678901234567890], "must be text or bytes, not int"),
        ],
    )
    def test_bad_keys(self, keys, problem):
        """A missing, short or strange key is a ConfigError that does not show it."""
        with pytest.raises(ConfigError, match=problem) as caught:
            Signer(keys)
        assert "hunter2" not in str(caught.value)
        assert "1234567890" not in str(caught.value)


class TestCounters:
    def test_unsigned(self):
        """A counter is plain digits under every configuration, so that a script can add to it."""
        assert signing(OLD).encode(41, KEY) == b"41"
        assert signing(OLD).decode(b"41", KEY) == 41

    def test_on_a_server(self, store):
        """Signed values and counters live together; a signed value is no counter."""
        cache = Cache(store, signing(OLD))
        cache.set_many({"n": 41, "value": VALUE}, 60)
        assert cache.incr("n") == 42
        assert cache.count("new", 3, 60) == 3
        assert cache.get_many(["n", "value", "new"]) == {"n": 42, "value": VALUE, "new": 3}
        with pytest.raises(DecodeError):
            cache.incr("value")

    def test_a_huge_number_is_signed(self):
        """An int too long to be a counter is a value like any other."""
        payload = signing(OLD).encode(10**600, KEY)
        assert payload[:1] == b"\x91"
        assert signing(OLD).decode(payload, KEY) == 10**600


def test_touch_and_time_are_not_covered(store):
    """A signed value keeps its signature when it gets a new time to live."""
    cache = Cache(store, signing(OLD))
    cache.set("k", VALUE, 30)
    assert cache.touch("k", 60)
    assert cache.get("k") == VALUE
    cache.touch("k", None)
    assert cache.get("k") == VALUE
