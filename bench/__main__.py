"""`make bench`: each part, or the one that ONLY= names."""

import sys
from collections.abc import Callable, Mapping

from bench import contention, timing
from bench.stages import BenchError
from infra.local.cloud import LocalError

PARTS: Mapping[str, Callable[[], bool]] = {"contention": contention.run, "timing": timing.run}
"""By name. Each prints what it measured, and tells whether it is within its bounds."""


def main(only: str) -> int:
    """Run one part, or all of them; the exit status."""
    if only and only not in PARTS:
        print(f"bench: there is no part {only}: choose of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    try:
        outcomes = [part() for name, part in PARTS.items() if only in ("", name)]
    except (BenchError, LocalError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
