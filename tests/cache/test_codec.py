"""Values to payloads and back; what a stored byte may and may not decide."""

from __future__ import annotations

import datetime as dt
import enum
import json
import logging
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.cache import Cache, Codec
from kt_cache.cache.codec import is_counter, read_counter, write_counter
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import (
    KT_BINARY,
    KT_JSON,
    KT_MSGPACK,
    KT_NONE,
    KT_PICKLE,
    Serializer,
)
from tests.cache.values import SERIALIZERS, SMALL_INTS, VALUES, same
from tests.support.bombs import Bomb, bomb_payloads

KEY = b":1:key"
REVERSED = Serializer("reversed", lambda value: value.encode()[::-1], lambda data: data[::-1])


class Colour(enum.IntEnum):
    RED = 1


class Number(int):
    """An int with something more to it."""


class TestRoundTrip:
    @pytest.mark.parametrize("name", SERIALIZERS)
    def test_every_serializer(self, name):
        """What a codec encodes it decodes to an equal value of the same type."""
        codec = Codec(name)

        @given(VALUES[name])
        def check(value):
            decoded = codec.decode(codec.encode(value, KEY), KEY)
            if name == KT_BINARY and isinstance(value, bytes):
                # Documented: bytes that are UTF-8 come back as str.
                decoded = decoded.encode() if isinstance(decoded, str) else decoded
            assert same(decoded, value)

        check()

    @given(st.integers(-(10**599), 10**599) | SMALL_INTS)
    def test_int_is_decimal(self, number):
        """An int is stored as its decimal digits under every serializer."""
        for name in SERIALIZERS:
            payload = Codec(name).encode(number, KEY)
            assert payload == str(number).encode()
            assert Codec(name).decode(payload, KEY) == number

    @pytest.mark.parametrize("name", [KT_PICKLE, KT_JSON, KT_MSGPACK])
    @pytest.mark.parametrize("value", [True, False])
    def test_bool_is_no_int(self, name, value):
        """A bool is not a counter and comes back as a bool."""
        payload = Codec(name).encode(value, KEY)
        assert not is_counter(payload)
        assert Codec(name).decode(payload, KEY) is value

    @pytest.mark.parametrize("value", [Colour.RED, Number(7)])
    def test_int_subclass_keeps_its_class(self, value):
        """An int subclass goes through pickle, so its class survives; it is not a counter."""
        payload = Codec().encode(value, KEY)
        assert not is_counter(payload)
        assert type(Codec().decode(payload, KEY)) is type(value)
        assert Codec().decode(payload, KEY) == value

    @pytest.mark.parametrize("digits", [600, 6000])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_huge_int(self, digits, sign):
        """A number that Python may refuse to write in decimal is stored by the serializer."""
        number = sign * 10**digits
        payload = Codec().encode(number, KEY)
        assert not is_counter(payload)
        assert Codec().decode(payload, KEY) == number

    @pytest.mark.parametrize("name", SERIALIZERS)
    @given(value=st.text() | st.binary())
    def test_no_other_payload_looks_like_a_counter(self, name, value):
        """Whatever text says, its payload does not start with a digit or a minus sign."""
        try:
            payload = Codec(name).encode(value, KEY)
        except EncodeError:
            assert name == KT_JSON
            assert isinstance(value, bytes)
            return
        assert payload
        assert not is_counter(payload)

    def test_unencodable(self):
        """A value the serializer cannot take is an EncodeError that does not show it."""
        for name, value in [
            (KT_JSON, {"card": {b"4111-1111"}}),
            (KT_MSGPACK, {"card": ["4111-1111", object()]}),
            (KT_PICKLE, lambda: "4111-1111"),
            (KT_NONE, ["4111-1111"]),
            (KT_BINARY, None),
        ]:
            with pytest.raises(EncodeError) as caught:
                Codec(name).encode(value, KEY)
            assert "4111" not in str(caught.value)

    def test_unknown_serializer(self):
        """A serializer nobody knows is a ConfigError that names those there are."""
        with pytest.raises(ConfigError, match=r"'yaml'.*json, msgpack, none, pickle"):
            Codec("yaml")


class TestCounters:
    @given(st.integers(-(2**70), 2**70))
    def test_counter_round_trip(self, number):
        """A counter is read back as the number written."""
        payload = write_counter(number)
        assert is_counter(payload)
        assert read_counter(payload) == number

    @given(st.binary(max_size=8) | st.text("-+_0123456789 \n٣", max_size=6).map(str.encode))
    def test_only_decimal_digits_are_a_counter(self, payload):
        """Only an optional minus sign and ASCII digits are a number; int() itself takes more."""
        digits = payload.removeprefix(b"-")
        if digits and all(byte in b"0123456789" for byte in digits):
            assert read_counter(payload) == int(payload)
        else:
            with pytest.raises(DecodeError):
                read_counter(payload)

    @pytest.mark.skipif(
        not hasattr(sys, "get_int_max_str_digits"), reason="no limit in this Python"
    )
    def test_number_too_long_for_python(self):
        """More digits than Python converts are not a number, rather than an error of Python's."""
        with pytest.raises(DecodeError):
            read_counter(b"9" * 100_000)


