"""The statistics of `make bench ONLY=timing`."""

from random import Random

import pytest

from bench.comparisons import Bounds, compare, probability_slower

BOUNDS = Bounds(slower=0.1, ratio=0.1)


@pytest.fixture
def random() -> Random:
    return Random(20)  # noqa: S311 - it makes samples


def _times(random: Random, median: float = 10.0, count: int = 300) -> list[float]:
    return [random.gauss(median, 1.0) for _ in range(count)]


@pytest.mark.parametrize(
    ("times", "reference", "probability"),
    [
        ([3.0, 4.0], [1.0, 2.0], 1.0),
        ([1.0, 2.0], [3.0, 4.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0], 0.5),
        ([1.0, 4.0], [2.0, 3.0], 0.5),
        ([2.0], [1.0, 2.0, 3.0, 3.0], 0.375),
    ],
)
def test_the_probability_counts_all_pairs_and_ties_by_half(
    times: list[float], reference: list[float], probability: float
) -> None:
    assert probability_slower(times, reference) == probability


def test_what_takes_the_same_time_is_the_same(random: Random) -> None:
    found = compare(_times(random), _times(random), BOUNDS, random)
    assert found.is_within(BOUNDS)
    assert found.slower_interval.low < 0.5 < found.slower_interval.high
    assert found.ratio_interval.low < 1 < found.ratio_interval.high


@pytest.mark.parametrize("median", [9.0, 11.0])
def test_what_takes_another_time_is_told_apart(random: Random, median: float) -> None:
    found = compare(_times(random, median), _times(random), BOUNDS, random)
    assert not found.is_within(BOUNDS)
    assert not found.slower_interval.low < 0.5 < found.slower_interval.high
    assert not found.ratio_interval.low < 1 < found.ratio_interval.high


def test_each_bound_is_one() -> None:
    steady = [10.0] * 20
    found = compare([10.1] * 20, steady, BOUNDS, Random(20))  # noqa: S311 - likewise
    assert (found.slower, round(found.ratio, 3)) == (1.0, 1.01)
    assert not found.is_within(BOUNDS)
    assert found.is_within(Bounds(slower=0.5, ratio=0.02))
    assert not found.is_within(Bounds(slower=0.5, ratio=0.005))


def test_disturbances_that_both_had_widen_no_interval_of_the_ratio(random: Random) -> None:
    drift = [10.0 * 1.01**turn for turn in range(200)]
    found = compare([1.05 * time for time in drift], drift, BOUNDS, random)
    assert found.ratio_interval.low == pytest.approx(1.05)
    assert found.ratio_interval.high == pytest.approx(1.05)


def test_a_delay_that_would_have_been_visible_is_seen_when_it_is_there(random: Random) -> None:
    times, reference = _times(random), _times(random)
    visible = compare(times, reference, BOUNDS, random).visible
    assert 0 < visible < 1
    for delay, seen in ((0.9 * visible, False), (1.1 * visible, True)):
        later = [time + delay for time in times]
        assert (probability_slower(later, reference) > 0.6) is seen
        assert (compare(later, reference, BOUNDS, random).visible == 0) is seen
