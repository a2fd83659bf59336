"""The golden transcripts against the encoders and decoders of both sides, byte for byte."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from kt_cache.errors import RemoteProtocolError, ServerError
from kt_cache.protocol import binary, rpc
from kt_cache.protocol.expiry import NEVER
from kt_cache.protocol.http import (
    HttpRequest,
    HttpRequestDecoder,
    HttpResponse,
    HttpResponseDecoder,
    encode_response,
    error_response,
)
from tests.protocol import transcripts
from tests.protocol.feeding import (
    SPLITS,
    Broken,
    Follow,
    Frame,
    Outcome,
    Request,
    ServerSide,
    read_reply,
    split_sizes,
)
from tests.protocol.transcripts import Answer, Conversation

CASES = transcripts.load()
SERVER = "KyotoTycoon/0.9.56b"

each_case = pytest.mark.parametrize("case", CASES)
each_split = pytest.mark.parametrize("split", SPLITS)

_recorded_call = re.compile(
    rb"POST /rpc/\w+ HTTP/1\.1\r\nHost: kt\r\n"
    rb"Content-Type: text/tab-separated-values(; colenc=B)?\r\nContent-Length: \d+\r\n\r\n"
).match


@dataclass
class Exchange:
    """One request as the server's decoders read it, and what was recorded as its answer."""

    request: Frame | Request | Follow | Broken
    answer: Answer | None


def expects_answer(request: Frame | Request | Follow | Broken) -> bool:
    if isinstance(request, Broken):
        return request.answer != b""
    return not isinstance(request, Frame) or not request.no_reply


def read_requests(conversation: Conversation, split: str) -> list[Exchange]:
    """Decode all requests of a conversation and lay the recorded answers beside them."""
    server = ServerSide(compact=split == "random")
    for sent in conversation.sent:
        server.feed(sent, split_sizes(len(sent), split, seed=len(conversation.sent)))
    if conversation.closed:
        server.finish()
    answers = iter(conversation.answers)
    exchanges = []
    for request in server.events:
        answer = next(answers, None) if expects_answer(request) else None
        assert (answer is not None) == expects_answer(request), request
        exchanges.append(Exchange(request, answer))
    assert not [answer.note for answer in answers], "the server answered more requests than that"
    return exchanges


def all_exchanges(case: str) -> list[Exchange]:
    return [
        exchange
        for conversation in CASES[case]
        for exchange in read_requests(conversation, "whole")
    ]


# ---------------------------------------------------------------- requests


@each_split
@each_case
def test_every_recorded_request_decodes(case: str, split: str) -> None:
    """The server's decoders find the requests that the reference server answered, in any pieces.

    There is one request for each recorded answer, none for silence, and the conversation ends
    where the reference server closed it.
    """
    for conversation in CASES[case]:
        exchanges = read_requests(conversation, split)
        for exchange in exchanges:
            if isinstance(exchange.request, Frame) and exchange.answer:
                assert exchange.answer.data[:1] in (bytes((exchange.request.magic,)), b"\xbf", b"")
            elif isinstance(exchange.request, Request):
                assert exchange.answer.proto in ("http", "head")
            elif isinstance(exchange.request, Follow):
                # None of the servers recorded here has an update log.
                assert exchange.answer.data == b"\xbf"
        last = exchanges[-1].request if exchanges else None
        ends = isinstance(last, Broken) or (isinstance(last, Request) and last.http.close)
        assert not ends or conversation.closed


@each_case
def test_all_splits_decode_to_the_same_requests(case: str) -> None:
    """In which pieces a request arrives makes no difference to what is decoded."""
    for conversation in CASES[case]:
        whole, *others = (read_requests(conversation, split) for split in SPLITS)
        for other in others:
            assert repr(other) == repr(whole)


@each_case
def test_client_encoders_reproduce_binary_requests(case: str) -> None:
    """The client's encoders write every recorded binary request byte for byte.

    Only unused flag bits, which no encoder of ours sets, are cleared before comparing.
    """
    for exchange in all_exchanges(case):
        frame = exchange.request
        if isinstance(frame, Frame):
            flag = b"\1" if frame.no_reply else b"\0"
            expected = frame.raw[:1] + b"\0\0\0" + flag + frame.raw[5:]
            for encoded in encode_frame(frame):
                assert encoded == expected, exchange.answer


