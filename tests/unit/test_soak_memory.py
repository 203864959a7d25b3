import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.memory import MOST_GROWTH, function_processes, judge, resident_mb


def course_of(a_minute: float, *, starts: float = 0.0) -> list[tuple[float, float]]:
    """A process of 50 MB that grows for three minutes."""
    return [(at, 50 + a_minute * (at - starts) / 60) for at in map(float, range(int(starts), 180))]


@pytest.mark.parametrize(
    ("a_minute", "flat"), [(0.0, True), (1.5, True), (2.5, False), (10.0, False), (-1.0, True)]
)
def test_memory_that_grows_is_found(*, a_minute: float, flat: bool) -> None:
    course = judge([course_of(a_minute), course_of(a_minute)], 0, 180)
    assert course is not None
    assert course.processes == 2
    assert course.flat is flat
    assert course.per_minute == pytest.approx(a_minute)


def test_what_grows_in_one_process_of_many_is_seen_if_it_is_much() -> None:
    steady = [course_of(0.0)] * 3
    course = judge([*steady, course_of(15.0)], 0, 180)
    assert course is not None
    assert course.growth > MOST_GROWTH


def test_what_is_loaded_at_first_is_no_growth() -> None:
    loading = [(at, min(50.0, 20 + at)) for at in map(float, range(180))]
    course = judge([loading], 0, 180)
    assert course is not None
    assert course.flat
    assert course.growth == 0


def test_a_process_that_came_late_is_not_judged() -> None:
    assert judge([course_of(100, starts=100)], 0, 180) is None
    assert judge([[]], 0, 180) is None


def test_only_functions_of_ones_own_cloud_are_looked_at(tmp_path: Path) -> None:
    worker = tmp_path / "tmp" / "ministack-lambda-accounts-dev-authorize-x1_y2" / "_worker.py"
    worker.parent.mkdir(parents=True)
    worker.write_text("import sys; print(flush=True); sys.stdin.read()", "ascii")
    with subprocess.Popen(
        [sys.executable, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert list(function_processes(tmp_path)) == [(process.pid, "accounts-dev-authorize")]
        assert (resident_mb(process.pid) or 0) > 1
        assert list(function_processes(tmp_path / "other")) == []
        process.communicate()
    assert resident_mb(process.pid) is None
    assert (resident_mb(os.getpid()) or 0) > 1
