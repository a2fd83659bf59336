"""Limits: what is too big is not sent, not believed, and never makes a decoder reserve memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol import binary
from kt_cache.protocol.framing import DEFAULT_LIMITS, Limits, check_end, no_reply_decoder
from kt_cache.protocol.http import HttpResponseDecoder, encode_request
from tests.protocol.feeding import Broken, Request, ServerSide, read_reply

SMALL = Limits(key=4, value=6, body=40, line=70, headers=150)
REFERENCE = 2**28


class Huge(bytes):
    """Says that it is longer than it is."""

    def __len__(self) -> int:
        return REFERENCE + 1


def test_the_defaults_are_the_reference_servers() -> None:
    """Keys, values and bodies may have 2**28 bytes, a header line 8191."""
    assert (DEFAULT_LIMITS.key, DEFAULT_LIMITS.value, DEFAULT_LIMITS.body) == (REFERENCE,) * 3
    assert DEFAULT_LIMITS.line == 8191


# ---------------------------------------------------------------- what is not sent


@given(st.integers(0, 8), st.integers(0, 8))
def test_no_encoder_exceeds_the_limits(key_size: int, value_size: int) -> None:
    """A key or value above the limits is refused before anything is sent; at the limit it goes."""
    key, value = b"k" * key_size, b"v" * value_size
    pair_fits = key_size <= SMALL.key and value_size <= SMALL.value
    for encode, fits in (
        (lambda: binary.encode_set([(0, key, value, 0)], limits=SMALL), pair_fits),
        (lambda: binary.encode_script(b"f", [(key, value)], limits=SMALL), pair_fits),
        (lambda: binary.encode_get([(0, key)], limits=SMALL), key_size <= SMALL.key),
        (lambda: binary.encode_get_keys(0, [key], bytes, SMALL), key_size <= SMALL.key),
        (
            lambda: binary.encode_set_pairs(0, [(key, value)], 0, bytes, bytes, limits=SMALL),
            pair_fits,
        ),
        (lambda: binary.encode_remove([(0, key)], limits=SMALL), key_size <= SMALL.key),
        (lambda: binary.encode_script(key, limits=SMALL), key_size <= SMALL.key),
    ):
        if fits:
            assert isinstance(encode(), bytes)
        else:
            with pytest.raises(LocalProtocolError, match="at most"):
                encode()


@pytest.mark.parametrize(
    "encode",
    [
        lambda big: binary.encode_single_get(0, big),
        lambda big: binary.encode_single_set(0, big, b"", 0),
        lambda big: binary.encode_single_set(0, b"", big, 0),
        lambda big: binary.encode_script(big),
        lambda big: binary.encode_script_reply([(b"", big)]),
    ],
)
def test_the_default_limit_holds_everywhere(encode: Callable[[bytes], bytes]) -> None:
    """More than 2**28 bytes, which would end the connection, are refused with both numbers."""
    with pytest.raises(LocalProtocolError, match=f"{REFERENCE + 1} bytes; at most {REFERENCE}"):
        encode(Huge())


def test_bulk_frames_hold_it_too() -> None:
    """So are they in a frame of many records, where what is looked at first is the frame's size."""
    huge = bytes(REFERENCE + 1)
    told = f"{REFERENCE + 1} bytes; at most {REFERENCE}"
    with pytest.raises(LocalProtocolError, match=f"key has {told}"):
        binary.encode_get([(0, b"k"), (0, huge)])
    with pytest.raises(LocalProtocolError, match=f"value has {told}"):
        binary.encode_set([(0, b"k", huge, 0)])


@pytest.mark.parametrize("db", [-1, 65536, 2**40])
def test_a_database_index_has_sixteen_bits(db: int) -> None:
    """An index that the frame has no room for is refused with the number, by every encoder."""
    for encode in (
        lambda: binary.encode_single_get(db, b"k"),
        lambda: binary.encode_single_set(db, b"k", b"v", 0),
        lambda: binary.encode_get([(0, b"k"), (db, b"k")]),
        lambda: binary.encode_remove([(0, b"k"), (db, b"k")]),
        lambda: binary.encode_set([(0, b"k", b"v", 0), (db, b"k", b"v", 0)]),
        lambda: binary.encode_get_keys(db, [b"k"], bytes),
        lambda: binary.encode_set_pairs(db, [(b"k", b"v")], 0, bytes, bytes),
    ):
        with pytest.raises(LocalProtocolError, match=f"0 to 65535, not {db}"):
            encode()


def test_errors_of_encoders_do_not_show_the_value() -> None:
    """A record that is too big is described by its size, never by what is in it."""
    with pytest.raises(LocalProtocolError) as caught:
        binary.encode_set([(0, b"k", b"secret!", 0)], limits=SMALL)
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------- what the server does not believe


