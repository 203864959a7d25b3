"""What the functions' processes take of memory over time, and whether it is flat."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, linear_regression
from typing import Self

MOST_GROWTH = 0.05
"""From the first third of the time that is judged to the last, in all processes of a function."""
WARM_UP = 1 / 3
"""The part of the time in which processes may still load and fill what they keep."""

_MARK = "ministack-lambda-"
_EVERY_SECONDS = 1.0
_KILOBYTES_IN_MB = 1_024

Samples = Sequence[tuple[float, float]]
"""When, in seconds, and how many MB: of one process."""


@dataclass(frozen=True, slots=True)
class Course:
    """How the memory of one function went: in MB, over the processes that were judged."""

    processes: int
    first: float
    last: float
    per_minute: float
    """The slope of a straight line through all samples, of one process on average."""

    @property
    def growth(self) -> float:
        """The last third over the first, as a part of it."""
        return self.last / self.first - 1

    @property
    def flat(self) -> bool:
        """Whether it grew no more than it may."""
        return self.growth <= MOST_GROWTH


def judge(processes: Sequence[Samples], began: float, ended: float) -> Course | None:
    """How the processes went that were there for half of the warm-up and to the end, or None."""
    warm_up = (ended - began) * WARM_UP
    start = began + warm_up
    third = (ended - start) / 3
    first, last, slopes = [], [], []
    for samples in processes:
        if not samples or samples[0][0] > start - warm_up / 2:
            continue
        early = [size for at, size in samples if start <= at < start + third]
        late = [size for at, size in samples if ended - third <= at <= ended]
        if not early or not late:
            continue
        judged = [(at, size) for at, size in samples if start <= at <= ended]
        first.append(fmean(early))
        last.append(fmean(late))
        slopes.append(60 * linear_regression(*zip(*judged, strict=True)).slope)
    if not first:
        return None
    return Course(len(first), fmean(first), fmean(last), fmean(slopes))


def function_processes(folder: Path) -> Iterator[tuple[int, str]]:
    """The processes that run functions of the cloud which has its files in a folder.

    They are told by where their worker is: nobody else's are.
    """
    prefix = f"{folder / 'tmp' / _MARK}"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        for part in command:
            if part.startswith(prefix):
                name, _, _ = part.removeprefix(prefix).partition("/")
                yield int(entry.name), name.rpartition("-")[0]


def resident_mb(pid: int) -> float | None:
    """What a process has in memory; None if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) / _KILOBYTES_IN_MB if sizes else None


@dataclass(slots=True)
class Watch:
    """Looks at the memory of all functions once a second, in a thread of its own."""

    folder: Path
    began: float = 0.0
    ended: float = 0.0
    _samples: defaultdict[str, defaultdict[int, list[tuple[float, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="memory")
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.ended = time.monotonic()

    @property
    def samples(self) -> Mapping[str, Sequence[Samples]]:
        """By function, what was seen of each of its processes."""
        return {name: list(processes.values()) for name, processes in self._samples.items()}

    def courses(self) -> dict[str, Course]:
        """How each function went that was there for long enough."""
        judged = {
            name: judge(processes, self.began, self.ended)
            for name, processes in self.samples.items()
        }
        return {name: course for name, course in sorted(judged.items()) if course is not None}

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            for pid, name in function_processes(self.folder):
                size = resident_mb(pid)
                if size is not None:
                    self._samples[name][pid].append((time.monotonic(), size))
