"""What scripts get for any input is what they get on the real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kt_cache import EmbeddedServer
from tests.server.lua.conftest import DATA, scripted
from tests.server.lua.evaluation import evaluate
from tests.support.ktserver import need_ktserver

Servers = tuple[EmbeddedServer, EmbeddedServer]

# Texts without NUL, for most functions take them as C strings.
texts = st.text("abAB,;:%=+$ \\.*[]^&01\xe4\xff\n\t", max_size=12)
patterns = st.text("ab.*+?$^|()[]", max_size=6)
# Where several matches begin at one place the real server takes the longest, Python the first.
plain_patterns = st.text("ab.*+?$^[]", max_size=6)
numbers = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(-1e20, 1e20),
    st.sampled_from([0.5, -1.5, 2.0**31, 2.0**32, 2.0**63, -(2.0**63), 1e19]),
).map(lambda number: number or 0)  # minus zero loses its sign on the way to Python
forms = st.lists(
    st.tuples(st.sampled_from("cCsSiIlLfdnNMwz"), st.sampled_from(["", "2", "*"])), max_size=4
).map(lambda items: "".join(map("".join, items)))


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The included server and the real one."""
    need_ktserver()
    script = DATA / "evaluate.lua"
    with scripted("included", script) as ours, scripted("ktserver", script) as theirs:
        yield ours, theirs


def quote(text: str) -> str:
    return '"' + "".join(f"\\{byte:03}" for byte in text.encode("latin-1")) + '"'


def check(servers: Servers, *lines: str) -> None:
    ours, theirs = (evaluate(server, *lines) for server in servers)
    assert ours == theirs


@settings(max_examples=150, deadline=None)
@given(form=forms, given=st.lists(numbers, max_size=6), data=st.binary(max_size=24))
def test_packing(servers: Servers, form: str, given: list[float], data: bytes) -> None:
    """Numbers are packed and unpacked the same."""
    arguments = "".join(f", {number!r}" for number in given)
    text = quote(data.decode("latin-1"))
    check(
        servers,
        f'return hex(kt.pack("{form}"{arguments}))',
        f'return kt.unpack("{form}", {text})',
    )


@settings(max_examples=100, deadline=None)
@given(a=texts, b=texts, c=texts)
def test_strings(servers: Servers, a: str, b: str, c: str) -> None:
    """Texts are searched, split and compared the same."""
    a, b, c = map(quote, (a, b, c))
    check(
        servers,
        f"return kt.split({a}, {b}), kt.split({a})",
        f"return kt.strstr({a}, {b}), kt.strstr({a}, {b}, {c})",
        f"return kt.strfwm({a}, {b}), kt.strbwm({a}, {b}), kt.levdist({a}, {b})",
        f"return kt.hash_murmur({a}), kt.hash_fnv({a})",
        f"return kt.atoi({a}), kt.atoix({a}), kt.atof({a})",
    )


@settings(max_examples=100, deadline=None)
@given(text=texts)
def test_codecs(servers: Servers, text: str) -> None:
    """Texts are encoded, and any text is decoded, the same."""
    names = ("url", "quote", "base", "hex")
    encoded = ", ".join(f"kt.codec('{name}', {quote(text)})" for name in names)
    decoded = ", ".join(f"hex(kt.codec('~{name}', {quote(text)}))" for name in names)
    check(servers, f"return {encoded}", f"return {decoded}")


@settings(max_examples=100, deadline=None)
@given(text=st.text("abc", max_size=8), pattern=patterns, plain=plain_patterns, new=texts)
def test_patterns(servers: Servers, text: str, pattern: str, plain: str, new: str) -> None:
    """Patterns match, and matches are replaced, the same."""
    text, pattern, plain, new = map(quote, (text, pattern, plain, new))
    check(
        servers,
        f"return kt.regex({text}, {pattern})",
        f"return kt.regex({text}, {plain}, {new})",
    )


@settings(max_examples=50, deadline=None)
@given(given=st.dictionaries(texts, texts, max_size=5), data=st.binary(max_size=20))
def test_dumps(servers: Servers, given: dict[str, str], data: bytes) -> None:
    """Maps and arrays are dumped so that the other server loads the same."""
    pairs = ", ".join(f"[{quote(key)}] = {quote(value)}" for key, value in given.items())
    items = ", ".join(map(quote, given))
    dumps = [
        evaluate(server, f"return hex(kt.mapdump({{{pairs}}})), hex(kt.arraydump({{{items}}}))")[0]
        for server in servers
    ]
    for dumped in dumps:
        shown = [bytes.fromhex(part.strip('"')).decode("latin-1") for part in dumped.split()[1:]]
        check(servers, f"return kt.mapload({quote(shown[0])}), kt.arrayload({quote(shown[1])})")