def frame(magic: int, *sizes: int, rest: bytes = b"") -> bytes:
    """Return a bulk frame of one record that declares these sizes."""
    xt = bytes(8) if magic == binary.SET_BULK else b""
    return pack(f">BIIH{len(sizes)}I", magic, 0, 1, 0, *sizes) + xt + rest


def events(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Any]:
    server = ServerSide(limits)
    server.feed(data)
    return server.events


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (frame(binary.SET_BULK, 5, 0), b"\xbf"),
        (frame(binary.SET_BULK, 0, 7), b"\xbf"),
        (frame(binary.GET_BULK, 5), b"\xbf"),
        (frame(binary.REMOVE_BULK, 5), b"\xbf"),
        (pack(">BIII", binary.PLAY_SCRIPT, 0, 5, 0), b""),
        (pack(">BIIIII", binary.PLAY_SCRIPT, 0, 0, 1, 5, 0), b""),
        (pack(">BIIIII", binary.PLAY_SCRIPT, 0, 0, 1, 0, 7), b""),
    ],
)
def test_declared_sizes_above_the_limits_are_refused_at_once(data: bytes, answer: bytes) -> None:
    """A size above the limits is refused without waiting for the bytes, with BF or silence."""
    assert events(data, SMALL) == [Broken(answer)]
    assert events(data) == []


@pytest.mark.parametrize(
    "data",
    [
        frame(binary.SET_BULK, 4, 6, rest=b"k" * 4 + b"v" * 6),
        frame(binary.GET_BULK, 4, rest=b"k" * 4),
        frame(binary.REMOVE_BULK, 4, rest=b"k" * 4),
        pack(">BIII", binary.PLAY_SCRIPT, 0, 4, 0) + b"name",
    ],
)
def test_sizes_at_the_limit_are_accepted(data: bytes) -> None:
    """The limits themselves are allowed, as the reference server allows exactly 2**28."""
    (event,) = events(data, SMALL)
    assert event.raw == data


def test_what_came_before_a_refused_record_is_handed_out() -> None:
    """Records ahead of one that is too big are applied first, as the reference server does."""
    good = b"\0\0" + pack(">IIq", 1, 1, 0) + b"kv"
    bad = b"\0\0" + pack(">IIq", 5, 1, 0)
    data = pack(">BII", binary.SET_BULK, 0, 3) + good + bad
    decoder = binary.RequestDecoder(SMALL)
    part, start = decoder.decode(data, 0, len(data))
    assert (part.records, part.done) == ([binary.Record(0, b"k", b"v", 0)], False)
    with pytest.raises(RemoteProtocolError):
        decoder.decode(data, start, len(data))
    keys = pack(">BIIHI", binary.GET_BULK, 0, 2, 0, 1) + b"k" + pack(">HI", 0, 5)
    decoder = binary.RequestDecoder(SMALL)
    part, start = decoder.decode(keys, 0, len(keys))
    assert (part.keys, part.done) == ([binary.Key(0, b"k")], False)
    with pytest.raises(RemoteProtocolError):
        decoder.decode(keys, start, len(keys))


def test_a_script_frame_is_limited_as_a_whole() -> None:
    """A script's input is kept until it is complete, so all of it together has a limit."""
    pairs = [(b"k%d" % number, b"value") for number in range(9)]
    assert events(binary.encode_script(b"f", pairs[:2]), SMALL)[0].items == pairs[:2]
    assert events(binary.encode_script(b"f", pairs), SMALL) == [Broken(b"")]


@pytest.mark.parametrize(
    ("size", "refused"), [(SMALL.body, False), (SMALL.body + 1, True), (2**63, True)]
)
def test_http_bodies_above_the_limit_are_answered_413(size: int, refused: bool) -> None:
    """A declared body above the limit is refused at once with 413, one at the limit awaited."""
    head = f"POST / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode()
    chunk = f"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size:X}\r\n".encode()
    statuses = [event.answer.status for event in events(head, SMALL)]
    assert statuses == [413] * refused
    if size < 2**32:
        assert [event.answer.status for event in events(chunk, SMALL)] == [413] * refused


