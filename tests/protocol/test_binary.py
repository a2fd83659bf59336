"""The binary protocol: what one side encodes the other decodes, in whatever pieces it arrives."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kt_cache.errors import LocalProtocolError, RemoteProtocolError
from kt_cache.protocol import binary
from kt_cache.protocol.framing import Incomplete, Limits
from tests.protocol import strategies as some
from tests.protocol.feeding import Broken, Follow, Frame, Outcome, ServerSide, read_reply

counts = st.integers(0, 2**32 - 1)


def one_frame(data: bytes, sizes: list[int], *, compact: bool = False) -> Frame:
    server = ServerSide(compact=compact)
    server.feed(data, sizes)
    (frame,) = server.events
    assert isinstance(frame, Frame)
    assert frame.raw == data
    return frame


# ---------------------------------------------------------------- requests


@given(some.records, st.booleans(), some.sizes, st.booleans())
def test_set_round_trip(records: Any, no_reply: bool, sizes: list[int], compact: bool) -> None:
    """A set_bulk frame decodes to the records that were encoded, in order, with its flag."""
    data = binary.encode_set(records, no_reply=no_reply)
    frame = one_frame(data, sizes, compact=compact)
    assert (frame.magic, frame.no_reply, frame.items) == (binary.SET_BULK, no_reply, records)


@given(some.key_items, st.booleans(), some.sizes, st.booleans())
def test_remove_round_trip(keys: Any, no_reply: bool, sizes: list[int], compact: bool) -> None:
    """A remove_bulk frame decodes to the keys that were encoded, in order, with its flag."""
    data = binary.encode_remove(keys, no_reply=no_reply)
    frame = one_frame(data, sizes, compact=compact)
    assert (frame.magic, frame.no_reply, frame.items) == (binary.REMOVE_BULK, no_reply, keys)


@given(some.key_items, some.sizes, st.integers(0, 2**32 - 1))
def test_get_round_trip(keys: Any, sizes: list[int], flags: int) -> None:
    """A get_bulk frame decodes to the keys that were encoded; it always replies, whatever flags."""
    data = binary.encode_get(keys)
    data = data[:1] + flags.to_bytes(4, "big") + data[5:]
    frame = one_frame(data, sizes)
    assert (frame.magic, frame.no_reply, frame.items) == (binary.GET_BULK, False, keys)


@given(
    st.integers(0, 0xFFFF),
    st.dictionaries(st.text(), st.binary(), max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)
def test_records_of_one_database(db: int, values: Any, xt: int, no_reply: bool) -> None:
    """Keys and values that are made into bytes on the way give the frames of those bytes."""
    rows = [(db, key.encode(), value[::-1], xt) for key, value in values.items()]
    made = binary.encode_set_pairs(
        db, values.items(), xt, str.encode, lambda value: value[::-1], no_reply=no_reply
    )
    assert made == binary.encode_set(rows, no_reply=no_reply)
    keys = [(db, key) for _, key, _, _ in rows]
    assert binary.encode_get_keys(db, values, str.encode) == binary.encode_get(keys)


@given(st.sampled_from((b"\xb8", b"\xb9")), st.integers(0, 2**32 - 1))
def test_only_the_lowest_flag_counts(magic: bytes, flags: int) -> None:
    """Whether set_bulk and remove_bulk reply is told by bit 0 of the flags alone."""
    frame = one_frame(magic + flags.to_bytes(4, "big") + bytes(4), [])
    assert frame.no_reply == bool(flags & 1)


@given(some.script_names, some.pairs, st.booleans(), some.sizes, st.booleans())
def test_script_round_trip(
    name: bytes, pairs: Any, no_reply: bool, sizes: list[int], compact: bool
) -> None:
    """A play_script frame decodes to the name and pairs that were encoded."""
    data = binary.encode_script(name, pairs, no_reply=no_reply)
    frame = one_frame(data, sizes, compact=compact)
    assert (frame.name, frame.no_reply, frame.items) == (name, no_reply, pairs)


def test_script_name_ends_at_its_nul() -> None:
    """A script's name ends at its first NUL byte, as in the reference server."""
    frame = one_frame(binary.encode_script(b"echo\0junk", [(b"k", b"v")]), [])
    assert (frame.name, frame.items) == (b"echo", [(b"k", b"v")])


