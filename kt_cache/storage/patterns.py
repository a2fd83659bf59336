r"""POSIX extended regular expressions over bytes, as the reference server understands them.

They are translated to Python's dialect token by token. The dialects differ in what is an error, in
classes, in escapes (``\d`` is just a ``d`` here), and in what a second quantifier means.
"""

from __future__ import annotations

import re

from kt_cache.errors import ConfigError

__all__ = ["compile_pattern"]

_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb"\t ",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb"\t-\r ",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_ESCAPES = {
    b"w": rb"\w",
    b"W": rb"\W",
    b"s": rb"\s",
    b"S": rb"\S",
    b"b": rb"\b",
    b"B": rb"(?:\B|\A\Z)",  # some versions of Python do not find \B in an empty key
    b"<": rb"\b(?=\w)",
    b">": rb"\b(?<=\w)",
    b"`": rb"\A",
    b"'": rb"\Z",
}
_ANCHORS = {b"^": rb"\A", b"$": rb"\Z"}
_ASSERTIONS = frozenset(
    (b"b", b"B", b"<", b">", b"`", b"'")
)  # escapes that match no byte, so cannot be repeated
_MOST_REPEATS = 32767

_next_token = re.compile(
    rb"""
    \\ (?P<escaped> .)
  | \[ (?P<negated> \^?)
       (?P<members> \]? (?: \[: .*? :\] | \[= .*? =\] | \[\. .*? \.\] | [^][] | \[ (?![:=.]) )* )
    \]
  | (?P<quantifier> [*+?] | \{ (?: [0-9]+ (?: , [0-9]* )? | , [0-9]* ) \} )
  | (?P<plain> [^\\\[{*+?] )
    """,
    re.VERBOSE | re.DOTALL,
).match
_next_member = re.compile(
    rb"""
    \[: (?P<name> [a-z]+) :\]
  | \[= (?P<same> .) =\]
  | \[\. (?P<element> .) \.\]
  | (?P<byte> [^[] | \[ (?![:=.]) )
    """,
    re.VERBOSE | re.DOTALL,
).match
_number = re.compile(rb"[0-9]+")


def compile_pattern(pattern: bytes) -> re.Pattern[bytes]:
    """Return the expression compiled, to be used with ``search``.

    :raises ConfigError: if it is not a POSIX extended regular expression.
    """
    try:
        return re.compile(_translate(pattern), re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError("not a POSIX extended regular expression") from error


def _translate(pattern: bytes) -> bytes:
    parts: list[bytes] = []
    atom: int | None = None  # where in parts that begins which a quantifier would repeat
    groups: list[int] = []  # where in parts each open group begins
    position = 0
    while position < len(pattern):
        token = _next_token(pattern, position)
        if not token:
            raise re.error("a bracket or brace is not closed")
        position = token.end()
        escaped, negated, members, quantifier, plain = token.groups()
        if quantifier:
            if atom is None:
                raise re.error("nothing to repeat")
            if any(int(times) > _MOST_REPEATS for times in _number.findall(quantifier)):
                raise re.error("too many repetitions")
            # In a group of its own, or a second quantifier would make this one lazy.
            parts[atom:] = [b"(?:%b)%b" % (b"".join(parts[atom:]), quantifier)]
        elif plain == b"(":
            groups.append(len(parts))
            parts.append(plain)
            atom = None
        elif plain == b")" and groups:
            parts.append(plain)
            atom = groups.pop()
        elif plain == b"|" or plain in _ANCHORS:
            parts.append(_ANCHORS.get(plain, plain))
            atom = None
        else:
            atom = len(parts)
            if members is not None:
                parts.append(b"[%b%b]" % (negated, _translate_members(members)))
            elif plain:
                parts.append(plain if plain == b"." else re.escape(plain))
            elif escaped in b"123456789":
                parts.append(rb"(?:\%b)" % escaped)
            else:
                parts.append(_ESCAPES.get(escaped) or re.escape(escaped))
                if escaped in _ASSERTIONS:
                    atom = None
    if groups:
        raise re.error("a parenthesis is not closed")
    return b"".join(parts)


def _translate_members(members: bytes) -> bytes:
    """Return what stands between the brackets of a set."""
    parts = []
    position, end = 0, len(members)
    while position < end:
        if members[position] == 0x2D and 0 < position < end - 1:
            raise re.error("a range without a beginning")
        first, position = _read_member(members, position)
        if len(first) == 1 and members[position : position + 1] == b"-" and position < end - 1:
            last, position = _read_member(members, position + 1)
            if len(last) != 1:
                raise re.error("a range without an end")
            parts.append(rb"\x%02x-\x%02x" % (ord(first), ord(last)))
        elif len(first) == 1:
            parts.append(rb"\x%02x" % ord(first))
        else:
            parts.append(first)
    return b"".join(parts)


def _read_member(members: bytes, position: int) -> tuple[bytes, int]:
    """Return one byte, or the translation of a class, and where it ends."""
    match = _next_member(members, position)
    if not match:
        raise re.error("incomplete")
    name, same, element, byte = match.groups()
    if name:
        if name not in _CLASSES:
            raise re.error("unknown class")
        return _CLASSES[name], match.end()
    return same or element or byte, match.end()
