"""A pickle that does something when it is read, in every disguise that a payload can have."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lz4.block
import zstandard

from kt_cache.cache.signing import Signer


class Bomb:
    """Unpickling one creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


_COMPRESSED = {b"\xa1": zlib.compress, b"\xa2": lz4.block.compress, b"\xa3": zstandard.compress}
_FORMATS = [bytes((mark,)) for mark in range(0x80, 0x90)]
_STRANGER = Signer([b"a key that nobody configured"])


def bomb_payloads(path: Path) -> Iterator[bytes]:
    """Yield payloads whose decoding would create the file, were they believed.

    Raw, behind every format byte, compressed, signed by a stranger and with a made-up signature,
    and all of these behind an envelope.
    """
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(Bomb(path), protocol)
        plain = [data, *(mark + data for mark in _FORMATS)]
        compressed = [
            mark + inner + compress(data)
            for mark, compress in _COMPRESSED.items()
            for inner in (b"", b"\x81", b"\x82", b"\x8f")
        ]
        for payload in plain + compressed:
            yield payload
            yield b"\x01" + bytes(8) + payload
            if payload[:2] in (b"\x81\x80", b"\xa1\x81", b"\xa2\x81", b"\xa3\x81"):
                yield b"\x91" + bytes(32) + payload
                yield _STRANGER.sign(payload, b"")