@given(some.databases, some.keys, some.values, some.given_times, st.booleans())
def test_single_record_encoders_write_the_same(
    db: int, key: bytes, value: bytes, xt: int, no_reply: bool
) -> None:
    """The one-step encoders for one record write what the general ones write."""
    assert binary.encode_single_get(db, key) == binary.encode_get([(db, key)])
    expected = binary.encode_set([(db, key, value, xt)], no_reply=no_reply)
    assert binary.encode_single_set(db, key, value, xt, no_reply=no_reply) == expected


frames = st.one_of(
    st.builds(binary.encode_set, some.records, no_reply=st.booleans()),
    st.builds(binary.encode_remove, some.key_items, no_reply=st.booleans()),
    st.builds(binary.encode_get, some.key_items),
    st.builds(binary.encode_script, some.script_names, some.pairs, no_reply=st.booleans()),
)


@given(st.lists(frames, min_size=2, max_size=5), some.sizes, st.booleans())
def test_pipelined_frames_come_apart(sent: list[bytes], sizes: list[int], compact: bool) -> None:
    """Frames that arrive back to back come out one by one, each from its own bytes."""
    server = ServerSide(compact=compact)
    server.feed(b"".join(sent), sizes)
    assert [frame.raw for frame in server.events] == sent
    assert server.events == [one_frame(data, []) for data in sent]


@given(some.records.filter(len))
def test_a_long_frame_is_handed_out_in_parts(records: Any) -> None:
    """A bulk frame is not kept until it is complete: every record comes out when it is there."""
    decoder = binary.RequestDecoder()
    data = binary.encode_set(records)
    buffer, got, start = bytearray(), [], 0
    for index in range(len(data)):
        buffer.append(data[index])
        part, start = decoder.decode(buffer, start, len(buffer))
        if part is not None:
            got.append(part)
            assert start == len(buffer)
            assert decoder.in_frame != part.done
    assert [part.records for part in got] == [[record] for record in records]
    assert [part.done for part in got] == [False] * (len(records) - 1) + [True]


@given(frames, st.data())
def test_a_frame_cut_short_is_answered_by_kind(frame: bytes, data: st.DataObject) -> None:
    """A bulk frame that breaks off behind its head gets BF, all others and no-reply ones nothing.

    The records that were complete have been handed out by then.
    """
    stop = data.draw(st.integers(1, len(frame) - 1))
    server = ServerSide()
    server.feed(frame[:stop])
    server.finish()
    head = 13 if frame[0] == binary.PLAY_SCRIPT else 9
    silent = stop < head or frame[0] == binary.PLAY_SCRIPT
    silent |= frame[4] == 1 and frame[0] != binary.GET_BULK
    assert server.events == [Broken(b"" if silent else b"\xbf")]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), some.databases, some.sizes)
def test_replication_requests_decode(flags: int, after: int, sid: int, sizes: list[int]) -> None:
    """A request to follow the update log carries flags, a time stamp and a server id."""
    data = pack(">BIQH", 0xB1, flags, after, sid)
    server = ServerSide()
    server.feed(data + b"\xb1", sizes)
    assert server.events == [Follow(binary.Replication(flags, after, sid), data)]
    cut_short = ServerSide()
    cut_short.feed(data[:-1], sizes)
    cut_short.finish()
    assert cut_short.events == [Broken(b"")]


@given(st.integers(0, 255).filter(lambda byte: byte not in (0xB1, 0xB4, 0xB8, 0xB9, 0xBA)))
def test_unknown_frames_are_refused_at_once(byte: int) -> None:
    """Any other first byte is refused before more is read, and with silence."""
    decoder = binary.RequestDecoder()
    with pytest.raises(RemoteProtocolError, match=f"0x{byte:02x}"):
        decoder.decode(bytes((byte,)), 0, 1)
    assert decoder.error_reply == b""


