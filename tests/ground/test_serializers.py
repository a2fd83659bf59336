"""Serializers: what goes in and comes out, and errors that help without telling the value."""

from __future__ import annotations

import enum
import math
import pickle
import threading
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import (
    KT_BINARY,
    KT_JSON,
    KT_MSGPACK,
    KT_NONE,
    KT_PICKLE,
    Serializer,
    decode_key,
    encode_key,
    get_serializer,
)

NAMES = (KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE)
SECRET = "s3cret"

MANY_DIGITS = 10**5000

each_name = pytest.mark.parametrize("name", NAMES)
text = st.text(st.characters(codec="utf-8"))
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | text
json_values = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=12
)
msgpack_values = st.recursive(
    plain | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(text | st.integers(0, 9), inner),
    max_leaves=12,
)
pickle_values = msgpack_values | st.tuples(plain, plain) | st.sets(st.integers()) | st.dates()


def trip(name: str, value: Any) -> Any:
    serializer = get_serializer(name)
    data = serializer.encode(value)
    assert type(data) is bytes
    return serializer.decode(data)


# ---------------------------------------------------------------- round trips


@given(json_values)
def test_json_round_trip(value: Any) -> None:
    """JSON gives back whatever JSON knows."""
    assert trip(KT_JSON, value) == value


@given(msgpack_values)
def test_msgpack_round_trip(value: Any) -> None:
    """MessagePack gives back what JSON knows and bytes, with keys that need not be text."""
    assert trip(KT_MSGPACK, value) == value


@given(pickle_values)
def test_pickle_round_trip(value: Any) -> None:
    """Pickles give back any object, of the same type."""
    found = trip(KT_PICKLE, value)
    assert (found, type(found)) == (value, type(value))


@given(st.binary())
def test_none_leaves_bytes_alone(value: bytes) -> None:
    """KT_NONE stores bytes as they are, and always gives bytes back."""
    assert get_serializer(KT_NONE).encode(value) == value
    assert trip(KT_NONE, value) == value
    assert get_serializer(KT_NONE).encode(bytearray(value)) == value
    assert get_serializer(KT_NONE).encode(memoryview(value)[::2]) == value[::2]


@given(text, st.binary())
def test_binary_gives_text_back_where_it_is_text(written: str, value: bytes) -> None:
    """KT_BINARY gives text back for UTF-8, bytes for everything else."""
    assert trip(KT_BINARY, written) == written
    found = trip(KT_BINARY, value)
    assert found == value or found.encode() == value


@given(st.integers(-(10**40), 10**40), st.floats())
def test_raw_numbers_are_their_text(whole: int, real: float) -> None:
    """KT_BINARY and KT_NONE store a number as its text, which reads back as the same number."""
    for name in (KT_BINARY, KT_NONE):
        assert int(trip(name, whole)) == whole
        found = float(trip(name, real))
        assert found == real or (math.isnan(found) and math.isnan(real))


class Colour(enum.IntEnum):
    """An integer that shows itself by its name."""

    RED = 7


class Metre(float):
    """A float that shows itself with a unit."""

    def __repr__(self) -> str:
        return f"{float(self)} m"


def test_raw_numbers_of_a_subclass_are_plain_numbers() -> None:
    """A subclass of int or float is stored as the number it is, not as it shows itself."""
    assert get_serializer(KT_NONE).encode(Colour.RED) == b"7"
    assert get_serializer(KT_NONE).encode(Metre(1.5)) == b"1.5"


def test_json_is_written_as_the_earlier_clients_write_it() -> None:
    """Without blanks and in ASCII alone: ``cas`` and the containers compare bytes."""
    assert get_serializer(KT_JSON).encode({"a": [1, "é"]}) == b'{"a":[1,"\\u00e9"]}'


# ---------------------------------------------------------------- what cannot be encoded


@each_name
@pytest.mark.parametrize(
    "value",
    ["\udc80", {SECRET: {SECRET, 1}}, date(2026, 1, 1), threading.Lock(), MANY_DIGITS],
    ids=["text", "nested", "date", "lock", "many digits"],
)
def test_encoding_fails_with_our_own_error(name: str, value: Any) -> None:
    """Whatever cannot be encoded is an EncodeError, which a ValueError handler catches too."""
    try:
        data = get_serializer(name).encode(value)
    except EncodeError as error:
        assert isinstance(error, ValueError)
        assert SECRET not in str(error)
    else:
        assert get_serializer(name).decode(data) == value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (KT_JSON, {1, 2}, "json cannot encode set: .*set is not JSON serializable"),
        (KT_JSON, {"when": date(2026, 1, 1)}, "json cannot encode dict: .*type date"),
        (KT_MSGPACK, {"when": date(2026, 1, 1)}, "msgpack cannot encode dict: .*date"),
        (KT_MSGPACK, 2**70, "msgpack cannot encode int: OverflowError"),
        (KT_PICKLE, threading.Lock(), "pickle cannot encode lock: .*lock"),
        (KT_PICKLE, lambda: None, "pickle cannot encode function: .*lambda"),
        (KT_BINARY, None, "not NoneType; choose KT_JSON, KT_MSGPACK or KT_PICKLE"),
        (KT_BINARY, True, "bytes, str and numbers, not bool"),
        (KT_NONE, [SECRET], "bytes, str and numbers, not list"),
        (KT_NONE, "\udc80", "the text is not valid Unicode"),
        pytest.param(KT_BINARY, MANY_DIGITS, "more digits than", id="many digits"),
    ],
)
def test_errors_of_encoding_help(name: str, value: Any, message: str) -> None:
    """The text names the serializer, the type that it could not take and what to do."""
    with pytest.raises(EncodeError, match=message):
        get_serializer(name).encode(value)


