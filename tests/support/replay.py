"""Replays golden transcripts against a running server and says where it differs.

Binary replies must be equal byte for byte. HTTP replies are compared by meaning: the status, the
type, what concerns records (``X-Kt-*``), whether the connection ends, and the body, which for
tab-separated values is a map. What a step calls volatile is compared as its markers say.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from kt_cache.protocol.tsv import decode_rows, encoding_of
from tests.support.process import Connection

Step: TypeAlias = Mapping[str, Any]

_PATH = Path(__file__).parents[1] / "data" / "kyoto-tycoon.vectors.json"
_ROWS = "text/tab-separated-values"


@cache
def load_cases() -> dict[str, Mapping[str, Any]]:
    """Return the transcripts by name."""
    return {case["name"]: case for case in json.loads(_PATH.read_text())}


def replay(steps: Sequence[Step], host: str, port: int) -> list[str]:
    """Return the differences that the server shows, each with its step's number and note.

    The reply to a deferred step is read behind that to the next step that is not deferred.
    """
    differences: list[str] = []
    player = _Player(host, port)
    sent: list[tuple[int, Step]] = []
    try:
        for number, step in enumerate(steps):
            player.send(step)
            sent.append((number, step))
            if not step.get("defer"):
                differences += _compare(player, (sent.pop(), *sent))
                sent.clear()
        return differences + _compare(player, sent)
    finally:
        player.close()


def _compare(player: _Player, sent: Iterable[tuple[int, Step]]) -> list[str]:
    return [
        f"step {number} ({step['note']}): {difference}"
        for number, step in sent
        for difference in player.compare(step)
    ]


class _Player:
    """Plays one transcript, on as many connections as it names."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._connections: dict[str, Connection] = {}
        self._zero = time.time()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def send(self, step: Step) -> None:
        self._wait(step)
        name = step.get("conn", "a")
        if name not in self._connections:
            self._connections[name] = Connection(*self._address)
        connection = self._connections[name]
        connection.send(_bytes_to_send(step))
        if step.get("half_close"):
            connection.end()

    def compare(self, step: Step) -> Iterator[str]:
        """Read the reply and yield how it differs."""
        name = step.get("conn", "a")
        connection = self._connections[name]
        if step["proto"] in ("http", "head"):
            yield from _compare_http(step, connection)
        elif step["proto"] == "bin":
            yield from _compare_bytes(step, connection)
        if step.get("closes"):
            rest = connection.read_rest()
            if rest:
                yield f"{rest[:80]!r} before the end"
            self._connections.pop(name).close()
        elif not step.get("more") and not connection.is_silent(step.get("quiet_s", 0.001)):
            yield "more than the reply"

    def _wait(self, step: Step) -> None:
        """Wait so long, for a point of the second, or so long after the last such point."""
        time.sleep(step.get("wait_s", 0))
        if "align" in step:
            time.sleep((step["align"] - time.time()) % 1)
            self._zero = time.time()
        if "at_s" in step:
            time.sleep(max(0.0, self._zero + step["at_s"] - time.time()))


def _bytes_to_send(step: Step) -> bytes:
    if "send_gen" not in step:
        return bytes.fromhex(step.get("send_hex", ""))
    return b"".join(
        bytes.fromhex(part["hex"])
        if "hex" in part
        else bytes.fromhex(part["repeat_hex"]) * part["count"]
        for part in step["send_gen"]
    )


# ---------------------------------------------------------------- binary


def _compare_bytes(step: Step, connection: Connection) -> Iterator[str]:
    if "recv_sha256" in step:
        data = connection.read(step["recv_len"])
        if hashlib.sha256(data).hexdigest() != step["recv_sha256"]:
            yield f"another reply of {len(data)} bytes"
        return
    expected = bytearray.fromhex(step["recv_hex"])
    data = bytearray(connection.read(len(expected)))
    for marker in step["volatile"]:
        first, last = marker["range"]
        if "now_plus" in marker:
            yield from _check_clock(marker, int.from_bytes(data[first:last], "big"))
        expected[first:last] = data[first:last]
    if data != expected:
        yield f"{data.hex()[:200]} instead of {expected.hex()[:200]}"