class TestFormats:
    @pytest.mark.parametrize("reader", [*SERIALIZERS, REVERSED])
    @pytest.mark.parametrize("writer", [*SERIALIZERS, REVERSED])
    def test_other_formats_are_refused(self, writer, reader):
        """A payload is read by the serializer that wrote it and refused by all others."""
        payload = Codec(writer).encode("text", KEY)
        if reader == writer:
            assert Codec(reader).decode(payload, KEY) in ("text", b"text")
        else:
            with pytest.raises(DecodeError, match="format that is not configured"):
                Codec(reader).decode(payload, KEY)

    @pytest.mark.parametrize("name", [KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE])
    @given(data=st.data())
    def test_any_bytes(self, name, data):
        """Bytes nobody wrote are decoded or a DecodeError, never another error."""
        codec = Codec(name)
        mark = codec.encode("x", KEY)[:1]
        payload = data.draw(st.sampled_from([b"", mark, b"-", b"7"])) + data.draw(st.binary())
        try:
            codec.decode(payload, KEY)
        except DecodeError as error:
            assert error.message

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1', "NaN?", "\udc80"])
    def test_broken_json(self, text):
        """Broken JSON, nested without end too, is a DecodeError that does not quote it."""
        payload = b"\x82" + text.encode("utf-8", "surrogatepass")
        with pytest.raises(DecodeError) as caught:
            Codec(KT_JSON).decode(payload, KEY)
        assert text[:8] not in str(caught.value)


class TestPickleIsNotRun:
    def test_the_bomb_is_live(self, tmp_path):
        """The bomb used below does go off where pickle is configured."""
        with pytest.warns(ResourceWarning):
            Codec(KT_PICKLE).decode(b"\x81" + pickle.dumps(Bomb(tmp_path / "bang")), KEY)
        assert (tmp_path / "bang").exists()

    @pytest.mark.parametrize("name", [KT_JSON, KT_MSGPACK, KT_NONE, KT_BINARY])
    def test_never_unpickled(self, name, store, tmp_path, caplog):
        """With another serializer configured no stored byte makes pickle run."""
        cache = Cache(store, Codec(name))
        for number, payload in enumerate(bomb_payloads(tmp_path / "bang")):
            key = cache.make_key(number)
            store.client.set_bytes(key, payload)
            cache.get(number)
            cache.get_many([number])
            cache.has(number)
            with pytest.raises(DecodeError):
                cache.incr(number)
        assert list(tmp_path.iterdir()) == []
        assert "BANG" not in caplog.text.upper()


class TestUnreadableRecords:
    @pytest.fixture
    def unreadable(self, store):
        """A JSON cache with a value that a pickle cache wrote."""
        Cache(store, Codec(KT_PICKLE)).set("k", "4111-1111", 60)
        return Cache(store, Codec(KT_JSON))

    @pytest.mark.parametrize(
        ("read", "miss"),
        [
            (lambda cache: cache.get("k", "fallback"), "fallback"),
            (lambda cache: cache.get_many(["k"]), {}),
            (lambda cache: cache.has("k"), False),
        ],
        ids=["get", "get_many", "has"],
    )
    def test_miss_and_one_line(self, unreadable, read, miss, caplog):
        """A value of another format is a miss and one log line, with neither value nor key."""
        with caplog.at_level(logging.DEBUG):
            for _ in range(100):
                assert read(unreadable) == miss
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("kt_cache.cache", logging.WARNING)
        text = logging.Formatter().format(record)
        assert "'k'" not in text
        assert "format that is not configured" in text
        assert "4111" not in text

    @pytest.mark.parametrize(
        ("name", "broken"),
        [
            (KT_PICKLE, b"\x81" + pickle.dumps("4111-1111")[:-3]),
            (KT_PICKLE, b"\x81cno_such_module_4111\nThing\n."),
            (KT_JSON, b'\x82{"card": "4111-1111"'),
            (KT_MSGPACK, b"\x83\xc1 4111-1111"),
            (KT_JSON, b"4111-1111"),
            (KT_JSON, b""),
        ],
    )
    def test_broken_value(self, store, name, broken, caplog):
        """A truncated or foreign value is a miss and one log line without any of it."""
        cache = Cache(store, Codec(name))
        store.client.set_bytes(cache.make_key("k"), broken)
        with caplog.at_level(logging.DEBUG):
            assert cache.get("k", "fallback") == "fallback"
        (record,) = caplog.records
        assert "4111" not in logging.Formatter().format(record)

    def test_set_replaces_it(self, unreadable, caplog):
        """A value that cannot be read can be written over and deleted."""
        unreadable.set("k", [1], 60)
        assert unreadable.get("k") == [1]
        assert not caplog.records
        Cache(unreadable.store, Codec(KT_PICKLE)).set("k", "v", 60)
        assert unreadable.delete("k")

    def test_a_bad_value_does_not_hide_the_others(self, unreadable, caplog):
        """get_many returns every readable value around an unreadable one."""
        unreadable.set_many({"a": 1, "b": {"x": None}}, 60)
        assert unreadable.get_many(["a", "k", "b"]) == {"a": 1, "b": {"x": None}}
        assert len(caplog.records) == 1

    def test_counters_are_read_by_all(self, store):
        """A counter has no format: every configuration reads it."""
        Cache(store, Codec(KT_PICKLE)).set("n", 41, 60)
        for name in SERIALIZERS:
            assert Cache(store, Codec(name)).incr("n", 0) == 41
            assert Cache(store, Codec(name)).get("n") == 41


def test_json_is_compact_text():
    """JSON values are readable for other programs behind the format byte."""
    payload = Codec(KT_JSON).encode({"ä": [1, None]}, KEY)
    assert payload == b"\x82" + rb'{"\u00e4":[1,null]}'
    assert json.loads(payload[1:]) == {"ä": [1, None]}


def test_pickle_keeps_python_types():
    """Pickle, the default, keeps what JSON cannot."""
    value = {"when": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), "tags": {1, 2}}
    assert Codec().decode(Codec().encode(value, KEY), KEY) == value
