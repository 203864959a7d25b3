"""Every two operations on one account at once: some in each run, all of them in `make races`."""

import json
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations_with_replacement, cycle, islice
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import pytest

from bench.stages import api, local_stage
from chalicelib import settings
from chalicelib.container import Container
from chalicelib.domain.names import EmailAddress
from tests.races.invariants import Outcome, faults_after
from tests.races.scene import OPERATIONS, Scene
from tests.races.stage import Answer, Sending, Stage

ROUNDS = int(os.environ.get("ACCOUNTS_RACES_ROUNDS", "60"))
SEED = int(os.environ.get("ACCOUNTS_RACES_SEED") or secrets.randbelow(1_000_000))
PAIRS = tuple(combinations_with_replacement(OPERATIONS, 2))
LATEST_SECONDS = 0.02
"""How much later than the other one may start: about as long as either takes."""

OPENAPI = Path(__file__).resolve().parents[2] / "chalicelib" / "api" / "openapi.json"
SETTINGS = {"ACCOUNTS_BCRYPT_COST": "4", "ACCOUNTS_ATTEMPTS_PER_ACCOUNT": "100"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("races")
    with local_stage(folder, SETTINGS), api(courier=False) as one, api(courier=False) as other:
        # The tables that tokens are mailed into, and the admin who is there from the beginning.
        _ = Container(settings.load()).operator
        yield Stage((one, other))


@pytest.fixture(scope="module")
def documented() -> dict[str, Any]:
    """The statuses of every operation, by method and path."""
    paths = json.loads(OPENAPI.read_text("utf-8"))["paths"]
    found: dict[str, Any] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "responses" in operation:
                found.setdefault(method, {})[path] = operation["responses"].keys()
    return found


def chosen(random: Random) -> Iterator[tuple[str, str]]:
    """All pairs in a random order, as often as there are rounds."""
    order = list(PAIRS)
    random.shuffle(order)
    yield from islice(cycle(order), ROUNDS)


@pytest.mark.timeout(3_600)
def test_whatever_happens_at_once_ends_well(
    stage: Stage,
    documented: dict[str, Any],
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():  # what passes has its output shown to nobody
        pytestconfig.get_terminal_writer().line(f"{ROUNDS} races, seed {SEED}")
    random = Random(SEED)  # noqa: S311 - it picks pairs, so that a seed is a run
    root, root_token = an_admin(stage)
    before = stage.snapshot()
    with ThreadPoolExecutor(len(stage.ports)) as pool:
        for number, names in enumerate(chosen(random)):
            needs = frozenset().union(*(OPERATIONS[name].needs for name in names))
            scene = Scene.prepare(stage, root, root_token, random, needs)
            sendings = [OPERATIONS[name].sending(scene) for name in names]
            late = random.uniform(-LATEST_SECONDS, LATEST_SECONDS)
            waits = max(0.0, -late), max(0.0, late)
            answers = list(pool.map(partial(started, stage), sendings, waits, (0, 1)))
            faults = faults_after(stage, Outcome(scene, names, answers), documented)
            said = [(answer.status, answer.code) for answer in answers]
            assert not faults, f"seed {SEED}, round {number}, {names}: {said}: {faults}"
            stage.restore(before)


def started(stage: Stage, sending: Sending, wait: float, process: int) -> Answer:
    sleep(wait)
    return stage.send(sending, process)


def an_admin(stage: Stage) -> tuple[str, str]:
    given = {"email": "root@example.com", "username": "root", "password": "the password of root"}
    token = stage.send(Sending("POST", "/user", given)).body["Authorization"]
    Container(settings.load()).accounts.promote(EmailAddress.parse("root@example.com"))
    public_id = stage.send(Sending("GET", "/user/me", None, token)).body["public_id"]
    return public_id, token
