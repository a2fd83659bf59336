"""The replayer notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.process import IncludedServer
from tests.support.replay import Step, load_cases, replay

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/tab-separated-values\r\n"
_GET = b"\xba\0\0\0\0\0\0\0\1\0\0\0\0\0\1k"


@pytest.fixture(scope="module")
def server() -> Iterator[IncludedServer]:
    """An empty database."""
    with IncludedServer(":") as server:
        yield server


def _step(send: bytes, receive: bytes, proto: str, **more: object) -> Step:
    return {
        "note": "a step",
        "proto": proto,
        "send_hex": send.hex(),
        "recv_hex": receive.hex(),
        "volatile": [],
        **more,
    }


@pytest.mark.parametrize(
    "step",
    [
        _step(_GET, b"\xba\0\0\0\1", "bin"),
        _step(_GET, b"\xba\0\0\0\0\0", "bin", closes=True, half_close=True),
        _step(_GET, b"\xba\0\0\0\0", "bin", closes=True, half_close=True, volatile=[
            {"range": [1, 5], "now_plus": 0, "tol": 5}
        ]),
        _step(_GET * 2, b"\xba\0\0\0\0", "bin", quiet_s=2),
        _step(_GET, b"", "none", quiet_s=2),
        _step(_GET, b"\xba\0\0\0\1", "bin", defer=True),
        _step(b"GET /rpc/echo?a=1 HTTP/1.1\r\n\r\n", _HEAD + b"\r\na\t2\n", "http"),
        _step(b"GET /rpc/echo?a=1 HTTP/1.1\r\n\r\n", _HEAD + b"\r\nb\t1\n", "http"),
        _step(b"GET /rpc/echo?a=1 HTTP/1.1\r\n\r\n", _HEAD + b"\r\na\t1\nb\t1\n", "http"),
        _step(b"GET /rpc/echo?a=1 HTTP/1.1\r\n\r\n", _HEAD + b"\r\na\t1\n", "http", volatile=[
            {"tsv": "*", "min": 2, "max": 3}
        ]),
        _step(b"GET /rpc/echo?a=1 HTTP/1.1\r\n\r\n", _HEAD + b"\r\na\t1\n", "http", volatile=[
            {"tsv": ["b", "a"], "re": "[a-z]"}
        ]),
        _step(b"GET /rpc/nosuch HTTP/1.1\r\n\r\n", _HEAD + b"\r\nERROR\tnot implemented: nosuch\n",
              "http"),
        _step(b"GET /rpc/void HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n",
              "http"),
        _step(b"GET /rpc/void HTTP/1.1\r\n\r\n", _HEAD + b"Connection: close\r\n\r\n", "http"),
        _step(b"GET /k HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nX-Kt-Error: no\r\n\r\n",
              "http"),
    ],
)  # fmt: skip
def test_a_difference_is_reported(server: IncludedServer, step: Step) -> None:
    """A step that expects something else does not pass."""
    (difference, *_) = replay([step], server.host, server.port)
    assert difference.startswith("step 0 (a step): ")


def test_every_transcript_is_there() -> None:
    """A case that went missing would not fail, so they are counted."""
    assert len(load_cases()) == 23
    assert sum(len(case["steps"]) for case in load_cases().values()) == 597
