"""Rows of names and values, their column encodings, and forms."""

from __future__ import annotations

import quopri
import re
from base64 import b64encode
from binascii import b2a_qp
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kt_cache.protocol import tsv
from tests.protocol import strategies as some

columns = st.binary(max_size=60)
ascii_text = st.text(st.characters(max_codepoint=0x7F))
raw_maps = st.dictionaries(
    st.binary(max_size=12).filter(lambda name: not set(name) & set(b"\t\n")),
    st.binary(max_size=40).filter(lambda value: b"\n" not in value and value[-1:] != b"\r"),
    max_size=6,
)


def decode_column(column: bytes, encoding: str) -> bytes:
    ((name, value),) = tsv.decode_columns({column: column}, encoding).items()
    assert name == value
    return value


# ---------------------------------------------------------------- rows


@given(some.maps, st.sampled_from("BU"), st.booleans())
def test_encoded_rows_carry_any_bytes(found: Any, encoding: str, ordered: bool) -> None:
    """In base64 and with URL escapes a map of any bytes goes through unharmed."""
    body = tsv.encode_rows(found.items(), encoding, ordered=ordered)
    assert tsv.decode_rows(body, encoding) == found


@given(raw_maps)
def test_raw_rows_carry_all_but_tab_and_line_feed(found: Any) -> None:
    """Raw rows carry names without TAB and LF and values without LF and CR at their end."""
    assert tsv.decode_rows(tsv.encode_rows(found.items())) == found


@given(some.maps)
def test_a_request_is_raw_if_that_is_safe(found: Any) -> None:
    """Raw rows carry the map unharmed, or are refused: if any TAB, LF or CR is in it."""
    raw = tsv.encode_raw_rows(found.items())
    text = b"".join(name + value for name, value in found.items())
    assert (raw is None) == bool(set(text) & set(b"\t\r\n"))
    if raw is not None:
        assert raw == tsv.encode_rows(found.items())
        assert tsv.decode_rows(raw) == found


@given(some.maps)
def test_the_encoding_of_a_reply_carries_it(found: Any) -> None:
    """The encoding that the reference server would choose always carries the map."""
    encoding = tsv.choose_reply_encoding(found)
    assert tsv.decode_rows(tsv.encode_rows(found.items(), encoding), encoding) == found


@given(some.maps, st.sampled_from(["", "B", "U"]))
def test_rows_are_ordered_as_sent(found: Any, encoding: str) -> None:
    """Ordered rows stand in the order of their names after encoding."""
    if not encoding:
        found = {name.hex().encode(): b"" for name in found}
    rows = tsv.encode_rows(found.items(), encoding, ordered=True).split(b"\n")[:-1]
    names = [row.partition(b"\t")[0] for row in rows]
    assert names == sorted(names)
    assert len(names) == len(found)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"", {}),
        (b"a\t1\nb\t2", {b"a": b"1", b"b": b"2"}),
        (b"a\t1\r\nb\t2\r", {b"a": b"1", b"b": b"2"}),
        (b"a\t1\r\r\n", {b"a": b"1\r"}),
        (b"no tab\n\n\ta\n", {b"": b"a"}),
        (b"a\tb\tc\n", {b"a": b"b\tc"}),
        (b"a\t1\na\t2\n", {b"a": b"2"}),
        (b"a\r\t1\n", {b"a\r": b"1"}),
    ],
)
def test_how_lines_become_rows(body: bytes, rows: dict[bytes, bytes]) -> None:
    """A line splits at its first TAB; without one it is ignored; the last of equal names wins."""
    assert tsv.decode_rows(body) == rows


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("text/tab-separated-values", ""),
        ("text/tab-separated-values; colenc=B", "B"),
        ("TEXT/Tab-Separated-Values ; COLENC=u", "U"),
        ('text/tab-separated-values;colenc="q"', "Q"),
        ("text/tab-separated-values; charset=utf-8; colenc=U", "U"),
        ("text/tab-separated-values; colenc=X", ""),
        ("text/tab-separated-values; colenc=", ""),
        ("text/tab-separated-values; colenc = B", ""),
        ("text/tab-separated-values; xcolenc=B", ""),
        ("text/tab-separated-values; colenc=U; colenc=B", "B"),
    ],
)
def test_which_encoding_a_content_type_names(header: str, encoding: str) -> None:
    """The last known ``colenc`` counts, in either case and quoted or not, as the server has it."""
    assert tsv.encoding_of(header) == encoding


