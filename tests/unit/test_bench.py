"""What `make bench` counts with, and its command line."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import memory
from bench.cpu import working
from bench.processes import cpu_seconds, tree_cpu_seconds
from bench.runtime_api import Outcome, RuntimeApi
from bench.stages import BenchError
from bench.tables import Row, Spread, print_table

PREFIX = "/2018-06-01/runtime"
REFERENCE = Row("null", [1.0, 2.0, 3.0])


def _connected(lambda_side: RuntimeApi[str]) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(lambda_side.address, timeout=10))


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([4.0, 0.0, 1.0, 3.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_a_ratio_is_of_the_medians_and_its_quartiles_are_of_the_turns() -> None:
    row = Row("twice, and once not", [2.0, 4.0, 30.0])
    assert row.ratio(REFERENCE.figures) == Spread(2.0, 2.0, 6.0)


def test_rows_of_different_turns_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        Row("short", [2.0, 4.0]).ratio(REFERENCE.figures)


def test_a_table_tells_what_missed_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    within = Row("within", [2.0, 4.0, 6.0], target=2.0)
    beyond = Row("beyond", [2.1, 4.1, 6.1], target=2.0)
    assert print_table("CPU", "ms", [REFERENCE, within], REFERENCE)
    assert "2.00  met" in capsys.readouterr().out
    assert not print_table("CPU", "ms", [REFERENCE, within, beyond], REFERENCE)
    assert "2.00  MISSED" in capsys.readouterr().out


def test_the_cpu_time_of_a_process_is_that_of_all_its_threads() -> None:
    before, own = cpu_seconds(os.getpid()), time.process_time()
    thread = threading.Thread(target=sum, args=(range(1_000_000),))
    thread.start()
    thread.join()
    used = cpu_seconds(os.getpid()) - before
    assert 0 < used <= time.process_time() - own + 0.01


def test_the_cpu_time_of_nobody_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(OSError, match="Invalid argument"):
        cpu_seconds(process.pid)


@pytest.mark.parametrize("ends", [True, False], ids=["that has ended", "that runs"])
def test_the_cpu_time_of_a_tree_is_that_of_its_children_too(*, ends: bool) -> None:
    busy = "import time\nwhile time.process_time() < 0.05: pass\nprint(flush=True)\n"
    child = f"[sys.executable, '-c', {busy + ('' if ends else 'input()')!r}]"
    parent = (
        f"import subprocess, sys\nchild = subprocess.Popen({child}, stdin=subprocess.PIPE)\n"
        f"{'child.wait()' if ends else ''}\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() + process.stdout.readline() == b"\n\n"
        assert tree_cpu_seconds(process.pid) >= cpu_seconds(process.pid) + 0.03
        process.communicate(b"\n", timeout=30)


def test_bench_runs_the_part_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int]] = []

    def part(name: str, *, outcome: bool) -> command.Part:
        def run(times: int) -> bool:
            called.append((name, times))
            return outcome

        return run

    parts = {"fine": part("fine", outcome=True), "not": part("not", outcome=False)}
    monkeypatch.setattr(command, "PARTS", parts)
    assert command.main() == 1
    assert command.main("fine", "3") == 0
    assert called == [("fine", 1), ("not", 1), ("fine", 3)]


def test_bench_draws_what_was_measured_if_it_is_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr(command, "PARTS", {})
    monkeypatch.setattr(command, "draw", drawn.append)
    assert command.main() == 0
    assert command.main("", "", str(tmp_path)) == 0
    assert drawn == [tmp_path]


@pytest.mark.parametrize(
    "arguments", [("none",), ("", "0"), ("", "-1"), ("", "some"), ("", "", "no/such/folder")]
)
def test_bench_measures_nothing_that_it_does_not_know(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(*arguments) == 2
    assert arguments[-1] in capsys.readouterr().err


def test_memory_is_that_of_a_fresh_process_that_has_answered(tmp_path: Path) -> None:
    source = "kept = bytearray(20_000_000)\ndef handler(event, context):\n    return event\n"
    (tmp_path / "function.py").write_text(source, encoding="ascii")
    script = Path(memory.__file__).with_name("remembering.py")
    answered = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(script), str(tmp_path), "function.handler"],
        input='{"is": "echoed"}',
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    told = json.loads(answered.stdout)
    assert told["answer"] == {"is": "echoed"}
    assert 20_000 < told["now"] <= told["most"] < 60_000


@pytest.mark.parametrize(("megabytes", "verdict"), [(50.0, "met"), (50.1, "MISSED")])
def test_memory_is_held_to_its_target(
    megabytes: float,
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(memory, "keep", lambda *_: None)
    turn = {"a null function": (99.0, 99.0), "the authorizer": (megabytes, megabytes + 1)}
    assert memory.judge([turn, turn]) is (verdict == "met")
    assert f"target 50  {verdict}\n" in capsys.readouterr().out


def test_a_function_is_asked_and_answers() -> None:
    with RuntimeApi[str]() as lambda_side, _connected(lambda_side) as function:
        lambda_side.offer({"some": "event"}, lambda: "seen")
        function.request("GET", f"{PREFIX}/invocation/next")
        asked = function.getresponse()
        assert json.loads(asked.read()) == {"some": "event"}
        request_id = asked.headers["Lambda-Runtime-Aws-Request-Id"]
        assert int(asked.headers["Lambda-Runtime-Deadline-Ms"]) > time.time() * 1000
        function.request("POST", f"{PREFIX}/invocation/{request_id}/response", b'{"an": "answer"}')
        assert function.getresponse().status == 202
        assert lambda_side.outcome(1) == Outcome(fault=False, content={"an": "answer"}, seen="seen")


@pytest.mark.parametrize("where", ["invocation/some/error", "init/error"])
def test_a_function_may_fail(where: str) -> None:
    with RuntimeApi[str]() as lambda_side, _connected(lambda_side) as function:
        lambda_side.offer({}, lambda: "seen")
        if where != "init/error":
            function.request("GET", f"{PREFIX}/invocation/next")
            function.getresponse().read()
        function.request("POST", f"{PREFIX}/{where}", b'{"errorMessage": "none"}')
        assert function.getresponse().status == 202
        assert lambda_side.outcome(1) == Outcome(
            fault=True, content={"errorMessage": "none"}, seen="seen"
        )


def test_a_function_that_does_not_answer_is_an_error() -> None:
    with RuntimeApi[str]() as lambda_side, pytest.raises(BenchError, match="in time"):
        lambda_side.outcome(0.01)


def test_a_function_that_waits_does_not_outlive_its_api() -> None:
    with ThreadPoolExecutor(1) as executor:
        with RuntimeApi[str]() as lambda_side:
            waiting = executor.submit(lambda_side.next_event)
        assert waiting.result(10) is None


WORK = """
import bcrypt, time

def spend(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def login(given):
    def call():
        print("a line of the log")
        assert bcrypt.checkpw(b"x", bcrypt.hashpw(b"x", bcrypt.gensalt(4)))
        spend(0.02)
        return (201 if given else 401), '{"access_token": "some"}'
    return call

OPERATIONS = {"login": login, "me": login}
"""


def test_a_worker_tells_what_a_request_has_used_and_what_of_it_was_bcrypt(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    with working("work", tmp_path, "work", {}) as worker:
        with pytest.raises(BenchError, match="401"):
            worker.do("me")
        spent = worker.do("login")
        assert worker.session == {"token": "some"}
        assert 0 < spent.bcrypt < spent.whole - 0.02 * 1000 + 0.001
        with pytest.raises(BenchError, match="work has ended"):
            worker.do("nothing")
