"""Text for the terminal: durations and a table with aligned columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the closing table; a time is in seconds."""

    what: str
    seen: str
    cold: float | None = None
    warm: float | None = None


def duration(seconds: float | None) -> str:
    """Milliseconds, with a decimal where it matters."""
    if seconds is None:
        return ""
    milliseconds = seconds * 1000
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"


def table(rows: list[Row]) -> str:
    """The rows under their headings, times to the right, words to the left."""
    cells = [("", "cold", "warm", "what was seen")]
    cells += [(row.what, duration(row.cold), duration(row.warm), row.seen) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        f"{what:<{widths[0]}}  {cold:>{widths[1]}}  {warm:>{widths[2]}}  {seen}".rstrip()
        for what, cold, warm, seen in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
