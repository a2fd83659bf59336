"""Tab-separated rows and their column encodings: the body format of TSV-RPC.

A map of names to values is sent as ``name TAB value LF`` rows, raw or with every column encoded:
``B`` base64, ``U`` URL escapes, ``Q`` quoted-printable. URL escapes and the form syntax of query
strings are here too, because they share one decoder.

The decoders treat broken input as the reference server does: they drop it and never fail.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Collection, Iterable, Mapping
from string import ascii_letters, digits

__all__ = [
    "CONTENT_TYPE",
    "choose_reply_encoding",
    "content_type",
    "decode_column",
    "decode_columns",
    "decode_form",
    "decode_rows",
    "encode_raw_rows",
    "encode_rows",
    "encoding_of",
    "quoted_encode",
    "url_decode",
    "url_encode",
]

CONTENT_TYPE = "text/tab-separated-values"

_PREVIEW = 255  # only so many bytes of a column decide about the reply's encoding

_needs_encoding = re.compile(rb"[\x00-\x1f\x7f]").search
_url_safe_estimate = re.compile(rb"[A-Za-z0-9_\-.!~*'()]")
_url_escaped = re.compile(rb"[^A-Za-z0-9_\-.~]")
_url_token = re.compile(rb"%|\+|[\x00-\x20\x7f-\xff]+")
_quoted_escaped = re.compile(rb"[=\x00-\x1f\x7f-\xff]")
_quoted_token = re.compile(rb"=\r\n?|=\n|=|[\x00-\x1f\x7f-\xff]+")
_not_base64 = bytes(set(range(256)) - set((ascii_letters + digits + "+/=").encode()))
_blanks = bytes(range(1, 0x21))
_colenc = re.compile(r'[ ;]colenc="?([BQU])', re.IGNORECASE).findall

_ESCAPES = [b"%%%02x" % byte for byte in range(256)]
_HEX = {ord(digit): value for value, digit in enumerate("0123456789abcdef")}
_HEX |= {ord(digit): _HEX[ord(digit.lower())] for digit in "ABCDEF"}


# ---------------------------------------------------------------- columns


def url_encode(column: bytes) -> bytes:
    """Escape everything but letters, digits and ``_ - . ~``."""
    return _url_escaped.sub(lambda match: _ESCAPES[match[0][0]], column)


def url_decode(column: bytes) -> bytes:
    """Undo URL escapes; ``+`` is a space, bytes that should have been escaped are dropped."""
    return _unescape(column, _url_token, b"%")


def quoted_encode(column: bytes) -> bytes:
    """Return a column as quoted-printable, in one line; the reference server never sends this."""
    return _quoted_escaped.sub(lambda match: b"=%02X" % match[0][0], column)


def _quoted_decode(column: bytes) -> bytes:
    return _unescape(column, _quoted_token, b"=")


def _unescape(column: bytes, token: re.Pattern[bytes], escape: bytes) -> bytes:
    """Replace each escape of two hexadecimal digits by its byte and drop unescaped ones.

    As the reference server has it: a bad first digit counts as 0, a bad second one is swallowed,
    an escape cut off at the end is dropped.
    """
    parts = []
    position, end = 0, len(column)
    while match := token.search(column, position):
        parts.append(column[position : match.start()])
        position = match.end()
        if match[0] == b"+":
            parts.append(b" ")
        elif match[0] == escape:
            if position + 2 > end:
                return b"".join(parts)
            high, low = _HEX.get(column[position], 0), _HEX.get(column[position + 1])
            parts.append(bytes((high if low is None else high * 16 + low,)))
            position += 2
    parts.append(column[position:])
    return b"".join(parts)


def _base64_decode(column: bytes) -> bytes:
    """Decode base64; bytes outside the alphabet are skipped, the first group with ``=`` ends it.

    As the reference server has it: a group that is cut short is taken as if zeros stood before
    it, and every ``=`` in the last group makes the result one byte shorter.
    """
    symbols = column.translate(None, _not_base64)
    padding = symbols.find(b"=")
    whole = (len(symbols) if padding < 0 else padding) & ~3
    decoded, last = a2b_base64(symbols[:whole]), symbols[whole : whole + 4]
    if not last:
        return decoded
    bits = a2b_base64(last.replace(b"=", b"A").rjust(4, b"A"))
    return decoded + bits[: max(0, 3 - last.count(b"="))]


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "B": _base64_decode,
    "U": url_decode,
    "Q": _quoted_decode,
}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {"B": b64encode, "U": url_encode}


# ---------------------------------------------------------------- rows


def content_type(encoding: str) -> str:
    """Return the Content-Type of rows in that encoding (empty for raw)."""
    return f"{CONTENT_TYPE}; colenc={encoding}" if encoding else CONTENT_TYPE


def encoding_of(type_header: str) -> str:
    """Return the column encoding that a Content-Type names: ``B``, ``U``, ``Q`` or empty."""
    named: list[str] = _colenc(type_header)
    return named[-1].upper() if named else ""


def encode_rows(
    rows: Iterable[tuple[bytes, bytes]], encoding: str = "", *, ordered: bool = False
) -> bytes:
    """Return the body of a map.

    :param encoding: ``B``, ``U`` or empty for raw; raw columns must be free of TAB, LF and CR.
    :param ordered: sort the rows by their names as sent, else leave them in the order given.
    """
    if encoding:
        encode = _ENCODERS[encoding]
        rows = [(encode(name), encode(value)) for name, value in rows]
    if ordered:
        rows = sorted(rows)
    body = b"\n".join(map(b"\t".join, rows))
    return body + b"\n" if body else b""


def encode_raw_rows(rows: Collection[tuple[bytes, bytes]]) -> bytes | None:
    """Return the body of a map in the order given, or ``None`` if it cannot be sent raw."""
    body, count = encode_rows(rows), len(rows)
    # With a TAB, LF or CR in a column there is one too many in the whole.
    if body.count(b"\t") != count or body.count(b"\n") != count or b"\r" in body:
        return None
    return body


def decode_column(column: bytes, encoding: str) -> bytes:
    """Return a name or value decoded, up to its first NUL."""
    return _DECODERS[encoding](column.partition(b"\0")[0])


def decode_columns(rows: Mapping[bytes, bytes], encoding: str) -> dict[bytes, bytes]:
    """Return the map with every name and value decoded, each up to its first NUL.

    Of names that become equal the one that sorted last before wins.
    """
    return {
        decode_column(name, encoding): decode_column(value, encoding)
        for name, value in sorted(rows.items())
    }


def decode_rows(body: bytes, encoding: str = "") -> dict[bytes, bytes]:
    """Return the map in a body; lines without TAB are ignored, the last of equal names wins."""
    rows: dict[bytes, bytes] = {}
    for line in body.split(b"\n"):
        name, tab, value = line.partition(b"\t")
        if tab:
            rows[name] = value.removesuffix(b"\r")
    return decode_columns(rows, encoding) if encoding else rows


def choose_reply_encoding(rows: Mapping[bytes, bytes]) -> str:
    """Return the encoding the reference server picks for a reply.

    It encodes if any column is longer than 255 bytes or has a control byte in its first 255; it
    estimates which of ``B`` and ``U`` is shorter over those first bytes.
    """
    columns = [*rows.keys(), *rows.values()]
    whole = b"".join(columns)
    if len(whole) <= _PREVIEW and not _needs_encoding(whole):
        return ""  # as most, without a look at each of them
    previews = [column[:_PREVIEW] for column in columns]
    if all(len(column) <= _PREVIEW for column in columns) and not any(
        map(_needs_encoding, previews)
    ):
        return ""
    base64_size = sum(len(preview) * 6 // 4 + 3 for preview in previews)
    url_size = sum(
        3 * len(preview) - 2 * len(_url_safe_estimate.findall(preview)) for preview in previews
    )
    return "B" if base64_size < url_size else "U"


# ---------------------------------------------------------------- forms


def decode_form(form: bytes) -> dict[bytes, bytes]:
    """Return the map in a query string or form body: ``name=value`` pairs at ``&`` or ``;``."""
    rows: dict[bytes, bytes] = {}
    for pair in re.split(b"[&;]", form.split(b"\0", 1)[0]):
        stripped = pair.lstrip(_blanks)
        if not stripped:
            continue
        name, _, value = stripped.partition(b"=")
        rows[url_decode(name)] = url_decode(value)
    return rows