def test_nothing_is_no_request() -> None:
    """Without a byte there is no frame, and nothing is consumed."""
    assert binary.RequestDecoder().decode(b"\xb8", 1, 1) == (None, 1)


def test_first_byte_tells_the_protocol() -> None:
    """00 and 80 to FF begin a binary frame, everything else an HTTP request."""
    found = [byte for byte in range(256) if binary.starts_binary(byte)]
    assert found == [0, *range(0x80, 0x100)]


# ---------------------------------------------------------------- replies


@given(counts, some.sizes)
def test_count_replies_round_trip(count: int, sizes: list[int]) -> None:
    """The replies to set_bulk and remove_bulk carry their count."""
    for magic, decode in (
        (binary.SET_BULK, binary.decode_set_reply),
        (binary.REMOVE_BULK, binary.decode_remove_reply),
    ):
        data = binary.encode_count_reply(magic, count)
        assert read_reply(decode, data, sizes, whole=True) == Outcome("result", count, 5)


@given(some.records, some.sizes)
def test_get_reply_round_trip(records: Any, sizes: list[int]) -> None:
    """The reply to get_bulk decodes to the records that were found, in order."""
    data = binary.encode_get_reply(records)
    decode = binary.GetReplyDecoder(len(records))
    assert read_reply(decode, data, sizes, whole=True) == Outcome("result", records, len(data))


@given(st.none() | st.tuples(some.databases, some.keys, some.values, some.given_times), some.sizes)
def test_single_get_reply_round_trip(record: Any, sizes: list[int]) -> None:
    """The reply to a get_bulk of one key decodes to value and time, or to ``None``."""
    data = binary.encode_get_reply([record] if record else [])
    outcome = read_reply(binary.decode_single_get_reply, data, sizes, whole=True)
    assert outcome == Outcome("result", record and record[2:], len(data))


@given(some.pairs, some.sizes)
def test_script_reply_round_trip(pairs: Any, sizes: list[int]) -> None:
    """The reply to play_script decodes to the pairs that were encoded, sorted by key."""
    data = binary.encode_script_reply(pairs)
    outcome = read_reply(binary.ScriptReplyDecoder(), data, sizes, whole=True)
    assert outcome == Outcome("result", sorted(pairs), len(data))


@given(some.databases, some.keys, st.integers(-(10**20), 10**20))
def test_a_cache_counts_by_script(db: int, key: bytes, number: int) -> None:
    """The short way to call ``ktcacheincr`` makes the frame that the general one makes."""
    pairs = [*named(db), (b"key", key), (b"num", b"%d" % number)]
    assert binary.encode_cache_incr(db, key, number) == binary.encode_script(b"ktcacheincr", pairs)


@given(some.databases, some.keys, some.values, some.given_times, st.floats())
def test_a_cache_touches_and_adds_by_script(
    db: int, key: bytes, value: bytes, xt: int, now: float
) -> None:
    """So do the short ways to call ``ktcachetouch`` and ``ktcacheadd``."""
    moment = (b"now", pack(">d", now))
    times = [(b"xt", b"%d" % xt), (b"envelope", value), moment]
    assert binary.encode_cache_touch(db, key, xt, value, now) == binary.encode_script(
        b"ktcachetouch", [*named(db), (b"key", key), *times]
    )
    rest = [(b"key", key), (b"value", value), (b"xt", b"%d" % xt), moment]
    assert binary.encode_cache_add(db, key, value, xt, now) == binary.encode_script(
        b"ktcacheadd", [*named(db), *rest]
    )


def named(db: int) -> list[tuple[bytes, bytes]]:
    """Return the input that names a database; the first one needs none."""
    return [(b"db", b"%d" % db)] if db else []


