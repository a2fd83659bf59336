"""Glob patterns as Redis has them, so that those written for it mean the same here.

``*`` is any text, ``?`` any character, ``[ab]``, ``[a-z]`` and ``[^a]`` one of some characters; a
backslash takes the special meaning of the next character away, in brackets too.
"""

from __future__ import annotations

import re

__all__ = ["Pattern", "quote"]

_SPECIAL = re.compile(r"[*?\[\]\\]")


def quote(text: str) -> str:
    """Return the pattern that a text alone matches."""
    return _SPECIAL.sub(r"\\\g<0>", text)


class Pattern:
    """A pattern to hold texts against.

    The time that takes grows with the text's length times the number of stars, whatever the
    pattern: between two stars it is enough to look for the first place that fits.

    :param pattern: with special characters as above. A bracket that is never closed ends with the
        pattern; a backslash at its end stands for itself.
    :ivar literal: the text that everything the pattern matches begins with.
    """

    def __init__(self, pattern: str) -> None:
        runs = _runs(pattern)
        first, *rest = [re.compile("".join(run), re.DOTALL) for run in runs]
        self._first = first
        self._middle, self._last = rest[:-1], rest[-1] if rest else None
        self._least = len(runs[-1]) if rest else 0
        self.literal = _literal_start(pattern)
        self._is_prefix = pattern == quote(self.literal) + "*"

    def matches(self, text: str) -> bool:
        """Tell whether the whole text fits."""
        if self._is_prefix:  # as nearly always
            return text.startswith(self.literal)
        if self._last is None:
            return self._first.fullmatch(text) is not None
        found = self._first.match(text)
        for run in self._middle:
            if found is None:
                return False
            found = run.search(text, found.end())
        if found is None or found.end() > len(text) - self._least:
            return False
        return self._last.fullmatch(text, len(text) - self._least) is not None


def _runs(pattern: str) -> list[list[str]]:
    """Return what stands between the stars: one regular expression per character to match."""
    runs: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            runs.append([])
        elif character == "?":
            runs[-1].append(".")
        elif character == "[":
            expression, at = _bracket(pattern, at)
            runs[-1].append(expression)
        else:
            if character == "\\" and at < len(pattern):
                character = pattern[at]
                at += 1
            runs[-1].append(re.escape(character))
    return runs


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """Return the regular expression of a bracket whose inside begins at ``at``, and its end."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    members = []
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            members.append(re.escape(pattern[at + 1]))
            at += 2
        elif pattern[at + 1 : at + 2] == "-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
        else:
            members.append(re.escape(pattern[at]))
            at += 1
    if not members:
        return ("." if negated else "(?!)."), at + 1  # of no characters: any other, or none
    return f"[{'^' if negated else ''}{''.join(members)}]", at + 1


def _literal_start(pattern: str) -> str:
    literal = []
    characters = iter(pattern)
    for character in characters:
        if character in "*?[":
            break
        literal.append(next(characters, "\\") if character == "\\" else character)
    return "".join(literal)
