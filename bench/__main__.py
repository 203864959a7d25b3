"""`make bench`: each part, or the one that ONLY= names; TIMES= so often, drawn into PLOTS=."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import cold, contention, cpu, growing, memory, timing
from bench.results import draw
from bench.stages import BenchError
from infra.deployment.errors import DeploymentError
from infra.local.cloud import LocalError

Part = Callable[[int], bool]
"""Prints what it measured, and tells whether it is within its bounds.

It is called with how many times as much as usual it is to measure. Usual is about a minute on two
cores, so that all parts together take less than five.
"""

PARTS: Mapping[str, Part] = {
    "timing": timing.run,
    "cold": cold.run,
    "cpu": cpu.run,
    "growth": growing.run,
    "memory": memory.run,
    "contention": contention.run,
}


def main(only: str = "", times: str = "", plots: str = "") -> int:
    """Run one part, or all of them, and draw into a folder if it is named; the exit status."""
    if only and only not in PARTS:
        print(f"bench: there is no part {only}: choose of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    if times and not (times.isascii() and times.isdecimal() and int(times)):
        print(f"bench: TIMES is how many times as much to measure, not {times}", file=sys.stderr)
        return 2
    if plots and not Path(plots).is_dir():
        print(f"bench: PLOTS is a folder to draw into, not {plots}", file=sys.stderr)
        return 2
    try:
        outcomes = [part(int(times or 1)) for name, part in PARTS.items() if only in ("", name)]
        if plots:
            draw(Path(plots))
    except (BenchError, DeploymentError, LocalError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