@pytest.mark.parametrize("encode", [binary.encode_cache_touch, binary.encode_cache_add])
def test_what_is_too_long_for_a_script(encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and values above the limit are refused before they are sent."""
    monkeypatch.setattr("kt_cache.protocol.binary.cache_script._MOST", 10)
    monkeypatch.setattr(
        "kt_cache.protocol.binary.cache_script.DEFAULT_LIMITS", Limits(key=10, value=10)
    )
    arguments = (5, b"", 0.0) if encode is binary.encode_cache_touch else (b"", 5, 0.0)
    encode(0, b"k" * 10, *arguments)
    with pytest.raises(LocalProtocolError, match="the key has 11 bytes"):
        encode(0, b"k" * 11, *arguments)


@given(st.dictionaries(st.sampled_from([b"num", b"nu", b"x"]), st.binary(max_size=5)))
@example({b"num": b"42"})
@example({b"num": b"-42"})
@example({b"num": b""})
@example({b"num": b"num"})
def test_number_reply(output: dict[bytes, bytes]) -> None:
    """The short way to read a number reads it right, and leaves all other replies alone."""
    data = binary.encode_script_reply(output.items())
    number = binary.decode_number_reply(data, len(data))
    if output.keys() == {b"num"} and output[b"num"].isdigit():
        assert number == int(output[b"num"])
    else:
        assert number is None
    for part in (data[:-1], data + b"1", b"\xbf", b""):
        assert binary.decode_number_reply(part, len(part)) is None
    assert binary.decode_number_reply(bytearray(data + b"1"), len(data)) is None


@given(some.records.filter(len), st.data())
def test_more_records_than_keys_are_refused(records: Any, data: st.DataObject) -> None:
    """A get_bulk reply with more records than keys were asked for is an error."""
    asked = data.draw(st.integers(0, len(records) - 1))
    reply = binary.encode_get_reply(records)
    with pytest.raises(RemoteProtocolError, match=f"{len(records)} records"):
        binary.GetReplyDecoder(asked)(reply, len(reply))


@pytest.mark.parametrize("head", [b"\xba\0\0\0\0", b"\xba\0\0\0\2", b"\xb8\0\0\0\1"])
def test_a_single_get_reply_is_not_judged_by_its_length(head: bytes) -> None:
    """Bytes that look like one found record are none if count or kind say otherwise."""
    whole = binary.encode_get_reply([(0, b"k", b"v", 0)])
    assert binary.decode_single_get_reply(whole, len(whole)) == (b"v", 0)
    with pytest.raises(RemoteProtocolError):
        binary.decode_single_get_reply(head + whole[5:], len(whole))


@given(some.records, some.pairs, counts, st.binary(min_size=1, max_size=5))
def test_bytes_behind_a_reply_are_refused(
    records: Any, pairs: Any, count: int, rest: bytes
) -> None:
    """What stands behind a complete reply belongs to no request: the connection is given up."""
    one = records[:1]
    for decode, reply in (
        (binary.decode_set_reply, binary.encode_count_reply(binary.SET_BULK, count)),
        (binary.decode_remove_reply, binary.encode_count_reply(binary.REMOVE_BULK, count)),
        (binary.GetReplyDecoder(), binary.encode_get_reply(records)),
        (binary.decode_single_get_reply, binary.encode_get_reply(one)),
        (binary.ScriptReplyDecoder(), binary.encode_script_reply(pairs)),
    ):
        with pytest.raises(RemoteProtocolError, match=f"{len(rest)} unexpected bytes"):
            decode(reply + rest, len(reply) + len(rest))


@given(st.integers(0, 255).filter(lambda byte: byte not in (0xB8, 0xBF)))
def test_a_reply_of_another_kind_is_refused(byte: int) -> None:
    """A reply that begins with another byte than the request did is an error at its first byte."""
    with pytest.raises(RemoteProtocolError, match=f"0x{byte:02x}"):
        binary.decode_set_reply(bytes((byte,)), 1)


@given(some.records.filter(len), st.data())
def test_the_need_is_exact_within_a_record(records: Any, data: st.DataObject) -> None:
    """Once a record's head is there, the decoder asks for exactly the end of that record."""
    reply = binary.encode_get_reply(records)
    ends = [len(binary.encode_get_reply(records[:count])) for count in range(len(records) + 1)]
    index = data.draw(st.integers(0, len(records) - 1))
    body = ends[index] + 18
    assume(body < ends[index + 1])  # something is missing behind this head
    result = binary.GetReplyDecoder()(reply, body)
    assert isinstance(result, Incomplete)
    assert result.need == ends[index + 1]
