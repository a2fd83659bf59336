"""The fuzz corpus: inputs that between them reach every corner of the decoders, and its growing.

``python -m tests.protocol.corpus SECONDS`` mutates what is there, and the recorded transcripts, and
keeps every input that takes a step through the decoders' code that none before took.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from kt_cache import protocol
from tests.protocol.test_never_another_error import (
    DECODERS,
    REPLIES,
    REQUESTS,
    SMALL,
    Limits,
    check_reply,
    check_requests,
)

FILE = Path(__file__).parents[1] / "data" / "corpus.json"
_CODE = str(Path(protocol.__file__).parent)
_LONGEST = 1200  # bytes

Steps = set[tuple[str, int, int]]


def _reply_check(name: str) -> Callable[[bytes], None]:
    return lambda data: check_reply(DECODERS[name], data, [3, 1, 7])


CHECKS: dict[str, Callable[[bytes], None]] = {name: _reply_check(name) for name in DECODERS} | {
    "requests": lambda data: check_requests(data, [3, 1, 7], Limits()),
    "requests with small limits": lambda data: check_requests(data, [3, 1, 7], SMALL),
}


def load() -> dict[str, list[bytes]]:
    """Return the inputs kept, by what they are fed to."""
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    return {name: [bytes.fromhex(data) for data in kept.get(name, [])] for name in CHECKS}


def save(corpus: dict[str, list[bytes]]) -> None:
    """Keep the inputs."""
    kept = {name: sorted({data.hex() for data in inputs}) for name, inputs in corpus.items()}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


@contextmanager
def _watched(steps: Steps) -> Iterator[None]:
    """Note every step from line to line within the protocol's code."""

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_CODE):
            return None
        last = frame.f_lineno

        def step(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                steps.add((frame.f_code.co_filename, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(None)


def _mutated(chance: random.Random, samples: list[bytes]) -> bytes:
    data = bytearray(chance.choice(samples))
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(data))
        stop = chance.randint(start, min(len(data), start + 16))
        kind = chance.randrange(5)
        if kind == 0 and start < len(data):
            data[start] = chance.choice((0, 1, 10, 13, 127, 128, 255, chance.randrange(256)))
        elif kind == 1:
            data[start:start] = chance.randbytes(chance.randint(1, 6))
        elif kind == 2:
            del data[start:stop]
        elif kind == 3:
            data[stop:stop] = data[start:stop]
        else:
            other = chance.choice(samples)
            data[start:] = other[chance.randint(0, len(other)) :]
    return bytes(data[:_LONGEST])


def grow(seconds: float, chance: random.Random) -> dict[str, list[bytes]]:
    """Return the corpus with what was found in that time; a failing input raises."""
    corpus = load()
    for name, check in CHECKS.items():
        seen: Steps = set()
        kept: list[bytes] = []
        seeds = corpus[name] + (REQUESTS if name.startswith("requests") else REPLIES)
        end = time.monotonic() + seconds / len(CHECKS)
        candidates = iter(seeds)
        while time.monotonic() < end:
            data = next(candidates, None)
            if data is None:
                data = _mutated(chance, kept + seeds)
            steps: Steps = set()
            try:
                with _watched(steps):
                    check(data)
            except BaseException:
                print(f"{name}: {data.hex()}", file=sys.stderr)
                raise
            if steps - seen:
                seen |= steps
                kept.append(data)
        corpus[name] = kept
    return corpus


if __name__ == "__main__":
    found = grow(float(sys.argv[1]), random.Random())
    save(found)
    print({name: len(inputs) for name, inputs in found.items()})