@pytest.mark.parametrize("encoding", ["", "B", "U"])
def test_content_type_names_its_encoding(encoding: str) -> None:
    """The Content-Type written for an encoding is read as that encoding."""
    assert tsv.encoding_of(tsv.content_type(encoding)) == encoding


# ---------------------------------------------------------------- what a reply is encoded in


@given(some.maps)
def test_control_bytes_and_long_columns_force_an_encoding(found: Any) -> None:
    """A reply is raw if and only if no column is over 255 bytes or has a control byte."""
    text = b"".join(name + value for name, value in found.items())
    has_control = any(byte < 0x20 or byte == 0x7F for byte in text)
    assert bool(tsv.choose_reply_encoding(found)) == has_control
    assert tsv.choose_reply_encoding(found | {b"long": b"x" * 256})
    assert not tsv.choose_reply_encoding({b"k": b"\xff" * 255})


@given(st.dictionaries(st.binary(max_size=30), st.binary(max_size=400), min_size=1, max_size=4))
@example({b"k": b"\0" * 16})
@example({b"k": b"*" * 300})
@example({b"k": b"\0"})
def test_the_shorter_estimate_wins(found: Any) -> None:
    """Base64 is chosen if it is estimated as shorter, over 255 bytes of each column at most."""
    previews = [column[:255] for row in found.items() for column in row]
    in_base64 = sum(len(preview) * 6 // 4 + 3 for preview in previews)
    escaped = sum(len(quote_from_bytes(preview, safe="!*'()")) for preview in previews)
    assert tsv.choose_reply_encoding(found) in ("", "B" if in_base64 < escaped else "U")


# ---------------------------------------------------------------- columns: URL escapes


@given(columns)
def test_url_escapes_are_the_standard_ones(column: bytes) -> None:
    """Escapes are written as urllib writes them, with lower-case digits, and urllib undoes them."""
    quoted = quote_from_bytes(column, safe="")
    encoded = tsv.url_encode(column)
    assert encoded.decode() == re.sub("%..", lambda match: match[0].lower(), quoted)
    assert tsv.url_decode(encoded) == column == unquote_to_bytes(encoded)


@given(columns, st.sampled_from(["", "/~!*'()"]))
def test_urllib_escapes_are_undone(column: bytes, safe: str) -> None:
    """Whatever urllib escapes is undone, in either case of the digits."""
    encoded = quote_from_bytes(column, safe=safe).encode()
    assert tsv.url_decode(encoded) == decode_column(encoded, "U") == column


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"a+b%2b", b"a b+"),
        (b"%az", b"\x0a"),
        (b"%za", b"\x0a"),
        (b"%zz", b"\0"),
        (b"%++b", b"\0b"),
        (b"ab%", b"ab"),
        (b"ab%4", b"ab"),
        (b"\x01a\x20b\x7fc\xff\x80", b"abc"),
    ],
)
def test_broken_url_escapes(encoded: bytes, decoded: bytes) -> None:
    """Broken escapes and bytes that stand unescaped are treated as the reference server does."""
    assert tsv.url_decode(encoded) == decode_column(encoded, "U") == decoded


# ---------------------------------------------------------------- columns: base64


@given(columns)
def test_base64_is_the_standard_one(column: bytes) -> None:
    """Columns in ``B`` are written as the standard library writes base64, and read likewise."""
    encoded = b64encode(column)
    assert tsv.encode_rows([(column, column)], "B") == b"%b\t%b\n" % (encoded, encoded)
    assert decode_column(encoded, "B") == column