def test_chunks_are_limited_together() -> None:
    """The chunks of a body count together, also when each is small."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    (broken,) = events(head + b"8\r\n12345678\r\n" * 6, SMALL)
    assert broken.answer.status == 413


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * 70,
        b"GET /" + b"x" * 60 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 250,
    ],
)
def test_endless_heads_end_in_silence(data: bytes) -> None:
    """A request line or a head that does not end is refused when it is too long, unanswered."""
    assert events(data, SMALL) == [Broken(b"")]


def test_a_long_header_line_only_loses_its_tail() -> None:
    """A header line above the limit is cut there, as the reference server cuts it."""
    (event,) = events(b"GET / HTTP/1.1\r\nX: " + b"y" * 90 + b"\r\nZ: 1\r\n\r\n", SMALL)
    assert isinstance(event, Request)
    assert event.http.headers == {b"x": b"y" * (SMALL.line - 3), b"z": b"1"}


# ---------------------------------------------------------------- what the client does not believe


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: binary.GetReplyDecoder(1, SMALL), pack(">BIHIIq", 0xBA, 1, 0, 5, 0, 0)),
        (lambda: binary.GetReplyDecoder(1, SMALL), pack(">BIHIIq", 0xBA, 1, 0, 0, 7, 0)),
        (
            lambda: binary.decode_single_get_reply,
            pack(">BIHIIq", 0xBA, 1, 0, 0, REFERENCE + 1, 0),
        ),
        (lambda: binary.ScriptReplyDecoder(SMALL), pack(">BIII", 0xB4, 1, 5, 0)),
        (lambda: binary.ScriptReplyDecoder(SMALL), pack(">BIII", 0xB4, 1, 0, 7)),
        (
            lambda: HttpResponseDecoder(limits=SMALL),
            b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n",
        ),
        (
            lambda: HttpResponseDecoder(limits=SMALL),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n",
        ),
        (lambda: HttpResponseDecoder(limits=SMALL), b"HTTP/1.1 200 OK\r\nX: " + b"y" * 150),
    ],
)
def test_replies_above_the_limits_are_refused_at_once(
    make: Callable[[], Callable[[Any, int], Any]], data: bytes
) -> None:
    """A reply that declares more than the limits is refused without waiting for the bytes."""
    for sizes in ([], [1] * len(data)):
        assert read_reply(make(), data, sizes).kind == "RemoteProtocolError"


def test_a_scripts_output_is_limited_as_a_whole() -> None:
    """The pairs of a script's output count together."""
    data = binary.encode_script_reply([(b"k%d" % number, b"value") for number in range(9)])
    assert read_reply(binary.ScriptReplyDecoder(), data, []).kind == "result"
    assert read_reply(binary.ScriptReplyDecoder(SMALL), data, []).kind == "RemoteProtocolError"


def test_nothing_may_follow_a_reply() -> None:
    """Bytes behind a reply, or a reply to a request that asked for none, are an error."""
    check_end(5, 5)
    with pytest.raises(RemoteProtocolError, match="2 unexpected bytes"):
        check_end(5, 7)
    with pytest.raises(RemoteProtocolError, match="asked for none"):
        no_reply_decoder(b"\xb8", 1)


# ---------------------------------------------------------------- memory


@contextmanager
def little_memory(most: int = 64 * 1024) -> Iterator[None]:
    """Fail if more than so many bytes are reserved at any time within the block."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak} bytes were reserved"


@pytest.mark.parametrize(
    "data",
    [
        pack(">BIIHIIq", binary.SET_BULK, 0, 2**32 - 1, 0, REFERENCE, REFERENCE, 0) + b"k",
        pack(">BIIHI", binary.GET_BULK, 0, 2**32 - 1, 0, REFERENCE) + b"k",
        pack(">BIIHI", binary.REMOVE_BULK, 0, 2**32 - 1, 0, REFERENCE) + b"k",
        pack(">BIII", binary.PLAY_SCRIPT, 0, REFERENCE, 2**32 - 1) + b"n",
        pack(">BIIIII", binary.PLAY_SCRIPT, 0, 0, 2**32 - 1, 9, REFERENCE - 17) + b"k",
        encode_request("POST", "/").replace(b": 0", b": 268435456") + b"b",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000\r\nb",
    ],
)
def test_huge_requests_are_awaited_without_reserving_memory(data: bytes) -> None:
    """The largest sizes and counts that are believed cost nothing until their bytes arrive."""
    with little_memory():
        server = ServerSide()
        server.feed(data)
    assert server.events == []


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (
            binary.GetReplyDecoder,
            pack(">BIHIIq", 0xBA, 2**32 - 1, 0, REFERENCE, REFERENCE, 0) + b"k",
        ),
        (
            lambda: binary.decode_single_get_reply,
            pack(">BIHIIq", 0xBA, 1, 0, REFERENCE, REFERENCE, 0) + b"k",
        ),
        (binary.ScriptReplyDecoder, pack(">BIII", 0xB4, 2**32 - 1, 9, REFERENCE - 30) + b"k"),
        (HttpResponseDecoder, b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\nb"),
        (
            HttpResponseDecoder,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000\r\nb",
        ),
    ],
)
def test_huge_replies_are_awaited_without_reserving_memory(
    make: Callable[[], Callable[[Any, int], Any]], data: bytes
) -> None:
    """The same on the client's side."""
    with little_memory():
        outcome = read_reply(make(), data, [])
    assert outcome.kind == "incomplete"
