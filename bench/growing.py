"""What a page of users costs as they become more, and how evenly they lie in their index."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

from bench.paging import LIMITS, SIZES
from bench.results import keep
from bench.sorted_store import MOST_USERS, users
from bench.stages import BenchError, local_stage, serving
from bench.tables import Row, print_table
from chalicelib.store.users import LISTS, list_of
from infra.local.children import CHECKOUT
from infra.local.loopback import HOST

_TURNS = 50
_MOST_RATIO = 1.1
_MOST_CHI_SQUARE = 11.34
"""With three degrees of freedom, what chance exceeds once in a hundred times."""
_ANSWER_SECONDS = 600.0


def run(times: int) -> bool:
    """Measure and print; whether a page of 100,000 users costs what one of 100 does."""
    measured = _measure(times)
    good = True
    for page, limit in LIMITS.items():
        rows = [
            Row(
                f"the {page} page of {size:,} users",
                measured[f"{page} {size}"]["milliseconds"],
                _MOST_RATIO if size == MOST_USERS else None,
            )
            for size in SIZES
        ]
        title = f"GET /user?limit={limit}, the {page} page: both functions"
        good &= print_table(title, "CPU ms", rows, rows[0])
        keep(f"growth-{page}", title, rows)
    good &= _print_calls(measured)
    return _print_spread() and good


def _measure(times: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        local_stage(Path(folder), {}),
        serving("bench.sorted_store", "/") as port,
    ):
        store = f"http://{HOST}:{port}"
        done = subprocess.run(
            [sys.executable, "-m", "bench.paging", store, str(_TURNS * times)],
            cwd=CHECKOUT,
            # The key is read from the local cloud, and the users are not.
            env=os.environ | {"AWS_ENDPOINT_URL_DYNAMODB": store},
            stdout=PIPE,
            timeout=_ANSWER_SECONDS * times,
            check=False,
        )
    if done.returncode:
        raise BenchError("the pages could not be measured")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _print_calls(measured: Mapping[str, Any]) -> bool:
    """Print what went over the wire; whether it is as many calls for 100,000 users as for 100.

    Of 100 users one partition has fewer than the first page asks it for, so that is less to read.
    """
    print(f"\n{'':44}{'calls':>28}{'octets sent':>14}{'received':>12}")
    counts = {}
    for page in LIMITS:
        for size in SIZES:
            asked = measured[f"{page} {size}"]["asked"]
            names = Counter(operation for operation, _, _ in asked)
            calls = " + ".join(f"{count} {name}" for name, count in names.items())
            sent, received = sum(call[1] for call in asked), sum(call[2] for call in asked)
            counts[page, size] = names
            print(f"the {page} page of {size:,} users".ljust(44) + f"{calls:>28}", end="")
            print(f"{sent:14,}{received:12,}")
    return all(counts[page, SIZES[0]] == counts[page, MOST_USERS] for page in LIMITS)


def _print_spread() -> bool:
    """Print how many users are in each partition; whether chance would explain the difference."""
    counts = Counter(list_of(user.public_id) for user in users(MOST_USERS))
    found = [counts[name] for name in LISTS]
    square, likely = chi_square(found)
    print(f"\nWhere {MOST_USERS:,} registrations are in the index (listed_in)")
    for name, count in zip(LISTS, found, strict=True):
        print(f"{name:44}{count:10,}  {count / MOST_USERS:7.2%}")
    largest = max(found) * len(found) / MOST_USERS
    print(
        f"the largest against the mean {largest:.3f}; chi-square {square:.2f},"
        f" which chance exceeds {likely:.0%} of the time"
    )
    return square <= _MOST_CHI_SQUARE


def chi_square(counts: Sequence[int]) -> tuple[float, float]:
    """How far four counts are from even, and how likely chance is to put them further."""
    mean = sum(counts) / len(counts)
    square = sum((count - mean) ** 2 / mean for count in counts)
    # The closed form of the distribution's tail at three degrees of freedom.
    tail = math.erfc(math.sqrt(square / 2)) + math.sqrt(2 * square / math.pi) * math.exp(
        -square / 2
    )
    return square, tail
