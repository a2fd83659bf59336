"""POSIX extended regular expressions, as the reference server (glibc) understands them."""

from __future__ import annotations

import pytest

from kt_cache.errors import ConfigError
from kt_cache.storage.patterns import compile_pattern

KEYS = (
    *(b"", b"a", b"aa", b"aaa", b"ab", b"abc", b"b", b"d", b"5", b"A", b"a1", b"a{1", b"a{1}"),
    *(b"a)", b"a b", b"a\nb", b"n\n", b"a\\", b"a^b", b"a$", b"*a", b"x-y", b"a.b", b"two words"),
    *(b"[", b"]", b"{", b"}", b"\xc3\xa9", b"+"),
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (rb"\d", [b"d", b"two words"]),
        (rb"^a++$", [b"a", b"aa", b"aaa"]),
        (rb"^a*?$", [b"", b"a", b"aa", b"aaa"]),
        (rb"^a{1,2}$", [b"a", b"aa"]),
        (rb"^a{,1}$", [b"", b"a"]),
        (rb"^(a|b){2}$", [b"aa", b"ab"]),
        (rb"^(a)\1$", [b"aa"]),
        (rb"^()$", [b""]),
        (rb"^$", [b""]),
        (rb"n$", []),
        (rb"a^b", []),
        (rb"a\^b", [b"a^b"]),
        (rb"a.b", [b"a b", b"a\nb", b"a^b", b"a.b"]),
        (rb"a\.b", [b"a.b"]),
        (rb"a)", [b"a)"]),
        (rb"a\{1", [b"a{1", b"a{1}"]),
        (rb"}", [b"a{1}", b"}"]),
        (rb"[]]", [b"]"]),
        (rb"[a\]$", [b"a", b"aa", b"aaa", b"a\\", b"*a"]),
        (rb"[[:digit:]]", [b"5", b"a1", b"a{1", b"a{1}"]),
        (rb"^[[:upper:]5]$", [b"5", b"A"]),
        (rb"^[^[:alnum:]]$", [b"[", b"]", b"{", b"}", b"+"]),
        (rb"[[.-.]]", [b"x-y"]),
        (rb"[[=x=]-]y", [b"x-y"]),
        (rb"^[*-/]$", [b"+"]),
        (rb"\<words\>", [b"two words"]),
        (rb"\Bords\b", [b"two words"]),
        (rb"\`b\'", [b"b"]),
        (rb"^\W$", [b"[", b"]", b"{", b"}", b"+"]),
        (b"\xa9", [b"\xc3\xa9"]),
    ],
)
def test_what_is_found(pattern: bytes, found: list[bytes]) -> None:
    """Patterns are unanchored and mean what POSIX (and glibc) says, not what Python says."""
    search = compile_pattern(pattern).search
    assert [key for key in KEYS if search(key)] == found


@pytest.mark.parametrize(
    "pattern",
    [
        *(rb"(", rb"(?i)a", rb"x(?=-)", rb"*a", rb"+", rb"a|*b", rb"(*a)", rb"^*", rb"\b*", b"\\"),
        *(rb"[", rb"[a", rb"[z-a]", rb"[a-c-e]", rb"[[:foo:]]", rb"[[:alpha:]", rb"[[:alpha:]-z]"),
        *(rb"[a-[:alpha:]]", rb"a{", rb"a{1", rb"a{2,1}", rb"a{99999}", rb"{1}", rb"\1"),
    ],
)
def test_what_is_no_pattern(pattern: bytes) -> None:
    """What does not compile there does not compile here."""
    with pytest.raises(ConfigError):
        compile_pattern(pattern)
