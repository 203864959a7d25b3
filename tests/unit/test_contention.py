from random import Random

from bench.contention import Outcome
from bench.contention import simulate as simulated


def simulate(rate: float, copies: int, seed: int = 1) -> Outcome:
    return simulated(rate, copies, Random(seed))  # noqa: S311 - it lets registrations arrive


def test_nobody_is_refused_where_hardly_anybody_comes() -> None:
    assert simulate(0.1, 1).refused == 0


def test_who_finds_the_row_held_each_time_is_refused() -> None:
    assert simulate(10_000, 1).refused > 0.9


def test_more_copies_refuse_fewer() -> None:
    one, many = simulate(200, 1), simulate(200, 64)
    assert many.refused < one.refused / 100
    assert 1 < many.attempts < one.attempts


def test_a_seed_is_an_outcome() -> None:
    assert simulate(200, 4, 7) == simulate(200, 4, 7)
