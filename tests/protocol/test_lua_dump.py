"""Dumps of maps and arrays, and the varints in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.errors import DecodeError
from kt_cache.protocol.lua_dump import dump_array, dump_map, load_array, load_map
from kt_cache.protocol.varint import decode_varint, encode_varint
from tests.protocol.strategies import maps
from tests.support.ktserver import need_ktserver

LOADERS = """
local kt = __kyototycoon__
function maps(inmap, outmap)
  for key, value in pairs(kt.mapload(inmap.data)) do outmap[key] = value end
end
function arrays(inmap, outmap)
  for i, value in ipairs(kt.arrayload(inmap.data)) do outmap[string.format("%04d", i)] = value end
end
function again(inmap, outmap)
  outmap.map = kt.mapdump(kt.mapload(inmap.map))
  outmap.array = kt.arraydump(kt.arrayload(inmap.array))
end
"""

arrays = st.lists(st.binary(max_size=200), max_size=6)
# Sizes that fit and sizes that do not. No size is cut in itself: the reference server's arrayload
# never comes back from that.
noise = st.lists(st.sampled_from([0, 1, 2, 3, 65, 127]), max_size=24).map(bytes)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KyotoTycoon]:
    """A client of the reference server with functions that load and dump."""
    need_ktserver()
    script: Path = tmp_path_factory.mktemp("lua") / "loaders.lua"
    script.write_text(LOADERS)
    with EmbeddedServer("ktserver", server_args=["-scr", str(script)], quiet=True) as server:
        yield KyotoTycoon(server.host, server.port, serializer="none", decode_keys=False)


def on_reference(*examples: bytes):
    """Run a property against the running server; it has no state to reset between examples."""

    def decorate(test):
        for data in examples:
            test = example(data)(test)
        suppressed = [HealthCheck.function_scoped_fixture]
        return settings(max_examples=60, suppress_health_check=suppressed)(test)

    return decorate


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8100"),
        (200, "8148"),
        (16384, "818000"),
        (2**64 - 1, "81ffffffffffffffff7f"),
    ],
)
def test_varints(number: int, data: str) -> None:
    """Numbers have the bytes that the reference server gives them."""
    assert encode_varint(number).hex() == data
    assert decode_varint(bytes.fromhex(data)) == (number, len(data) // 2)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=4), st.binary(max_size=4))
def test_varints_come_back(number: int, before: bytes, after: bytes) -> None:
    """A number is read where it stands, and is not there before its last byte is."""
    data = encode_varint(number)
    end = len(before) + len(data)
    assert decode_varint(before + data + after, len(before)) == (number, end)
    for cut in range(len(data)):
        assert decode_varint(before + data[:cut], len(before)) is None


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_varint_has_64_bits(number: int) -> None:
    """Other numbers are refused."""
    with pytest.raises(ValueError, match="varint"):
        encode_varint(number)


def test_known_bytes() -> None:
    """Dumps look as the reference server writes them."""
    assert dump_array([b"x", b"", b"abc"]) == bytes.fromhex("01780003616263")
    assert dump_map({b"k": b"val"}) == bytes.fromhex("01036b76616c")
    assert dump_array([]) == dump_map({}) == b""


@given(maps)
def test_maps_come_back(pairs: dict[bytes, bytes]) -> None:
    """A map survives, in its order."""
    assert list(load_map(dump_map(pairs)).items()) == list(pairs.items())


@given(arrays)
def test_arrays_come_back(items: list[bytes]) -> None:
    """An array survives."""
    assert load_array(dump_array(items)) == items


@given(arrays, st.integers(0, 400))
def test_what_is_complete_is_loaded(items: list[bytes], size: int) -> None:
    """Of data cut short the complete elements are loaded, without an error."""
    whole = dump_array(items)
    loaded = load_array(whole[:size])
    assert loaded == items[: len(loaded)]
    complete = dump_array(loaded)
    next_item = items[len(loaded) : len(loaded) + 1]
    assert len(complete) <= max(size, 0)
    assert not next_item or size < len(complete + dump_array(next_item))


@pytest.mark.parametrize("data", [b"\x81", b"\xff", b"\x81\x80\x80"])
def test_a_size_cut_in_itself_ends_the_data(data: bytes) -> None:
    """What comes before it is loaded."""
    assert load_array(b"\x01a" + data) == [b"a"]
    assert load_map(b"\x01\x01kv" + data) == {b"k": b"v"}


@given(maps, arrays, st.integers(1, 9))
def test_strict_loading_refuses_what_is_cut_short(
    pairs: dict[bytes, bytes], items: list[bytes], missing: int
) -> None:
    """A dump that breaks off raises; a whole one is loaded as always."""
    for value, dump, load in ((pairs, dump_map, load_map), (items, dump_array, load_array)):
        whole = dump(value)
        assert load(whole, strict=True) == value
        cut = whole[:-missing]
        if dump(load(cut)) != cut:
            with pytest.raises(DecodeError):
                load(cut, strict=True)


@on_reference(b"", b"\x01\x01k", b"\x00\x00", b"\x00", b"\x01\x01kv\x01\x00k")
@given(data=noise)
def test_maps_load_as_on_the_server(reference: KyotoTycoon, data: bytes) -> None:
    """Whatever the bytes, the reference server loads the same map."""
    assert reference.script("maps", {"data": data}) == load_map(data)


@on_reference(b"", b"\x00", b"\x00\x00", b"\x02a", b"\xff" * 11 + b"\x00")
@given(data=noise)
def test_arrays_load_as_on_the_server(reference: KyotoTycoon, data: bytes) -> None:
    """Whatever the bytes, the reference server loads the same array."""
    assert list(reference.script("arrays", {"data": data}).values()) == load_array(data)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=maps, items=arrays)
def test_dumps_are_the_servers(
    reference: KyotoTycoon, pairs: dict[bytes, bytes], items: list[bytes]
) -> None:
    """The reference server reads our dumps and writes the same, but for the map's order."""
    sent = {"map": dump_map(pairs), "array": dump_array(items)}
    back = reference.script("again", sent)
    assert load_map(back[b"map"]) == pairs
    assert back[b"array"] == sent["array"]
