"""`make fuzz`, but for the fuzzing."""

from pathlib import Path

import pytest

from fuzz import __main__ as command


@pytest.mark.parametrize(
    ("found", "status"), [((), 0), (("_guided",), 1), (("_requests", "_strategies"), 2)]
)
def test_the_status_says_how_many_parts_found_something(
    found: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []
    for part in ("_requests", "_strategies", "_guided"):

        def run(seconds: int, seed: int, part: str = part) -> bool:
            calls.append((part, seconds, seed))
            return part not in found

        monkeypatch.setattr(command, part, run)
    monkeypatch.setattr(command, "FINDINGS", tmp_path)
    assert command.main("3", "7") == status
    assert calls == [("_requests", 60, 7), ("_strategies", 60, 7), ("_guided", 60, 7)]
    assert "SEED=7" in capsys.readouterr().out


def test_a_seed_is_made_up_and_printed_if_none_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = set()

    def run(_seconds: int, seed: int) -> bool:
        seeds.add(seed)
        return True

    for part in ("_requests", "_strategies", "_guided"):
        monkeypatch.setattr(command, part, run)
    monkeypatch.setattr(command, "FINDINGS", tmp_path)
    assert command.main("", "") == 0
    (seed,) = seeds
    assert f"900 s with SEED={seed}" in capsys.readouterr().out


def test_without_an_atheris_the_rest_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_GUIDED", tmp_path)
    assert command._guided(1, 1)  # noqa: SLF001 - the part that is not on every platform
    assert "no atheris" in capsys.readouterr().out