@given(columns, st.data())
def test_bytes_outside_of_the_alphabet_are_skipped(column: bytes, data: st.DataObject) -> None:
    """Blanks and other bytes between the characters of base64 make no difference."""
    encoded = b64encode(column)
    noise = st.text("- \r.\xff", max_size=3).map(lambda text: text.encode("latin-1"))
    parts = [data.draw(noise) + encoded[at : at + 1] for at in range(len(encoded) + 1)]
    assert decode_column(b"".join(parts), "B") == column


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"YQ", b"\x00\x06\x10"),
        (b"YmM", b"\x01\x89\x8c"),
        (b"Y", b"\x00\x00\x18"),
        (b"YQ==YQ==", b"a"),
        (b"YWJjYQ", b"abc\x00\x06\x10"),
        (b"=MQ", b"\x00\x03"),
        (b"Y=", b"\x00\x06"),
        (b"YQ=", b"\x01\x84"),
        (b"====", b""),
        (b"Y===", b""),
        (b"-- ", b""),
        (b"YWJj ", b"abc"),
    ],
)
def test_broken_base64(encoded: bytes, decoded: bytes) -> None:
    """A last group that is cut short or oddly padded decodes as the reference server has it."""
    assert decode_column(encoded, "B") == decoded


# ---------------------------------------------------------------- columns: quoted-printable


@given(st.binary(max_size=24))
def test_quoted_printable_is_the_standard_one(column: bytes) -> None:
    """What the standard library quotes is undone, to what its own decoder makes of it."""
    encoded = b2a_qp(column, quotetabs=True, istext=False)
    assert decode_column(encoded, "Q") == column == quopri.decodestring(encoded)


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"a b+c%41", b"a b+c%41"),
        (b"=az", b"\x0a"),
        (b"=zz", b"\0"),
        (b"ab=", b"ab"),
        (b"ab=4", b"ab"),
        (b"a=\rb=\r=41", b"abA"),
        (b"a=\r\nb=\nc=\r", b"abc"),
        (b"\x01a\tb\x7fc\xff\x80", b"abc"),
    ],
)
def test_broken_quoted_printable(encoded: bytes, decoded: bytes) -> None:
    """Soft line breaks vanish; broken escapes are treated as those of URLs are."""
    assert decode_column(encoded, "Q") == decoded


@pytest.mark.parametrize(
    ("encoding", "column", "decoded"),
    [("U", b"a%42\0c", b"aB"), ("Q", b"a=42\0c", b"aB"), ("B", b"YWJj\0YWJj", b"abc")],
)
def test_an_encoded_column_ends_at_its_nul(encoding: str, column: bytes, decoded: bytes) -> None:
    """An encoded column is read up to its first NUL byte, as the reference server reads it."""
    assert decode_column(column, encoding) == decoded


def test_of_names_that_become_equal_the_last_sorted_wins() -> None:
    """Names that differ only until they are decoded: the one that sorts last counts."""
    assert tsv.decode_rows(b"a\tx\n%61\ty\n", "U") == {b"a": b"x"}
    assert tsv.decode_rows(b"%61\ty\na\tx\n", "U") == {b"a": b"x"}


# ---------------------------------------------------------------- forms


@given(st.dictionaries(columns, columns, max_size=6), st.sampled_from("&;"))
def test_forms_are_the_standard_ones(found: Any, separator: str) -> None:
    """A form that urllib writes decodes to the same map, separated by either sign."""
    form = urlencode(found).replace("&", separator).encode()
    assert tsv.decode_form(form) == found


@given(st.lists(st.tuples(ascii_text, ascii_text), max_size=6))
def test_forms_read_as_urllib_reads_them(pairs: Any) -> None:
    """A form decodes as urllib decodes it; the last of equal names wins."""
    form = urlencode(pairs)
    expected = dict(parse_qsl(form, keep_blank_values=True))
    found = tsv.decode_form(form.encode())
    assert {name.decode(): value.decode() for name, value in found.items()} == expected


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        (b"", {}),
        (b"&;&", {}),
        (b"a", {b"a": b""}),
        (b"=z", {b"": b"z"}),
        (b"a=b=c", {b"a": b"b=c"}),
        (b" \x01 a=1&\x01\t", {b"a": b"1"}),
        (b"a=1&a=2", {b"a": b"2"}),
        (b"a=1\0&b=2", {b"a": b"1"}),
        (
            b"a=1&b=x+y%00;c&=z&&d=%zz%4",
            {b"a": b"1", b"b": b"x y\0", b"c": b"", b"": b"z", b"d": b"\0"},
        ),
    ],
)
def test_how_pairs_are_found(form: bytes, rows: dict[bytes, bytes]) -> None:
    """Pairs split at their first ``=``, lose leading blanks, and the whole form ends at NUL."""
    assert tsv.decode_form(form) == rows
