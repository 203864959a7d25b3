"""`make fuzz`: a long search for what no test thought of. What it finds goes to `.local/fuzz`.

A third of the time goes to requests by the OpenAPI document, as an admin, a user and nobody, on an
API and a local cloud of its own; a third to the tests' own strategies, with another seed; and a
third to a search by coverage, where there is an atheris.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.stages import api, local_stage
from fuzz.callers import CALLERS
from fuzz.requests_by_schema import send_requests
from infra.local.children import CHECKOUT

FINDINGS = CHECKOUT / ".local" / "fuzz"
STAGE_SETTINGS = {"ACCOUNTS_BCRYPT_COST": "4", "ACCOUNTS_FAILURES_PER_ADDRESS": "100000"}
"""Requests come by the thousand from one address, and none is to wait for a hash or a limit."""
_GUIDED = CHECKOUT / ".venv-fuzz"
_MINUTE = 60
_EXAMPLES_A_SECOND = 5
"""Of each of the tests' strategies, about."""
_SLACK_SECONDS = 600
"""What a part may take longer than it was given: a started cloud, a last example that is shrunk."""


def main(minutes: str, seed: str) -> int:
    """Fuzz for so many minutes; 0 if nothing was found, else how many parts found something."""
    seconds = int(float(minutes or "15") * _MINUTE)
    number = int(seed or secrets.randbelow(2**32))
    FINDINGS.mkdir(parents=True, exist_ok=True)
    print(f"Fuzzing for {seconds} s with SEED={number}. Findings go to {FINDINGS}.", flush=True)
    parts = {
        "requests by the document": _requests,
        "the tests' strategies": _strategies,
        "search by coverage": _guided,
    }
    found = [name for name, part in parts.items() if not part(seconds // len(parts), number)]
    print(f"SEED={number}: " + (f"found something by {', '.join(found)}" if found else "nothing."))
    return len(found)


def _requests(seconds: int, seed: int) -> bool:
    each = max(1, seconds // len(CALLERS))
    with (
        tempfile.TemporaryDirectory() as folder,
        local_stage(Path(folder), STAGE_SETTINGS),
        api(courier=False) as port,
    ):
        statuses = [
            send_requests(
                port,
                caller,
                seed,
                *("--max-time", str(each), "--report", "junit,ndjson"),
                *("--report-dir", str(FINDINGS / caller)),
            )
            for caller in CALLERS
        ]
    return not any(statuses)


def _strategies(seconds: int, seed: int) -> bool:
    examples = max(100, seconds * _EXAMPLES_A_SECOND)
    environment = {**os.environ, "ACCOUNTS_FUZZ_EXAMPLES": str(examples)}
    command = (
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=0"),
        *(f"--hypothesis-seed={seed}", "tests/fuzzing/test_parsers.py"),
    )
    return _run(command, environment, seconds)


def _guided(seconds: int, seed: int) -> bool:
    if not (_GUIDED / ".installed").exists():
        print("There is no atheris on this platform: coverage guides nothing.")
        return True
    command = (
        *(str(_GUIDED / "bin" / "python"), "-m", "fuzz.guided", str(FINDINGS)),
        *(f"-max_total_time={seconds}", f"-seed={seed % 2**31}", "-max_len=5000", "-timeout=20"),
    )
    return _run(command, dict(os.environ), seconds)


def _run(command: tuple[str, ...], environment: dict[str, str], seconds: int) -> bool:
    limit = seconds + _SLACK_SECONDS
    try:
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False, timeout=limit)  # noqa: S603 - from fixed lists
    except subprocess.TimeoutExpired:
        print(f"{command[2]} did not end in {limit} s.")
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
