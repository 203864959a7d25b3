"""What `make bench` counts with, and its command line."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import memory
from bench.processes import cpu_seconds, reaped_cpu_seconds
from bench.tables import Row, Spread, print_table

REFERENCE = Row("null", [1.0, 2.0, 3.0])


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


def test_the_cpu_time_of_a_child_is_told_when_it_has_ended() -> None:
    # It ends only when it has used so much.
    busy = "import time\nwhile time.process_time() < 0.05: pass"
    process = subprocess.Popen([sys.executable, "-c", busy])
    assert reaped_cpu_seconds(process.pid) >= 0.05
    process.returncode = 0  # reaped already, and not by itself


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
