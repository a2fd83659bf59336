"""Glob patterns: what they match, and in what time."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kt_cache.cache.patterns import Pattern, quote

ALPHABET = "ab]c-^\\*?[\n\u00fc\U0001f511"
texts = st.text(ALPHABET, max_size=8)


def reference(pattern: str, text: str) -> bool:
    """Say whether they match, one character of the pattern after the other."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return any(reference(rest, text[skipped:]) for skipped in range(len(text) + 1))
    if not text:
        return False
    if first == "?":
        return reference(rest, text[1:])
    if first == "[":
        fits, rest = in_bracket(rest, text[0])
        return fits and reference(rest, text[1:])
    if first == "\\" and rest:
        first, rest = rest[0], rest[1:]
    return first == text[0] and reference(rest, text[1:])


def in_bracket(inside: str, character: str) -> tuple[bool, str]:
    negated, fits = inside.startswith("^"), False
    inside = inside[negated:]
    while inside and inside[0] != "]":
        if inside[0] == "\\" and len(inside) > 1:
            fits |= inside[1] == character
            inside = inside[2:]
        elif len(inside) > 2 and inside[1] == "-":
            fits |= min(inside[0], inside[2]) <= character <= max(inside[0], inside[2])
            inside = inside[3:]
        else:
            fits |= inside[0] == character
            inside = inside[1:]
    return fits != negated, inside[1:]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("*", ["", "a", "a\nb"], []),
        ("a*", ["a", "ab", "a*"], ["", "ba", "A"]),
        ("*a", ["a", "ba"], ["ab", ""]),
        ("a*b", ["ab", "axb", "abb"], ["a", "aba"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("*ab*ab*", ["abab", "xabxabx"], ["ab", "aab"]),
        ("h?llo", ["hello", "h\u00fcllo", "h\nllo"], ["hllo", "heello"]),
        ("h[ae]llo", ["hello", "hallo"], ["hillo", "h[ae]llo"]),
        ("h[^e]llo", ["hallo"], ["hello", "hllo"]),
        ("h[a-c]llo", ["hallo", "hcllo"], ["hdllo", "h-llo"]),
        ("h[c-a]llo", ["hbllo"], ["hdllo"]),
        ("[!a]", ["!", "a"], ["b"]),
        (r"\*", ["*"], ["a", r"\*"]),
        (r"a\*", ["a*"], ["ab"]),
        (r"[\]a]", ["]", "a"], ["\\"]),
        ("[]a", [], ["a", "]a", ""]),
        ("[^]a", ["xa", "]a"], ["a"]),
        ("[ab", ["a", "b"], ["[ab", ""]),
        ("a\\", ["a\\"], ["a"]),
        ("[[a]", ["[", "a"], ["]"]),
        ("[a&&b]", ["&", "a", "b"], ["c"]),
        ("a.c+", ["a.c+"], ["abc", "abcc"]),
    ],
)
def test_examples(pattern, matching, others):
    """Each special character means what the documentation says, everything else itself."""
    assert [text for text in matching if not Pattern(pattern).matches(text)] == []
    assert [text for text in others if Pattern(pattern).matches(text)] == []


@given(pattern=texts, text=texts)
def test_as_the_reference(pattern, text):
    """Any pattern matches what it matches when taken literally, step by step."""
    assert Pattern(pattern).matches(text) == reference(pattern, text)


@given(
    pattern=st.lists(st.sampled_from(["*", "?", "a", "b", "[ab]", "[a-b]"])).map("".join),
    text=st.text("abc", max_size=8),
)
def test_as_fnmatch(pattern, text):
    """What means the same to the standard library matches the same."""
    assert Pattern(pattern).matches(text) == fnmatchcase(text, pattern)


@given(pattern=texts, text=texts)
def test_literal(pattern, text):
    """Whatever a pattern matches begins with its literal text."""
    if reference(pattern, text):
        assert text.startswith(Pattern(pattern).literal)


@given(text=texts, more=texts)
def test_quote(text, more):
    """A quoted text matches itself alone, and is literal as a whole."""
    assert Pattern(quote(text)).literal == text
    assert Pattern(quote(text)).matches(more) == (text == more)
    assert Pattern(quote(text) + "*").matches(text + more)
    assert Pattern(quote(text) + "*").matches(more) == more.startswith(text)


def test_no_pattern_takes_long():
    """Patterns that make other matchers try every way there is are read in one go."""
    text = "a" * 5_000
    began = time.process_time()
    assert not Pattern("*a" * 50 + "b").matches(text)
    assert not Pattern("*a" * 50 + "*b*").matches(text)
    assert Pattern("*a" * 50 + "*").matches(text)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("inside", ["a--b", "a||b", "a~~b", "[", "[[", "&&", r"\d", r"\\d", "^^"])
def test_brackets_are_quoted(inside):
    """What means something to Python's patterns, or will, is plain text in brackets."""
    for character in "ab-|~[&d\\^\x85 5":
        assert Pattern(f"[{inside}]").matches(character) == reference(f"[{inside}]", character)
