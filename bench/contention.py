"""How many registrations end in 503 because others hold the row that says that no key was revoked.

A simulation, since no local cloud has DynamoDB's conflicts: registrations arrive at random, each
checks one copy of the row in its transaction and holds it while that lasts. Whoever finds it held
waits and tries again as `chalicelib.store.transactions` does. See docs/scale.md.
"""

import heapq
from dataclasses import dataclass
from random import Random

from chalicelib.store.revocations import COPIES

HELD_SECONDS = 0.010
"""How long a transaction holds its rows: an assumption, and a careful one."""
RATES = (10, 50, 100, 500, 1_000, 2_000)
"""Registrations a second."""
_SEED = 20_261_124
_REGISTRATIONS = 20_000
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_REFUSED_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the registrations."""

    refused: float
    """The share of those that were told to try again later."""
    attempts: float
    """How many transactions one took on average."""


def simulate(rate: float, copies: int, random: Random) -> Outcome:
    """Let registrations arrive at a rate, in the mean a second, on so many copies of the row."""
    now, waiting = 0.0, []
    for _ in range(_REGISTRATIONS):
        now += random.expovariate(rate)
        waiting.append((now, 1, random.randrange(copies)))
    heapq.heapify(waiting)
    held_until = [0.0] * copies
    refused = attempts = 0
    while waiting:
        moment, attempt, copy = heapq.heappop(waiting)
        attempts += 1
        if held_until[copy] <= moment:
            held_until[copy] = moment + HELD_SECONDS
        elif attempt == _ATTEMPTS:
            refused += 1
        else:
            pause = random.random() * _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            again = moment + _REFUSED_SECONDS + pause
            heapq.heappush(waiting, (again, attempt + 1, copy))
    return Outcome(refused / _REGISTRATIONS, attempts / _REGISTRATIONS)


def run() -> bool:
    """Print what one copy would do, and what as many as there are do."""
    random = Random(_SEED)  # noqa: S311 - a simulation
    print(
        f"contention: registrations that end in 503, of {_REGISTRATIONS:,} at each rate"
        f" (seed {_SEED}, rows held for {HELD_SECONDS * 1_000:.0f} ms)"
    )
    print(f"{'a second':>10}{'1 copy':>12}{f'{COPIES} copies':>12}{'transactions each':>20}")
    for rate in RATES:
        one, many = simulate(rate, 1, random), simulate(rate, COPIES, random)
        print(f"{rate:>10,}{one.refused:>12.2%}{many.refused:>12.2%}{many.attempts:>20.3f}")
    return True
