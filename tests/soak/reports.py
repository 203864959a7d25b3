"""What a soak prints."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from tests.soak.memory import Course, Watch
from tests.soak.replies import Tally


def table(tally: Tally) -> str:
    """Answers by operation and status, and how long they took."""
    rows = [("operation", "answers", "p50 ms", "p95 ms", "p99 ms")]
    for operation, statuses in sorted(tally.statuses.items()):
        answers = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        rows.append((operation, answers, *_latencies(tally.seconds[operation])))
    everything = [taken for seconds in tally.seconds.values() for taken in seconds]
    refused = " ".join(f"{status}:{count}" for status, count in tally.refusals.items())
    rows.append(("all", f"{tally.total}, of which {refused}", *_latencies(everything)))
    return _aligned(rows)


def memory_table(courses: Mapping[str, Course], watch: Watch) -> str:
    """How much each function's processes took at first and at the end."""
    rows = [("function", "processes", "at first MB", "at last MB", "growth", "MB a minute")]
    for name, processes in sorted(watch.samples.items()):
        if name not in courses:
            sizes = fmean(samples[-1][1] for samples in processes)
            rows.append((name, str(len(processes)), "", f"{sizes:.1f}", "too short", ""))
            continue
        course = courses[name]
        rows.append(
            (
                name,
                f"{course.processes} of {len(processes)}",
                f"{course.first:.1f}",
                f"{course.last:.1f}",
                f"{course.growth:+.2%}",
                f"{course.per_minute:+.3f}",
            )
        )
    return _aligned(rows)


def _latencies(seconds: Sequence[float]) -> tuple[str, str, str]:
    ordered = sorted(seconds)
    p50, p95, p99 = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.95, 0.99))
    return f"{1_000 * p50:.0f}", f"{1_000 * p95:.0f}", f"{1_000 * p99:.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
