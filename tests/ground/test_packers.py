"""Packers: values laid out as the memcached protocol's readers expect them."""

from __future__ import annotations

import contextlib
import gzip
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymemcache.client.base import Client as MemcacheClient

from kt_cache import EmbeddedServer, KyotoTycoon, MemcachePacker, SimpleMemcachePacker
from kt_cache.errors import ConfigError, DecodeError, EncodeError
from kt_cache.serializers import get_serializer
from tests.support.ktserver import need_ktserver

FLAGS = st.integers(0, 2**32 - 1)


@given(st.binary(), FLAGS)
def test_pairs(item: bytes, flags: int) -> None:
    """The flags stand behind the item, the most significant byte first."""
    packed = SimpleMemcachePacker().pack((item, flags))
    assert packed == item + flags.to_bytes(4, "big")
    assert SimpleMemcachePacker().unpack(packed) == (item, flags)


@given(st.binary(max_size=400), st.booleans(), st.integers(0, 300), st.integers(1, 32))
def test_items(item: bytes, enabled: bool, threshold: int, flag: int) -> None:
    """Items come back as they were; compressed ones have their flag, and only that one."""
    packer = MemcachePacker(enabled, threshold, flag)
    packed = packer.pack(item)
    assert packer.unpack(packed) == item
    compressed = enabled and len(item) >= threshold
    assert int.from_bytes(packed[-4:], "big") == (1 << (flag - 1) if compressed else 0)
    assert (gzip.decompress(packed[:-4]) if compressed else packed[:-4]) == item


def test_the_same_item_is_the_same_record() -> None:
    """As ``cas`` needs it."""
    packer = MemcachePacker(True, 0)
    assert packer.pack(b"x" * 500) == packer.pack(b"x" * 500)


@pytest.mark.parametrize("data", [b"item", (b"item",), (b"i", 1, 2), (b"i", -1), (b"i", 2**32)])
def test_no_pair(data: Any) -> None:
    """Anything but bytes and flags is refused."""
    with pytest.raises(EncodeError):
        SimpleMemcachePacker().pack(data)


@pytest.mark.parametrize("data", [("text", 0), (None, 0), (b"i", True), (b"i", "0")])
def test_no_bytes_or_flags(data: Any) -> None:
    """Text is not bytes, and what is no number is no flag."""
    with pytest.raises(EncodeError):
        SimpleMemcachePacker().pack(data)


@pytest.mark.parametrize("record", [b"", b"abc"])
def test_too_short(record: bytes) -> None:
    """A record without flags was not made by a packer."""
    with pytest.raises(DecodeError, match="too short"):
        MemcachePacker().unpack(record)
    with pytest.raises(DecodeError, match="too short"):
        SimpleMemcachePacker().unpack(record)


@pytest.mark.parametrize("item", [b"", b"plain", gzip.compress(b"x" * 99, mtime=0)[:-9]])
def test_not_gzip(item: bytes) -> None:
    """The flag says gzip, the item is not."""
    with pytest.raises(DecodeError):
        MemcachePacker(True).unpack(item + b"\0\0\0\1")


def test_a_bomb() -> None:
    """A record that unpacks to more than any value may have is not unpacked to the end."""
    bomb = gzip.compress(bytes(2**28 + 1), compresslevel=1)
    with pytest.raises(DecodeError, match="too much"):
        MemcachePacker(True).unpack(bomb + b"\0\0\0\1")


@pytest.mark.parametrize("options", [{"gzip_flag": 0}, {"gzip_flag": 33}, {"gzip_threshold": -1}])
def test_settings_out_of_range(options: dict[str, int]) -> None:
    """A wrong setting is named."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        MemcachePacker(**options)


class Reversing:
    """A packer of a user's own."""

    def pack(self, data: Any) -> Any:
        return data[::-1]

    def unpack(self, data: bytes) -> bytes:
        return data[::-1]


def test_a_packer_of_ones_own(kt: KyotoTycoon) -> None:
    """An object with pack and unpack is a serializer."""
    client = KyotoTycoon(config=kt.config, serializer=Reversing())
    client.set("k", b"abc")
    assert (client.get("k"), client.get_bytes("k")) == (b"abc", b"cba")
    with pytest.raises(EncodeError, match="str instead of bytes"):
        client.set("k", "abc")
    with pytest.raises(EncodeError, match="Reversing cannot encode int"):
        client.set("k", 5)


@pytest.mark.parametrize("serializer", [5, object(), [], type("Half", (), {"pack": len})()])
def test_no_packer(serializer: Any) -> None:
    """What is neither a name nor a packer is refused."""
    with pytest.raises(ConfigError, match="pack and unpack"):
        get_serializer(serializer)


# ---------------------------------------------------------------- the other protocol's readers


def free_port() -> int:
    """Return a port that ktserver can listen on: it refuses those above 32767."""
    while True:
        port = random.randrange(20000, 32768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def wait_until_open(port: int) -> None:
    """Wait for the plug-in, which starts a little after the server."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[KyotoTycoon, MemcacheClient]]:
    """Give two clients of one ktserver: ours, and one of the memcached protocol."""
    program = need_ktserver()
    plug_in = Path(program).resolve().parents[1] / "libexec" / "ktplugservmemc.so"
    if not plug_in.exists():
        pytest.skip("this ktserver has no memcached plug-in")
    port = free_port()
    arguments = ["-plsv", str(plug_in), "-plex", f"host=127.0.0.1#port={port}#opts=f"]
    memcache = MemcacheClient(("127.0.0.1", port), timeout=5, connect_timeout=5)
    with (
        EmbeddedServer(program, server_args=arguments, quiet=True) as server,
        contextlib.closing(memcache),
    ):
        wait_until_open(port)
        yield server.client, memcache


def test_what_memcached_readers_see(shared: tuple[KyotoTycoon, MemcacheClient]) -> None:
    """Items and flags go both ways."""
    ours, memcache = shared
    pairs = KyotoTycoon(config=ours.config, serializer=SimpleMemcachePacker())
    pairs.set("p", (b"item", 7))
    assert memcache.raw_command("get p", "END\r\n").startswith(b"VALUE p 7 4\r\nitem\r\n")
    memcache.set("q", b"theirs", noreply=False, flags=9)
    assert pairs.get("q") == (b"theirs", 9)


def test_what_memcached_readers_unpack(shared: tuple[KyotoTycoon, MemcacheClient]) -> None:
    """A reader that knows the flag unpacks what we compressed, and we what it compressed."""
    ours, memcache = shared
    packed = KyotoTycoon(config=ours.config, serializer=MemcachePacker(True))
    packed.set_bulk({"small": b"s", "large": b"l" * 1000})
    assert memcache.get("small") == b"s"
    assert gzip.decompress(memcache.get("large")) == b"l" * 1000
    memcache.set("theirs", gzip.compress(b"t" * 1000), noreply=False, flags=1)
    memcache.set("plain", b"t", noreply=False)
    assert packed.get_bulk(["theirs", "plain"]) == {"theirs": b"t" * 1000, "plain": b"t"}