def encode_frame(frame: Frame) -> list[bytes]:
    """Return the frame in every way the client can write it."""
    if frame.magic == binary.PLAY_SCRIPT:
        if b"\0" in frame.raw[13 : 13 + int.from_bytes(frame.raw[5:9], "big")]:
            return []  # the decoder cuts a name at its NUL
        return [binary.encode_script(frame.name, frame.items, no_reply=frame.no_reply)]
    single = frame.items[0] if len(frame.items) == 1 else None
    if frame.magic == binary.SET_BULK:
        ways = [binary.encode_set(frame.items, no_reply=frame.no_reply)]
        if single:
            ways.append(binary.encode_single_set(*_given(single), no_reply=frame.no_reply))
        return ways
    if frame.magic == binary.REMOVE_BULK:
        return [binary.encode_remove(frame.items, no_reply=frame.no_reply)]
    ways = [binary.encode_get(frame.items)]
    if single:
        ways.append(binary.encode_single_get(*single))
    return ways


def _given(record: binary.Record) -> tuple[int, bytes, bytes, int]:
    return record.db, record.key, record.value, record.xt


@each_case
def test_client_encoder_reproduces_calls(case: str) -> None:
    """A recorded procedure call decodes to the map that encodes to the same bytes again.

    Left out are maps that the recorder wrote in another way than our client does: with a repeated
    name, with lines that are no rows, in base64 where raw would have done, or unsorted in base64.
    """
    for exchange in all_exchanges(case):
        request = exchange.request
        if not isinstance(request, Request):
            continue
        head = _recorded_call(request.raw)
        if not head or not _is_canonical(request.http.body, in_base64=bool(head[1])):
            continue
        call = rpc.decode_call(request.http)
        assert rpc.encode_call(call.name.decode(), call.params.items()) == request.raw


def _is_canonical(body: bytes, *, in_base64: bool) -> bool:
    lines = body.split(b"\n")
    if lines.pop() or not all(line.count(b"\t") == 1 for line in lines) or b"\r" in body:
        return False
    names = [line.partition(b"\t")[0] for line in lines]
    if in_base64:
        columns = [column for line in lines for column in line.split(b"\t")]
        if lines != sorted(lines) or any(len(column) % 4 for column in columns):
            return False
        if not re.search(rb"[\t\r\n]", b"".join(map(b64decode, columns))):
            return False
    return len(set(names)) == len(names)


def test_most_calls_are_canonical() -> None:
    """The test above is not idle: it compares well over three hundred recorded calls."""
    compared = [
        exchange
        for case in CASES
        for exchange in all_exchanges(case)
        if isinstance(exchange.request, Request)
        and (head := _recorded_call(exchange.request.raw))
        and _is_canonical(exchange.request.http.body, in_base64=bool(head[1]))
    ]
    assert len(compared) > 300


@each_case
def test_echo_shows_what_a_call_decodes_to(case: str) -> None:
    """What decode_call makes of a request is what the reference server's ``echo`` answered."""
    for exchange in all_exchanges(case):
        request, answer = exchange.request, exchange.answer
        if isinstance(request, Request) and request.http.target.startswith(b"/rpc/echo"):
            call = rpc.decode_call(request.http)
            kind, body = rpc.encode_reply_body(call.params)
            head, _, recorded = answer.data.partition(b"\r\n\r\n")
            assert call.name == b"echo"
            assert f"Content-Type: {kind}".encode() in head.split(b"\r\n"), answer.note
            assert answer.proto == "head" or body == recorded, answer.note


# ---------------------------------------------------------------- broken requests


@each_split
@each_case
def test_broken_requests_are_answered_as_recorded(case: str, split: str) -> None:
    """A request that is broken or cut short gets the recorded bytes or silence, then the end."""
    for conversation in CASES[case]:
        for exchange in read_requests(conversation, split):
            if not isinstance(exchange.request, Broken):
                continue
            answer = exchange.request.answer
            if isinstance(answer, RemoteProtocolError):
                recorded = exchange.answer.data
                answer = error_response(answer, server=SERVER, date=_date(recorded))
            assert answer == (exchange.answer.data if exchange.answer else b"")
            assert exchange.answer is None or exchange.answer.closes


def test_transcripts_hold_broken_requests_of_every_kind() -> None:
    """The test above is not idle: silence, the error byte, 400 and 413 all occur."""
    answers = [
        exchange.request.answer
        for case in CASES
        for exchange in all_exchanges(case)
        if isinstance(exchange.request, Broken)
    ]
    statuses = {answer.status for answer in answers if isinstance(answer, RemoteProtocolError)}
    assert statuses == {400, 413}
    assert b"" in answers
    assert b"\xbf" in answers


