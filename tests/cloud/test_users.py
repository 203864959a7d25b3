"""`make users` on a local cloud of its own: many accounts, and an import that is interrupted."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from infra.local.children import CHECKOUT
from tests.samples import FOREIGN_HASHES

MANY = 500
HASHES = tuple(FOREIGN_HASHES.values())


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"ACCOUNTS_LOCAL_DIR": str(tmp_path / "local")}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started hears of an interrupt, although a shell told us not to, as one does with `&`.

    What ignores a signal hands that down; what handles it, does not.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def a_line(number: int) -> str:
    return json.dumps(
        {
            "email": f"user-{number}@example.com",
            "password_hash": HASHES[number % len(HASHES)],
            "metadata": {"number": number},
        }
    )


def users(environment: dict[str, str], *words: str) -> str:
    """What `make users` prints, once it has done what it was told."""
    done = subprocess.run(
        ["make", "--silent", "users"],
        cwd=CHECKOUT,
        env=environment | {"DO": " ".join(words), "STAGE": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_many_accounts_arrive_once_and_leave_as_they_came(
    environment: dict[str, str], tmp_path: Path
) -> None:
    source = tmp_path / "users.jsonl"
    source.write_text("".join(f"{a_line(number)}\n" for number in range(MANY)))
    assert users(environment, "import", str(source)) == (
        f"{MANY} imported, 0 there already, 0 refused.\n"
    )
    assert users(environment, "import", str(source)) == (
        f"0 imported, {MANY} there already, 0 refused.\n"
    )
    exported = tmp_path / "exported.jsonl"
    users(environment, "export", str(exported), "--with-hashes", "--yes")
    rows = [json.loads(line) for line in exported.read_text().splitlines()]
    assert {(row["email"], row["password_hash"], row["metadata"]["number"]) for row in rows} == {
        (f"user-{number}@example.com", HASHES[number % len(HASHES)], number)
        for number in range(MANY)
    }
    assert len({row["public_id"] for row in rows}) == MANY


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_import_says_how_far_it_came_and_the_next_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    lines = [a_line(number) for number in range(100)]
    with subprocess.Popen(
        [".venv/bin/python", "-m", "infra.users", "import", "-", "--format", "jsonl", "--json"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        source, output = _pipes(command)
        source.write("\n".join([*lines, "broken", ""]))
        source.flush()
        # The broken line is told of when all before it are written but for the last of them,
        # which wait for more to go with.
        assert json.loads(output.readline())["line"] == 101
        # By then it waits for more. Of a signal that comes just before that, Python tells it later.
        time.sleep(0.5)
        command.send_signal(signal.SIGINT)
        assert json.loads(output.readline()) == {"imported": 75, "present": 0, "refused": 1}
        command.wait(30)
        assert command.returncode == 130
    whole = tmp_path / "users.jsonl"
    whole.write_text("\n".join(lines))
    assert users(environment, "import", str(whole)) == (
        "25 imported, 75 there already, 0 refused.\n"
    )


def _pipes(command: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert command.stdin is not None
    assert command.stdout is not None
    return command.stdin, command.stdout
