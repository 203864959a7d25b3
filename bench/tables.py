"""Tables of ratios: what was measured in turns, against one of the things measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Self

_WIDEST_NAME = 44


@dataclass(frozen=True, slots=True)
class Spread:
    """Where a series of figures lies."""

    median: float
    low: float
    """The lower quartile: a quarter of the figures is below it."""
    high: float
    """The upper quartile."""

    @classmethod
    def of(cls, figures: Sequence[float]) -> Self:
        """Find the median and the quartiles of two figures or more."""
        low, _, high = quantiles(figures, n=4, method="inclusive")
        return cls(median(figures), low, high)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one thing."""

    name: str
    figures: Sequence[float]
    """One a turn: the nth of every row of a table is from the nth turn."""
    target: float | None = None
    """The most that the ratio is to be; None if it is shown and not judged."""

    def ratio(self, reference: Sequence[float]) -> Spread:
        """Compare with another row: the ratio of the medians, and the quartiles of the turns'.

        What disturbs a turn disturbs both, so the turns' ratios vary less than the figures do.
        """
        turns = [mine / other for mine, other in zip(self.figures, reference, strict=True)]
        spread = Spread.of(turns)
        return Spread(median(self.figures) / median(reference), spread.low, spread.high)

    def is_within(self, reference: Sequence[float]) -> bool:
        """Tell whether the target is met, or there is none."""
        return self.target is None or self.ratio(reference).median <= self.target


def print_table(title: str, unit: str, rows: Sequence[Row], reference: Row) -> bool:
    """Print medians and ratios, each with its quartiles; whether all targets are met."""
    print(
        f"\n{title}\n{'':{_WIDEST_NAME}}{unit + ' (quartiles)':>28}"
        f"{'ratio (quartiles)':>26}{'target':>9}"
    )
    for row in rows:
        figures, ratio = Spread.of(row.figures), row.ratio(reference.figures)
        line = (
            f"{row.name:{_WIDEST_NAME}}"
            f"{figures.median:10.2f} ({figures.low:.2f} to {figures.high:.2f})".ljust(
                _WIDEST_NAME + 32
            )
            + f"{ratio.median:8.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        )
        if row.target is not None:
            verdict = "met" if row.is_within(reference.figures) else "MISSED"
            line = f"{line:{_WIDEST_NAME + 56}}{row.target:6.2f}  {verdict}"
        print(line)
    return all(row.is_within(reference.figures) for row in rows)