# ---------------------------------------------------------------- replies


def _date(reply: bytes) -> str:
    return re.search(rb"\r\nDate: ([^\r]+)\r\n", reply)[1].decode()


@each_split
@each_case
def test_binary_replies_decode_and_encode(case: str, split: str) -> None:
    """The client decodes every recorded binary reply; the server's encoder writes it the same."""
    store: dict[bytes, bytes] = {}
    for exchange in all_exchanges(case):
        frame, answer = exchange.request, exchange.answer
        if isinstance(frame, Frame) and frame.magic == binary.SET_BULK:
            store |= {record.key: record.value for record in frame.items}
        if not isinstance(frame, Frame) or answer is None:
            continue
        data = answer.data or _big_get_reply(frame, store)
        assert answer.matches(data), answer.note
        for make in reply_decoders(frame):
            outcome = read_reply(make(), data, split_sizes(len(data), split), whole=True)
            if data == binary.ERROR_REPLY:
                assert outcome == Outcome("ServerError", None, 1)
                continue
            assert (outcome.kind, outcome.used) == ("result", len(data)), answer.note
            again = encode_binary_reply(frame, outcome.value)
            assert again is None or again == data, answer.note


def _big_get_reply(frame: Frame, store: dict[bytes, bytes]) -> bytes:
    # Recorded by hash only: the value is the one that was stored.
    (asked,) = frame.items
    return binary.encode_get_reply([(asked.db, asked.key, store[asked.key], NEVER)])


def reply_decoders(frame: Frame) -> list[Callable[[], Callable[[Any, int], Any]]]:
    if frame.magic == binary.SET_BULK:
        return [lambda: binary.decode_set_reply]
    if frame.magic == binary.REMOVE_BULK:
        return [lambda: binary.decode_remove_reply]
    if frame.magic == binary.PLAY_SCRIPT:
        return [binary.ScriptReplyDecoder]
    decoders: list[Callable[[], Any]] = [lambda: binary.GetReplyDecoder(len(frame.items))]
    if len(frame.items) == 1:
        decoders.append(lambda: binary.decode_single_get_reply)
    return decoders


def encode_binary_reply(frame: Frame, value: Any) -> bytes | None:
    if isinstance(value, int):
        return binary.encode_count_reply(frame.magic, value)
    if frame.magic == binary.PLAY_SCRIPT:
        return binary.encode_script_reply(value)
    if isinstance(value, list):
        return binary.encode_get_reply(value)
    if value is None:
        return binary.encode_get_reply([])
    (asked,) = frame.items
    return binary.encode_get_reply([(asked.db, asked.key, *value)])


def test_only_a_scripts_error_byte_leaves_the_connection_usable() -> None:
    """``connection_ok`` tells what was recorded: open behind a script's BF, closed otherwise."""
    seen = set()
    for case in CASES:
        for exchange in all_exchanges(case):
            frame, answer = exchange.request, exchange.answer
            if isinstance(frame, Frame) and answer and answer.data == b"\xbf":
                with pytest.raises(ServerError) as caught:
                    reply_decoders(frame)[0]()(answer.data, 1)
                assert caught.value.connection_ok != answer.closes
                seen.add(frame.magic)
    assert binary.PLAY_SCRIPT in seen
    for decode in (binary.decode_set_reply, binary.decode_remove_reply, binary.GetReplyDecoder()):
        with pytest.raises(ServerError) as caught:
            decode(b"\xbf", 1)
        assert not caught.value.connection_ok


@each_split
@each_case
def test_http_replies_decode_and_encode(case: str, split: str) -> None:
    """The client decodes every recorded HTTP reply; the server's encoders write it the same.

    Among them are REST replies, replies to HEAD and the errors of the HTTP layer.
    """
    store: dict[bytes, bytes] = {}
    for exchange in all_exchanges(case):
        answer = exchange.answer
        _remember(exchange.request, store)
        if answer is None or answer.proto == "bin":
            continue
        data = answer.data or _big_http_reply(exchange, store)
        assert answer.matches(data), answer.note
        response = decode_http(HttpResponseDecoder(head=answer.proto == "head"), data, split)
        head_length = -1
        if answer.proto == "head":
            length = response.headers.get(b"content-length")
            head_length = None if length is None else int(length)
        assert encode_again(response, data, head_length) == data, answer.note


