"""Whatever bytes arrive, a decoder answers, waits or raises our own errors; nothing else.

And it does the same whether they arrive at once or one by one, and whatever stands behind them
in the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kt_cache.errors import RemoteProtocolError, ServerError
from kt_cache.protocol import binary, rpc, tsv
from kt_cache.protocol.framing import Closing, Incomplete, Limits
from kt_cache.protocol.http import HttpResponseDecoder, error_response
from tests.protocol import strategies as some
from tests.protocol import transcripts
from tests.protocol.feeding import Broken, Request, ServerSide, read_reply

SMALL = Limits(key=40, value=60, body=100, line=70, headers=150)

DECODERS: dict[str, Callable[[], Callable[[Any, int], Any]]] = {
    "set": lambda: binary.decode_set_reply,
    "remove": lambda: binary.decode_remove_reply,
    "single get": lambda: binary.decode_single_get_reply,
    "get": binary.GetReplyDecoder,
    "get of two": lambda: binary.GetReplyDecoder(2),
    "get with small limits": lambda: binary.GetReplyDecoder(9, SMALL),
    "script": binary.ScriptReplyDecoder,
    "script with small limits": lambda: binary.ScriptReplyDecoder(SMALL),
    "http": HttpResponseDecoder,
    "http to head": lambda: HttpResponseDecoder(head=True),
    "http with small limits": lambda: HttpResponseDecoder(limits=SMALL),
    "rpc": rpc.RpcReplyDecoder,
}
each_decoder = pytest.mark.parametrize("name", DECODERS)

_conversations = [found for case in transcripts.load().values() for found in case]
CHUNKED_REPLY = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    b"3\r\na\tb\r\n1;x\r\n\n\r\n0\r\n\r\n"
)
REPLIES = sorted(
    {
        answer.data
        for found in _conversations
        for answer in found.answers
        if 0 < len(answer.data) < 800
    }
    | {CHUNKED_REPLY, binary.encode_script_reply([(b"a", b"1"), (b"b", b"2")])}
)
REQUESTS = sorted({sent for found in _conversations for sent in found.sent if 0 < len(sent) < 800})

# A reply of one kind, so that mutations of it get beyond its first byte.
_by_first_byte = {
    first: [reply for reply in REPLIES if reply[0] == first]
    for first in {reply[0] for reply in REPLIES}
}
_first_byte = {"set": 0xB8, "remove": 0xB9, "script": 0xB4} | dict.fromkeys(
    ("single get", "get", "get of two", "get with small limits"), 0xBA
)


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Return one of the samples with a few bytes changed, added, doubled or taken out."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 12)))
        kind = draw(st.sampled_from(("replace", "insert", "delete", "double", "cut")))
        if kind == "replace" and start < len(data):
            data[start] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[start:start] = draw(st.binary(max_size=6) | st.sampled_from(samples))
        elif kind == "delete":
            del data[start:stop]
        elif kind == "double":
            data[stop:stop] = data[start:stop]
        elif kind == "cut":
            del data[start:]
    return bytes(data)


# ---------------------------------------------------------------- client decoders


def check_reply(make: Callable[[], Callable[[Any, int], Any]], data: bytes, sizes: Any) -> None:
    slow = read_reply(make(), data, [1] * len(data))
    at_once = read_reply(make(), data[: slow.used], [])
    assert (at_once.kind, at_once.value) == (slow.kind, slow.value)
    for pieces in ([], sizes):
        other = read_reply(make(), data, pieces)
        if other.used == slow.used:
            assert other == slow
        elif slow.kind in ("result", "closing"):
            assert other.kind == "RemoteProtocolError", "bytes behind a reply must be refused"
        else:
            assert (other.kind, other.value) == (slow.kind, slow.value)
    assert plain(make(), data) == plain(make(), bytearray(data + b"\r\n\r\n\xbf" * 9), len(data))


def plain(decode: Callable[[Any, int], Any], data: bytes | bytearray, end: int = -1) -> Any:
    """Decode at once and return what came of it in a form that compares."""
    try:
        result = decode(data, len(data) if end < 0 else end)
    except (RemoteProtocolError, ServerError) as error:
        return type(error), error.message
    if isinstance(result, Incomplete):
        return Incomplete, result.need
    return (Closing, result.result) if isinstance(result, Closing) else (None, result)


@each_decoder
@settings(max_examples=60)
@given(data=st.binary(max_size=60), sizes=some.sizes)
def test_replies_of_random_bytes(name: str, data: bytes, sizes: list[int]) -> None:
    """Random bytes, alone or behind the right first ones, are never another error."""
    check_reply(DECODERS[name], data, sizes)
    first = _first_byte.get(name.removesuffix(" with small limits"))
    check_reply(DECODERS[name], bytes((first,)) + data if first else b"HTTP/1.1 " + data, sizes)


@each_decoder
@settings(max_examples=150)
@given(data=st.data(), sizes=some.sizes)
def test_mutated_replies(name: str, data: st.DataObject, sizes: list[int]) -> None:
    """Recorded replies with bytes changed, added or taken out are never another error."""
    first = _first_byte.get(name.removesuffix(" with small limits"), ord("H"))
    samples = _by_first_byte[first] if data.draw(st.booleans()) else REPLIES
    check_reply(DECODERS[name], data.draw(mutated(samples)), sizes)


@pytest.mark.parametrize("name", ["http", "http with small limits", "rpc"])
@settings(max_examples=150)
@given(data=mutated([CHUNKED_REPLY]), sizes=some.sizes)
@example(
    data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 80 + b"\r\na",
    sizes=[],
)
def test_mutated_chunks(name: str, data: bytes, sizes: list[int]) -> None:
    """A chunked reply with bytes changed, added or taken out is never another error."""
    check_reply(DECODERS[name], data, sizes)


@given(st.integers(0, 12), st.integers(0, 5))
def test_the_limit_of_a_reply_head_is_the_same_in_pieces(over: int, short: int) -> None:
    """A head just above or below its limit is judged alike, however it arrives."""
    fixed = b"HTTP/1.1 204 No Content\r\nX: "
    size = SMALL.headers - len(fixed) - 6 + over - short
    check_reply(DECODERS["http with small limits"], fixed + b"x" * size + b"\r\n\r\n", [])


# ---------------------------------------------------------------- server decoders


def check_requests(data: bytes, sizes: list[int], limits: Limits) -> None:
    seen = []
    for pieces, compact in (([1] * len(data), False), ([], False), (sizes, True)):
        server = ServerSide(limits, compact=compact)
        server.feed(data, pieces)
        server.finish()
        seen.append([comparable(event) for event in server.events])
    assert seen[0] == seen[1] == seen[2]


def comparable(event: Any) -> Any:
    """Return an event in a form that compares, after taking it as far as the server would."""
    if isinstance(event, Broken) and isinstance(event.answer, RemoteProtocolError):
        return error_response(event.answer, server="kt", date="now")
    if isinstance(event, Request):
        return event, rpc.decode_call(event.http)
    return event


limits = pytest.mark.parametrize("limits", [Limits(), SMALL], ids=["limits", "small limits"])


@limits
@settings(max_examples=200)
@given(data=st.binary(max_size=60), sizes=some.sizes)
def test_requests_of_random_bytes(limits: Limits, data: bytes, sizes: list[int]) -> None:
    """Random bytes, alone or behind a right beginning, are never another error."""
    for start in (b"", b"\xb4", b"\xb8", b"\xb9", b"\xba", b"POST / HTTP/1.1\r\n"):
        check_requests(start + data, sizes, limits)


@limits
@settings(max_examples=400)
@given(data=mutated(REQUESTS), sizes=some.sizes)
@example(data=b"GET / HTTP/1.1\r\nX: " + b"x" * 200 + b"\r\n\r\n", sizes=[])
def test_mutated_requests(limits: Limits, data: bytes, sizes: list[int]) -> None:
    """Recorded requests with bytes changed, added or taken out are never another error."""
    check_requests(data, sizes, limits)


@settings(max_examples=200)
@given(st.integers(-8, 8), st.booleans(), st.sampled_from((b"\n", b"\r\n")))
def test_the_limits_of_a_request_head_are_the_same_in_pieces(
    over: int, first_line: bool, end: bytes
) -> None:
    """A head just above or below its limits is judged alike, however it arrives."""
    if first_line:
        head = b"GET /" + b"a" * (SMALL.line - 14 + over) + b" HTTP/1.1" + end + end
    else:
        size = SMALL.headers + SMALL.line - 16 + over
        head = b"GET / HTTP/1.1" + end + b"x" * size + end + end
    check_requests(head + b"GET", [], SMALL)


@given(st.integers(0, 8), st.integers(0, 8))
def test_the_limit_of_a_chunks_line_is_the_same_in_pieces(over: int, short: int) -> None:
    """A chunk's line just above or below its limit is judged alike, however it arrives."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = b"1;" + b"x" * (61 + over - short)
    check_requests(head + line + b"\r\na\r\n0\r\n\r\n", [], Limits())


# ---------------------------------------------------------------- rows and forms


@given(st.binary(max_size=80))
def test_rows_and_forms_never_fail(data: bytes) -> None:
    """Rows, columns and forms of random bytes decode to something, as the server has it."""
    for encoding in ("", "B", "U", "Q"):
        assert isinstance(tsv.decode_rows(data, encoding), dict)
        assert isinstance(tsv.decode_rows(b"k\t" + data + b"\n", encoding), dict)
    assert isinstance(tsv.decode_form(data), dict)
    assert tsv.encoding_of(data.decode("latin-1")) in ("", "B", "U", "Q")
    assert len(tsv.url_decode(data)) <= len(data)
