"""A soak's own judgement: what it sees of memory and of tables, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from infra.rehearsal.deployments import Deployer
from tests.soak.__main__ import left_behind
from tests.soak.crowds import Crowd, SoakError
from tests.soak.memory import MOST_GROWTH, function_processes, judge, resident_mb
from tests.soak.places import Place, Row
from tests.soak.replies import Caller, Reply, Tally
from tests.soak.reports import table
from tests.soak.users import People, User


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
    assert judge([course_of(100, starts=40)], 0, 180) is None
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


class Tables(Place):
    """A deployment of which nothing is there but what was written."""

    def __init__(self, **rows: list[Row]) -> None:
        super().__init__(Deployer(Path(), ""), Path())
        object.__setattr__(self, "_rows", {"users": [], "sessions": [], "attempts": []} | rows)

    def tables(self) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = object.__getattribute__(self, "_rows")
        return rows


USER: Row = {
    "pk": {"S": "user#1"},
    "public_id": {"S": "1"},
    "email": {"S": "Root@example.com"},
    "username": {"S": "root"},
    "admin": {"BOOL": True},
}
MARKERS: list[Row] = [
    {"pk": {"S": "email#root@example.com"}, "public_id": {"S": "1"}},
    {"pk": {"S": "username#root"}, "public_id": {"S": "1"}},
]
SESSION: Row = {"public_id": {"S": "1"}, "session_id": {"S": "a"}}


def test_tables_that_agree_are_found_right() -> None:
    attempts: list[Row] = [{"attempt_id": {"S": "x"}, "attempts": {"N": "0"}}]
    place = Tables(users=[USER, *MARKERS], sessions=[SESSION], attempts=attempts)
    assert list(left_behind(place)) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ({"users": [USER, MARKERS[0]]}, "username#root"),
        ({"users": [USER, *MARKERS, {"pk": {"S": "email#x"}, "public_id": {"S": "2"}}]}, "email#x"),
        ({"users": [USER | {"disabled": {"BOOL": True}}, *MARKERS]}, "no admin"),
        ({"users": [USER | {"admin": {"BOOL": False}}, *MARKERS]}, "no admin"),
        (
            {"users": [USER, *MARKERS], "sessions": [SESSION | {"public_id": {"S": "2"}}]},
            "of nobody",
        ),
        ({"users": [USER, *MARKERS], "attempts": [{"attempts": {"N": "-1"}}]}, "negative"),
    ],
)
def test_tables_that_do_not_agree_are_found(rows: dict[str, list[Row]], fault: str) -> None:
    (found,) = left_behind(Tables(**rows))
    assert fault in found


HEADERS = {"content-type": "application/json", "cache-control": "no-store", "x-request-id": "1"}


def crowd_of(reply: Reply) -> Crowd:
    random = Random(1)  # noqa: S311 - it walks
    caller = Caller(lambda *_: reply, Tally(), random, lambda _: None)
    return Crowd(11, [User("somebody", caller, random, People(), None)], [caller])


def test_a_fault_ends_the_soak_with_all_that_is_known_of_it() -> None:
    with pytest.raises(SoakError) as caught:
        crowd_of(Reply(500, HEADERS, {"status": "fail", "code": "x", "message": "x"})).walk(60)
    told = str(caught.value)
    assert "seed 11, somebody: 500" in told
    assert "register: POST /user: 500 x" in told


def test_a_fault_of_the_soak_itself_ends_it_too() -> None:
    with pytest.raises(SoakError, match="seed 11, somebody"):
        crowd_of(Reply(201, HEADERS, {})).walk(60)


def test_what_was_answered_is_counted() -> None:
    tally = Tally()
    for number in range(100):
        tally.add("look", 200 if number else 503, number / 1_000)
    tally.add("close", 429, 1.0)
    rows = [line.split() for line in table(tally).splitlines()]
    assert rows[1] == ["close", "429:1", "1000", "1000", "1000"]
    assert rows[2] == ["look", "200:99", "503:1", "49", "94", "98"]
    assert rows[3][:5] == ["all", "101,", "of", "which", "429:1"]
