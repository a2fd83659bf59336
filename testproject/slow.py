"""The work worth caching: slow on purpose, as a big query or a distant service would be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timezone

REPORT_SECONDS = 0.6
HEADLINES_SECONDS = 0.4
PRICE_SECONDS = 0.1
RATES_SECONDS = 0.2
WEATHER_SECONDS = 0.1
RESULT_TIMEOUT = 15 * 60

EURO = {"dollars": 1.08, "pounds": 0.85, "yen": 163.2}
WEATHER = {"Lisbon": "sunny", "Tallinn": "snow", "Athens": "sunny"}


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
        yield f"{paper}, asked at {now()}"


def price_of(article: str) -> tuple[str, str]:
    """Ask the shop for a price; return it with the time of day."""
    time.sleep(PRICE_SECONDS)
    return f"{sum(article.encode()) / 100:.2f}", now()


def exchange_rates() -> tuple[dict[str, float], str]:
    """Ask the bank for what a euro is worth; return it with the time of day."""
    time.sleep(RATES_SECONDS)
    return EURO, now()


async def weather() -> tuple[dict[str, str], str]:
    """Ask three stations at once; return what they say with the time of day."""
    await asyncio.gather(*(asyncio.sleep(WEATHER_SECONDS) for _ in WEATHER))
    return WEATHER, now()


def now() -> str:
    """The time of day in UTC, so exact that nothing is made twice at the same time."""
    return f"{datetime.now(timezone.utc):%H:%M:%S.%f}"