def _check_clock(marker: Mapping[str, Any], seconds: float) -> Iterator[str]:
    error = seconds - time.time() - marker["now_plus"]
    if abs(error) > marker["tol"]:
        yield f"a time that is wrong by {error:.1f} s"


# ---------------------------------------------------------------- HTTP


def _compare_http(step: Step, connection: Connection) -> Iterator[str]:
    status, headers, body = connection.read_http(head=step["proto"] == "head")
    wanted_status, wanted, wanted_body = _recorded(step)
    if status != wanted_status:
        yield f"status {status} instead of {wanted_status}"
    if wanted.get("connection") == "close" and headers.get("connection") != "close":
        yield "the end of the connection is not announced"
    yield from _compare_headers(step, headers, wanted)
    if step["proto"] == "head":
        return
    if "body_sha256" in step:
        if hashlib.sha256(body).hexdigest() != step["body_sha256"]:
            yield f"another body of {len(body)} bytes"
    elif wanted.get("content-type", "").startswith(_ROWS):
        rows = decode_rows(body, encoding_of(headers.get("content-type", "")))
        wanted_rows = decode_rows(wanted_body, encoding_of(wanted["content-type"]))
        yield from _compare_rows(step, _as_text(rows), _as_text(wanted_rows))
    elif body != wanted_body:
        yield f"{body[:200]!r} instead of {wanted_body[:200]!r}"


def _recorded(step: Step) -> tuple[int, dict[str, str], bytes]:
    raw = bytes.fromhex(step.get("recv_hex") or step["recv_head_hex"])
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ")[1]), {n.lower(): v.strip() for n, _, v in pairs}, body


def _compare_headers(
    step: Step, headers: Mapping[str, str], wanted: Mapping[str, str]
) -> Iterator[str]:
    markers = {m["header"].lower(): m for m in step["volatile"] if "header" in m}
    for name, value in wanted.items():
        given = headers.get(name)
        if name == "content-type":
            given, value = (text and text.split(";")[0] for text in (given, value))
        elif name.startswith("x-kt-"):
            if name in markers and given is not None:
                yield from _check_value(markers[name], given)
                continue
        else:
            continue
        if given != value:
            yield f"{name} {given!r} instead of {value!r}"


def _compare_rows(step: Step, rows: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    optional = {
        name
        for name in rows.keys() | wanted.keys()
        if (_row_marker(step, name) or {}).get("optional")
    }
    names, wanted_names = rows.keys() - optional, wanted.keys() - optional
    if names != wanted_names:
        yield f"rows {sorted(names)} instead of {sorted(wanted_names)}"
    for name in names & wanted_names:
        marker = _row_marker(step, name)
        if marker:
            yield from _check_value(marker, rows[name])
        elif rows[name] != wanted[name]:
            yield f"row {name}: {rows[name][:200]!r} instead of {wanted[name][:200]!r}"


def _row_marker(step: Step, name: str) -> Mapping[str, Any] | None:
    for marker in step["volatile"]:
        patterns = marker.get("tsv", [])
        if any(
            fnmatchcase(name, p) for p in ([patterns] if isinstance(patterns, str) else patterns)
        ):
            return marker
    return None


def _check_value(marker: Mapping[str, Any], value: str) -> Iterator[str]:
    """Check a value that may differ from the recorded one."""
    if "re" in marker and not re.fullmatch(marker["re"], value):
        yield f"{value!r} does not match {marker['re']}"
    if "now_plus" in marker:
        date = parsedate(value)
        yield from _check_clock(marker, timegm(date) if date else float(value))
    if "min" in marker and not marker["min"] <= float(value) <= marker["max"]:
        yield f"{value} is not from {marker['min']} to {marker['max']}"


def _as_text(rows: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in rows.items()}
