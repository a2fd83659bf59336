"""What a run finds out, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Comparison

__all__ = ["Row", "heading", "line"]

_HEADING = ("", "rate/s", "floor/s", "ratio", "middle half", "bar", "")
_WIDTHS = (36, 9, 9, 6, 12, 4, 5)


@dataclass(frozen=True)
class Row:
    """One comparison.

    :param section: what is compared with what; rows of a section come together.
    :param what: the operation.
    :param bar: the ratio to reach, if there is one.
    """

    section: str
    what: str
    comparison: Comparison
    bar: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the bar was reached; empty without one."""
        if self.bar is None:
            return ""
        return "ok" if self.comparison.ratio >= self.bar else "below"

    def as_dict(self) -> dict[str, Any]:
        """Return the row for a JSON file."""
        return {
            "section": self.section,
            "what": self.what,
            **asdict(self.comparison),
            "bar": self.bar,
            "verdict": self.verdict,
        }


def heading(section: str) -> str:
    """Return what stands above a section's rows."""
    return f"\n{section}\n{_aligned(_HEADING)}"


def line(row: Row) -> str:
    """Return a row's line."""
    found = row.comparison
    return _aligned(
        (
            f"  {row.what}",
            f"{found.rate:,.0f}",
            f"{found.floor_rate:,.0f}",
            f"{found.ratio:.2f}",
            f"{found.low:.2f} - {found.high:.2f}",
            "" if row.bar is None else f"{row.bar:g}",
            row.verdict,
        )
    )


def _aligned(cells: Iterable[str]) -> str:
    what, *numbers = cells
    aligned = [f"{what:<{_WIDTHS[0]}}"]
    aligned += [f"{cell:>{width}}" for cell, width in zip(numbers, _WIDTHS[1:], strict=True)]
    return " ".join(aligned).rstrip()
