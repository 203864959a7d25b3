"""What the operating system says that a process has used. Needs Linux.

CPU time is user's and system's together, of all threads, also of those that have ended.
"""

import os
import time

_BY_SCHEDULER = 2
"""Of a process's clocks, the one that counts in nanoseconds: CPUCLOCK_SCHED in Linux."""


def cpu_seconds(pid: int) -> float:
    """What a running process has used so far; not what its children have.

    Raises:
        OSError: there is no such process.
    """
    # As clock_getcpuclockid(3) makes it. /proc/<pid>/stat would tell hundredths of a second.
    return time.clock_gettime((~pid << 3) | _BY_SCHEDULER)


def reaped_cpu_seconds(pid: int) -> float:
    """Wait for a child of this process to end; what it used, with all children it waited for.

    Raises:
        ChildProcessError: there is no such child.
    """
    _, _, used = os.wait4(pid, 0)
    return used.ru_utime + used.ru_stime
