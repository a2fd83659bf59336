"""Expiration times in HTTP headers: RFC 1123 on the way out, almost anything on the way in."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timezone
from email.utils import format_datetime, mktime_tz, parsedate_tz

__all__ = ["format_date", "parse_date"]

_CYCLE_YEARS = 400  # after so many years the calendar repeats itself, weekdays included
_CYCLE_SECONDS = 146097 * 86400

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_decimal = re.compile(r"([+-]?[0-9]{1,20})\s*([smhd]?)", re.IGNORECASE).fullmatch
_hexadecimal = re.compile(r"0x([0-9a-f]{1,16})", re.IGNORECASE).fullmatch
_w3c = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})"
    r"(?:[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\.[0-9]+)?"
    r"(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?)?"
).fullmatch


def format_date(seconds: int) -> str:
    """Return a Unix time as RFC 1123 shows it, also beyond the year 9999."""
    cycles, rest = divmod(seconds, _CYCLE_SECONDS)
    shifted = datetime.fromtimestamp(rest, timezone.utc)
    text = format_datetime(shifted, usegmt=True)
    return text.replace(f" {shifted.year} ", f" {shifted.year + cycles * _CYCLE_YEARS} ")


def parse_date(text: str) -> int | None:
    """Return the Unix time that a text stands for, ``None`` if it cannot be read.

    It may be a number, decimal with a unit (s, m, h, d) or hexadecimal, or a date as of W3CDTF,
    RFC 822 or RFC 1123. A small number is a time in 1970, never a delay.
    """
    text = text.strip()
    if match := _decimal(text):
        return int(match[1]) * _UNITS[match[2].lower()]
    if match := _hexadecimal(text):
        return int(match[1], 16)
    try:
        if match := _w3c(text):
            return _from_w3c(match)
        parts = parsedate_tz(text)
        return mktime_tz(parts) if parts else None
    except (ValueError, OverflowError):
        return None


def _from_w3c(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    sign, hours, minutes = match.groups()[6:]
    offset = (int(hours) * 60 + int(minutes)) * 60 if sign else 0
    return seconds + offset if sign == "-" else seconds - offset
