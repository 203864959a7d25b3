"""Whether two series of times can be told apart."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

_RESAMPLES = 500
_CONFIDENCE = 0.99
_HALVINGS = 20
_NO_DIFFERENCE = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as the same time."""

    slower: float
    """How far `Comparison.slower` may be from 0.5, either way."""
    ratio: float
    """How far the ratio of the medians may be from 1, either way."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure is, at a confidence of 99 %."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One series of times against another, the reference."""

    median: float
    reference_median: float
    ratio: float
    """Of the medians."""
    ratio_interval: Interval
    slower: float
    """The probability that a random time is longer than a random one of the reference, ties by
    half: 0.5 says nothing, 0 and 1 say all. It is Mann and Whitney's U, divided by all pairs."""
    slower_interval: Interval
    visible: float
    """How much longer each time would have to be for `slower` to leave its bound."""

    def is_within(self, bounds: Bounds) -> bool:
        """Tell whether the two count as the same."""
        return (
            abs(self.slower - _NO_DIFFERENCE) <= bounds.slower
            and abs(self.ratio - 1) <= bounds.ratio
        )


def compare(
    times: Sequence[float], reference: Sequence[float], bounds: Bounds, random: Random
) -> Comparison:
    """Compare times that were taken in turns: the nth of both, one right after the other.

    The intervals are from resampling the turns, so that what disturbed both counts once.
    """
    ratios, slower = [], []
    for _ in range(_RESAMPLES):
        turns = random.choices(range(len(times)), k=len(times))
        some, others = [times[turn] for turn in turns], [reference[turn] for turn in turns]
        ratios.append(median(some) / median(others))
        slower.append(probability_slower(some, others))
    return Comparison(
        median=median(times),
        reference_median=median(reference),
        ratio=median(times) / median(reference),
        ratio_interval=_interval(ratios),
        slower=probability_slower(times, reference),
        slower_interval=_interval(slower),
        visible=_visible(times, reference, _NO_DIFFERENCE + bounds.slower),
    )


def probability_slower(times: Sequence[float], reference: Sequence[float]) -> float:
    """How likely a random time is longer than a random one of the reference; ties by half."""
    ordered = sorted(reference)
    below = sum(bisect_left(ordered, time) + bisect_right(ordered, time) for time in times)
    return below / (2 * len(times) * len(reference))


def _interval(figures: list[float]) -> Interval:
    ordered = sorted(figures)
    left_out = round(len(ordered) * (1 - _CONFIDENCE) / 2)
    return Interval(ordered[left_out], ordered[-1 - left_out])


def _visible(times: Sequence[float], reference: Sequence[float], bound: float) -> float:
    """Find the smallest delay that would have been seen; 0 if there is something to see already."""
    low, high = 0.0, max(reference)
    if probability_slower(times, reference) > bound:
        return low
    for _ in range(_HALVINGS):
        delay = (low + high) / 2
        if probability_slower([time + delay for time in times], reference) > bound:
            high = delay
        else:
            low = delay
    return high
