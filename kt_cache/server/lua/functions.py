"""The functions of ``__kyototycoon__`` that are about bytes and numbers, not about databases."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping

from kt_cache.errors import ConfigError
from kt_cache.protocol.lua_dump import load_array, load_map
from kt_cache.protocol.lua_pack import to_unsigned, unpack_numbers
from kt_cache.protocol.tsv import decode_column, quoted_encode, url_encode
from kt_cache.server.parameters import parse_integer, parse_real
from kt_cache.storage.matching import EditDistance
from kt_cache.storage.patterns import compile_pattern

__all__ = ["FUNCTIONS"]

_LARGEST = 2**63 - 1
_LOW_48 = 2**48 - 1
_LOW_64 = 2**64 - 1
_MASK_32 = 2**32 - 1

_sized = re.compile(rb"[\x01-\x20]*([+-]?)([0-9]*)(?:\.([0-9]*))?[\x01-\x20]*(.?)", re.DOTALL).match
_replacement = re.compile(rb"\$([0-9&$])?")
_HEX = {bytes((byte,)): int(chr(byte), 16) for byte in b"0123456789abcdefABCDEF"}
_hex_pairs = re.compile(rb"[\x01-\x20]*([^\x01-\x20])(.?)", re.DOTALL).findall
_SIZES = {b"kmgtpe"[index : index + 1]: 2 ** (10 * (index + 1)) for index in range(6)}


def _text(data: bytes) -> bytes:
    """Return what the reference server sees of a string where it takes it for a C string."""
    return data.partition(b"\0")[0]


# ---------------------------------------------------------------- numbers


def _atoix(text: bytes) -> int:
    """Read a number with a suffix: k, m, g, t, p or e for powers of 1024."""
    match = _sized(text)
    if match is None:
        return 0
    sign, whole, fraction, suffix = match.groups()
    number = float(b"%b.%b" % (whole or b"0", fraction or b"0")) * _SIZES.get(suffix.lower(), 1)
    cut = int(min(number, _LARGEST))
    return -cut if sign == b"-" else cut


def _bit(operation: bytes, first: float, second: float) -> int:
    a, b = to_unsigned(first, 32), to_unsigned(second, 32)
    name = operation.lower()
    if name == b"and":
        return a & b
    if name == b"or":
        return a | b
    if name == b"xor":
        return a ^ b
    if name == b"not":
        return a ^ _MASK_32
    if name == b"left":
        return a << b % 32 & _MASK_32
    if name == b"right":
        return a >> b % 32
    return a


# ---------------------------------------------------------------- hashes


def _hash_fnv(data: bytes) -> int:
    number = 14695981039346656037
    for byte in data:
        number = (number ^ byte) * 109951162811 & _LOW_64
    return number & _LOW_48


def _hash_murmur(data: bytes) -> int:
    """MurmurHash of 64 bits, its second version for 64-bit machines."""
    factor = 0xC6A4A7935BD1E995
    number = 19780211 ^ len(data) * factor & _LOW_64
    whole = len(data) & ~7
    for start in range(0, whole, 8):
        block = int.from_bytes(data[start : start + 8], "little") * factor & _LOW_64
        block = (block ^ block >> 47) * factor & _LOW_64
        number = number * factor & _LOW_64 ^ block
    if whole < len(data):
        number = (number ^ int.from_bytes(data[whole:], "little")) * factor & _LOW_64
    number = (number ^ number >> 47) * factor & _LOW_64
    return (number ^ number >> 47) & _LOW_48


# ---------------------------------------------------------------- strings


def _levdist(a: bytes, b: bytes, characters: bool) -> int:
    distance = EditDistance(a, len(a) + len(b), characters=characters)(b)
    return distance or 0


def _strstr(data: bytes, pattern: bytes) -> int:
    return _text(data).find(_text(pattern)) + 1


def _strstr_replace(data: bytes, pattern: bytes, alternative: bytes) -> bytes:
    data, pattern = _text(data), _text(pattern)
    return data.replace(pattern, _text(alternative)) if pattern else data


def _strfwm(data: bytes, prefix: bytes) -> bool:
    return _text(data).startswith(_text(prefix))


def _strbwm(data: bytes, suffix: bytes) -> bool:
    return _text(data).endswith(_text(suffix))


def _split(data: bytes, delimiters: bytes | None = None) -> list[bytes]:
    if delimiters is None:
        return data.split(b"\0")
    data, delimiters = _text(data), _text(delimiters)
    return re.split(b"[%b]" % re.escape(delimiters), data) if delimiters else [data]


def _regex(data: bytes, pattern: bytes) -> bool:
    try:
        return compile_pattern(_text(pattern)).search(_text(data)) is not None
    except ConfigError:
        return False


def _regex_replace(data: bytes, pattern: bytes, alternative: bytes) -> bytes:
    """Replace every match; ``$1`` to ``$9`` in the alternative are groups, ``$&`` is the match."""
    data, pattern, alternative = _text(data), _text(pattern), _text(alternative)
    try:
        search = compile_pattern(pattern).search
    except ConfigError:
        return data
    if not pattern:
        return data
    parts: list[bytes] = []
    position = 0
    while position < len(data) and (match := search(data, position)):
        parts += (data[position : match.start()], _fill_in(alternative, match))
        if match.end() == position:  # an empty match at the very beginning ends it
            break
        position = match.end()
    return b"".join(parts) + data[position:]


def _fill_in(alternative: bytes, match: re.Match[bytes]) -> bytes:
    def fill(sign: re.Match[bytes]) -> bytes:
        what: bytes | None = sign[1]
        if not what or what == b"$":
            return b"$" if what else b""
        group = 0 if what == b"&" else int(what)
        return (match[group] or b"") if group <= (match.re.groups) else b""

    return _replacement.sub(fill, alternative)


# ---------------------------------------------------------------- codecs


def _hex_decode(data: bytes) -> bytes:
    """Undo pairs of digits; a bad first one counts as 0, a bad second one is swallowed."""
    decoded = bytearray()
    for first, second in _hex_pairs(data):
        number = _HEX.get(first, 0)
        decoded.append(number * 16 + _HEX[second] if second in _HEX else number)
    return bytes(decoded)


def _deflate(data: bytes, window: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, window, 9)
    return packer.compress(data) + packer.flush()


def _inflate(data: bytes, window: int, most: int) -> bytes | None:
    try:
        unpacker = zlib.decompressobj(window)
        unpacked = unpacker.decompress(data, most)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


_CODECS: Mapping[bytes, Callable[[bytes, int], bytes | None]] = {
    b"url": lambda data, _: url_encode(data),
    b"~url": lambda data, _: decode_column(_text(data), "U"),
    b"base": lambda data, _: b64encode(data),
    b"~base": lambda data, _: decode_column(_text(data), "B"),
    b"quote": lambda data, _: quoted_encode(data),
    b"~quote": lambda data, _: decode_column(_text(data), "Q"),
    b"hex": lambda data, _: data.hex().encode(),
    b"~hex": lambda data, _: _hex_decode(_text(data)),
    # The reference server has the first two the other way round.
    b"zlib": lambda data, _: _deflate(data, -zlib.MAX_WBITS) + b"\0",
    b"~zlib": lambda data, most: _inflate(data, -zlib.MAX_WBITS, most),
    b"deflate": lambda data, _: _deflate(data, zlib.MAX_WBITS),
    b"~deflate": lambda data, most: _inflate(data, zlib.MAX_WBITS, most),
    b"gzip": lambda data, _: _deflate(data, zlib.MAX_WBITS + 16),
    b"~gzip": lambda data, most: _inflate(data, zlib.MAX_WBITS + 16, most),
}


def _codec(mode: bytes, data: bytes, most: int) -> bytes | None:
    codec = _CODECS.get(mode.lower())
    return codec(data, most) if codec else None


# ---------------------------------------------------------------- for Lua

FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "atoi": parse_integer,
    "atoix": _atoix,
    "atof": parse_real,
    "bit": _bit,
    "codec": _codec,
    "hash_fnv": _hash_fnv,
    "hash_murmur": _hash_murmur,
    "levdist": _levdist,
    "load_array": load_array,
    "load_map": lambda data: [item for pair in load_map(data).items() for item in pair],
    "regex": _regex,
    "regex_replace": _regex_replace,
    "split": _split,
    "strbwm": _strbwm,
    "strfwm": _strfwm,
    "strstr": _strstr,
    "strstr_replace": _strstr_replace,
    "unpack": lambda form, data: [float(number) for number in unpack_numbers(form, data)],
}
"""Functions by name. They take and return bytes, numbers and ``None``, or return a list of them."""
