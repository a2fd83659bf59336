"""Comparing two ways of doing the same thing on a noisy machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

from benchmarks.processors import keep_apart

__all__ = ["Comparison", "Effort", "Way", "compare"]

Way = Callable[[int], None]
"""Does something that many times."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    :param seconds: for one comparison as a whole.
    :param turn: seconds of one turn; short, so that both ways of a round meet the same weather.
    :param apart: whether the servers have processors of their own meanwhile.
    """

    seconds: float
    turn: float = 0.01
    apart: bool = False

    @property
    def rounds(self) -> int:
        """How many rounds, of a turn each, fit in; an even number, so both begin as often."""
        return max(2, int(self.seconds / self.turn / 4)) * 2


@dataclass(frozen=True)
class Comparison:
    """What came out; rates are operations a second.

    :param floor_rate: median rate of what is compared with.
    :param rate: median rate of what is looked at.
    :param ratio: median of the rounds' ratios, rate to floor rate.
    :param low: lower quartile of these ratios.
    :param high: upper quartile of them.
    """

    floor_rate: float
    rate: float
    ratio: float
    low: float
    high: float


def compare(floor: Way, way: Way, effort: Effort, operations: int = 1) -> Comparison:
    """Call both by turns, the first one last in every other round.

    :param operations: how many of them either way does at a time.
    """
    if effort.apart:
        keep_apart()
    floor_count, count = _calibrate(floor, effort.turn), _calibrate(way, effort.turn)
    floor_rates, rates = [], []
    for number in range(effort.rounds):
        if number % 2:
            rates.append(_rate(way, count))
            floor_rates.append(_rate(floor, floor_count))
        else:
            floor_rates.append(_rate(floor, floor_count))
            rates.append(_rate(way, count))
    ratios = [rate / other for rate, other in zip(rates, floor_rates, strict=True)]
    low, ratio, high = quantiles(ratios, n=4, method="inclusive")
    return Comparison(
        median(floor_rates) * operations, median(rates) * operations, ratio, low, high
    )


def _calibrate(way: Way, seconds: float) -> int:
    """Return how many times fit into that time; warms up on the way."""
    count = 1
    while True:
        started = perf_counter()
        way(count)
        elapsed = perf_counter() - started
        if elapsed > seconds / 4:
            return max(1, round(count * seconds / elapsed))
        count *= 2


def _rate(way: Way, count: int) -> float:
    started = perf_counter()
    way(count)
    return count / (perf_counter() - started)