def decode_http(decode: Callable[[Any, int], Any], data: bytes, split: str) -> Any:
    """Return the decoded reply after checking that it tells whether the server closes."""
    outcome = read_reply(decode, data, split_sizes(len(data), split), whole=True)
    closing = b"\r\nConnection: close\r\n" in data
    assert (outcome.kind, outcome.used) == ("closing" if closing else "result", len(data))
    return outcome.value


def encode_again(response: HttpResponse, data: bytes, head_length: int | None) -> bytes:
    headers = [
        (name.decode().title(), value.decode("latin-1"))
        for name, value in response.headers.items()
        if name not in (b"server", b"date", b"connection", b"content-length")
    ]
    return encode_response(
        response.status,
        headers,
        response.body,
        server=SERVER,
        date=_date(data),
        close=b"connection" in response.headers,
        head_length=head_length,
    )


@each_split
@each_case
def test_rpc_replies_decode_and_encode(case: str, split: str) -> None:
    """The output map of every recorded call decodes, and encodes to the recorded bytes.

    An independent decoder (the standard library's) finds the same map.
    """
    store: dict[bytes, bytes] = {}
    for exchange in all_exchanges(case):
        request, answer = exchange.request, exchange.answer
        _remember(request, store)
        if not isinstance(request, Request) or not request.http.target.startswith(b"/rpc/"):
            continue
        if answer.proto == "head":
            continue
        data = answer.data or _big_http_reply(exchange, store)
        reply = decode_http(rpc.RpcReplyDecoder(), data, split)
        assert reply.rows == _rows_by_the_standard_library(data), answer.note
        assert encode_rpc_reply(reply, data) == data, answer.note


def encode_rpc_reply(reply: rpc.RpcReply, data: bytes) -> bytes:
    kind, body = rpc.encode_reply_body(reply.rows)
    close = b"\r\nConnection: close\r\n" in data
    headers = [("Content-Type", kind)]
    return encode_response(
        reply.status, headers, body, server=SERVER, date=_date(data), close=close
    )


def _rows_by_the_standard_library(data: bytes) -> dict[bytes, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    decode: Callable[[bytes], bytes] = bytes
    if b"colenc=B" in head:
        decode = b64decode
    elif b"colenc=U" in head:
        decode = unquote_to_bytes
    rows = (line.split(b"\t") for line in body.split(b"\n")[:-1])
    return {decode(name): decode(value) for name, value in rows}


def _remember(request: Any, store: dict[bytes, bytes]) -> None:
    """Keep the value that a request stores, if it is a plain one."""
    if isinstance(request, Frame) and request.magic == binary.SET_BULK:
        store |= {record.key: record.value for record in request.items}
    elif isinstance(request, Request):
        if request.http.method == b"PUT":
            store[request.http.target[1:]] = request.http.body
        elif request.http.target == b"/rpc/set":
            params = rpc.decode_call(request.http).params
            if b"key" in params and b"value" in params:
                store[params[b"key"]] = params[b"value"]


def _big_http_reply(exchange: Exchange, store: dict[bytes, bytes]) -> bytes:
    """Return a reply of which only the head and the body's hash were recorded."""
    http: HttpRequest = exchange.request.http
    head = bytes.fromhex(exchange.answer.step["recv_head_hex"])
    if not http.target.startswith(b"/rpc/"):
        return head + store[http.target[1:]]
    assert http.target == b"/rpc/get"
    _, body = rpc.encode_reply_body({b"value": store[rpc.decode_call(http).params[b"key"]]})
    return head + body


# ---------------------------------------------------------------- the transcripts as a whole


def test_every_step_is_used() -> None:
    """No recorded answer is passed over: each is laid beside the request it belongs to."""
    recorded = sum(len(c.answers) for conversations in CASES.values() for c in conversations)
    used = sum(exchange.answer is not None for case in CASES for exchange in all_exchanges(case))
    assert used == recorded > 400


def test_requests_decode_from_plain_bytes_too() -> None:
    """A decoder takes ``bytes`` as well as a ``bytearray``, and leaves what is behind alone."""
    data = b"GET /rpc/void HTTP/1.1\r\n\r\nGET"
    request, stop = HttpRequestDecoder().decode(data, 0, len(data))
    assert (request.target, data[stop:]) == (b"/rpc/void", b"GET")