class Chatty:
    """An object whose own method complains with what it holds."""

    def __reduce__(self) -> str:
        raise RuntimeError(f"cannot give away {SECRET}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (KT_PICKLE, Chatty()),
        (KT_JSON, {SECRET: {SECRET}}),
        (KT_MSGPACK, [SECRET + "\udc80"]),
        (KT_NONE, SECRET + "\udc80"),
        (KT_BINARY, {SECRET: 1}),
    ],
)
def test_errors_of_encoding_do_not_tell_the_value(name: str, value: Any) -> None:
    """The text never holds the value, not even where an object's own method would tell it."""
    with pytest.raises(EncodeError) as caught:
        get_serializer(name).encode(value)
    assert SECRET not in str(caught.value)


# ---------------------------------------------------------------- what cannot be decoded


@given(st.binary())
def test_decoding_fails_with_our_own_error(data: bytes) -> None:
    """Random bytes decode to something or are a DecodeError, nothing else."""
    for name in (KT_BINARY, KT_NONE, KT_JSON, KT_MSGPACK):
        try:
            get_serializer(name).decode(data)
        except DecodeError as error:
            assert isinstance(error, ValueError)


@given(pickle_values, st.data())
def test_a_pickle_cut_short_is_an_error(value: Any, data: st.DataObject) -> None:
    """A pickle of which the end is missing is a DecodeError."""
    whole = get_serializer(KT_PICKLE).encode(value)
    stop = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DecodeError, match="not pickle"):
        get_serializer(KT_PICKLE).decode(whole[:stop])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (KT_JSON, b'{"' + SECRET.encode()),
        (KT_JSON, b"\xff" + SECRET.encode()),
        (KT_JSON, b"[" * 100_000),
        (KT_MSGPACK, b"\xa9" + SECRET.encode()),
        (KT_MSGPACK, b"\x01" + SECRET.encode()),
        (KT_MSGPACK, b"\xdd\xff\xff\xff\xff"),
        (KT_PICKLE, SECRET.encode()),
        (KT_PICKLE, pickle.dumps(SECRET)[:-1]),
        (KT_PICKLE, b"cs3cret\nmissing\n."),
    ],
)
def test_errors_of_decoding_do_not_tell_the_value(name: str, data: bytes) -> None:
    """Neither the text nor a traceback holds what was stored; the serializer is named."""
    with pytest.raises(DecodeError, match=f"the value is not {name} ") as caught:
        get_serializer(name).decode(data)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ---------------------------------------------------------------- which serializer


@each_name
def test_serializers_are_found_by_name(name: str) -> None:
    """A name finds its serializer, always the same one."""
    assert get_serializer(name).name == name
    assert get_serializer(name) is get_serializer(name)


def test_a_serializer_of_ones_own_is_taken_as_it_is() -> None:
    """A Serializer is used as given; ``None`` means KT_BINARY."""
    own = Serializer("own", repr, eval)  # type: ignore[arg-type]
    assert get_serializer(own) is own
    assert get_serializer(None) is get_serializer(KT_BINARY)


@pytest.mark.parametrize("wrong", ["yaml", "JSON", ["json"], 5])
def test_an_unknown_serializer_is_a_config_error(wrong: Any) -> None:
    """An unknown name is refused with the names there are."""
    with pytest.raises(ConfigError, match="binary, json, msgpack, none, pickle"):
        get_serializer(wrong)


# ---------------------------------------------------------------- keys


@given(text, st.binary())
def test_keys_are_utf_8(written: str, raw: bytes) -> None:
    """A text key is stored as UTF-8 and bytes as they are; a key read back is text if it can be."""
    assert encode_key(written) == written.encode()
    assert decode_key(encode_key(written)) == written
    assert encode_key(raw) == raw
    assert encode_key(decode_key(raw)) == raw


@pytest.mark.parametrize("wrong", [None, 5, 1.5, bytearray(b"k"), ("k",), get_serializer(KT_JSON)])
def test_other_keys_are_refused(wrong: Any) -> None:
    """A key of any other type is an EncodeError that names the type."""
    with pytest.raises(EncodeError, match=f"must be str or bytes, not {type(wrong).__name__}"):
        encode_key(wrong)


def test_a_key_that_is_no_unicode_is_refused_by_name() -> None:
    """A key that UTF-8 cannot carry is an EncodeError that carries the key."""
    with pytest.raises(EncodeError, match="not valid Unicode") as caught:
        encode_key("k\udc80")
    assert caught.value.key == "k\udc80"
