"""The work worth caching: slow on purpose, as a big query or a distant service would be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

REPORT_SECONDS = 1.0
HEADLINES_SECONDS = 0.6
RESULT_TIMEOUT = 15 * 60


def sales_by_region() -> list[tuple[str, int]]:
    """Add up a year of sales, one region after the other."""
    regions = ("North", "East", "South", "West")
    rows = []
    for number, region in enumerate(regions, start=1):
        time.sleep(REPORT_SECONDS / len(regions))
        rows.append((region, sum(range(number * 1000, number * 1000 + 365))))
    return rows


def latest_headlines() -> Iterator[str]:
    """Ask three newspapers, one after the other."""
    papers = ("The Morning Post", "The Daily Courier", "The Evening Star")
    for paper in papers:
        time.sleep(HEADLINES_SECONDS / len(papers))
        yield f"{paper}, asked at {datetime.now(timezone.utc):%H:%M:%S.%f}"
