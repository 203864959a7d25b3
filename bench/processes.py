"""What the operating system says that a process has used. Needs Linux.

CPU time is user's and system's together, of all threads, also of those that have ended.
"""

import os
import time
from pathlib import Path

_BY_SCHEDULER = 2
"""Of a process's clocks, the one that counts in nanoseconds: CPUCLOCK_SCHED in Linux."""

_ENDED_CHILDREN = slice(13, 15)
"""Of the fields of /proc/<pid>/stat after the name: cutime and cstime."""


def cpu_seconds(pid: int) -> float:
    """What a running process has used so far; not what its children have.

    Raises:
        OSError: there is no such process.
    """
    # As clock_getcpuclockid(3) makes it. /proc/<pid>/stat would tell hundredths of a second.
    return time.clock_gettime((~pid << 3) | _BY_SCHEDULER)


def tree_cpu_seconds(pid: int) -> float:
    """What a running process has used so far, and all that it started; ended ones to 0.01 s.

    Raises:
        OSError: there is no such process, or one of them has just ended.
    """
    folder = Path("/proc", str(pid))
    children = {
        int(child)
        for thread in (folder / "task").iterdir()
        for child in (thread / "children").read_text().split()
    }
    # What follows the command's name, which may hold anything, brackets too.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ended = sum(map(int, fields[_ENDED_CHILDREN])) / os.sysconf("SC_CLK_TCK")
    return cpu_seconds(pid) + ended + sum(map(tree_cpu_seconds, children))
