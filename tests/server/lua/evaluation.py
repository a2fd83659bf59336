"""Code evaluated by a server's Lua."""

from __future__ import annotations

from collections.abc import Sequence

from kt_cache import EmbeddedServer, KyotoTycoon


def evaluate(server: EmbeddedServer, *lines: str) -> list[str]:
    """Evaluate lines one after the other in one call; return what they are shown to result in."""
    client: KyotoTycoon = server.client
    given = {str(number): line.encode("latin-1") for number, line in enumerate(lines, 1)}
    shown = client.raw_script("evaluate", given)
    return [shown[str(number).encode()].decode("latin-1") for number in range(1, len(lines) + 1)]


def read_answers(text: str) -> dict[str, list[tuple[str, str]]]:
    """Return groups of lines and answers: ``# name``, then ``line`` and ``= answer`` in turn."""
    groups: dict[str, list[tuple[str, str]]] = {}
    rows = text.splitlines()
    for row, following in zip(rows, [*rows[1:], ""], strict=True):
        if row.startswith("# "):
            group = groups.setdefault(row[2:], [])
        elif not row.startswith("= "):
            answer = following.removeprefix("= ").encode("latin-1").decode("unicode_escape")
            group.append((row, answer))
    return groups


def differences(lines: Sequence[tuple[str, str]], shown: Sequence[str]) -> list[str]:
    """Return the lines whose results are not the answers."""
    return [
        f"{line}\n   shows {found}\n   not   {answer}"
        for (line, answer), found in zip(lines, shown, strict=True)
        if found != answer
    ]
