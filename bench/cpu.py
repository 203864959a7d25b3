"""What a request costs once a process is warm: `make bench ONLY=cpu`.

See docs/benchmarks.md for what is compared, and how.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any

from bench.packages import INTERPRETER, PEERS
from bench.stages import BenchError, local_stage
from bench.tables import Row, print_table
from infra.local.children import CHECKOUT

COST = 12
"""Of bcrypt, for all."""
LOGIN_TARGET = 0.8
"""What a login may take beside bcrypt, in hundredths of that."""
PEER_TARGET = 1.0
"""What we may take of what FastAPI Users takes, with the tokens that it has by default."""

VARIABLES = {
    "ACCOUNTS_BCRYPT_COST": str(COST),
    "ACCOUNTS_ATTEMPTS_PER_ACCOUNT": "1000",
    "ACCOUNTS_ACCESS_TOKEN_SECONDS": "3600",
}

_LOGINS = 15
_REQUESTS = 300
_WARM_UP = 20
_LOGIN_WARM_UP = 2
_OURS = "accounts"
_ALONE = "bcrypt alone"
_PEER = "FastAPI Users, JWT"
_PERSON = {"email": "zoe@example.com", "password": "correct horse battery staple"}
_TO_MILLISECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU time of one request, in milliseconds."""

    whole: float
    bcrypt: float


@dataclass(slots=True)
class Worker:
    """A process that does requests, and the session it has."""

    name: str
    requests: IO[str]
    answers: IO[str]
    session: dict[str, str] = field(default_factory=dict)

    def do(self, operation: str) -> Spent:
        """Have a request done, and keep the tokens in its answer.

        Raises:
            BenchError: it failed.
        """
        given = _PERSON if operation in ("register", "login") else self.session
        self.requests.write(json.dumps([operation, given]) + "\n")
        self.requests.flush()
        line = self.answers.readline()
        if not line:
            raise BenchError(f"{self.name} has ended")
        status, body, whole, bcrypt = json.loads(line)
        if not 200 <= status < 300:  # noqa: PLR2004 - what went well
            raise BenchError(f"{self.name}, {operation}: {status}, {body}")
        self._keep(json.loads(body or "{}"))
        return Spent(whole * _TO_MILLISECONDS, bcrypt * _TO_MILLISECONDS)

    def _keep(self, answer: Mapping[str, Any]) -> None:
        """Find the tokens, whatever each system calls them."""
        answer = answer.get("response", {}).get("user", answer)
        for name in ("Authorization", "access_token", "authentication_token"):
            if name in answer:
                self.session["token"] = answer[name]
        if "refresh_token" in answer:
            self.session["refresh"] = answer["refresh_token"]


def run(times: int) -> bool:
    """Measure so many times as often as usual, and print the tables; whether the targets are met.

    Raises:
        BenchError: a process failed, or answered something else.
        LocalError: the local cloud does not start.
    """
    random = Random()  # noqa: S311 - it orders requests
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="accounts-bench-")))
        stack.enter_context(local_stage(folder / "cloud", VARIABLES))
        ours = stack.enter_context(working(_OURS, CHECKOUT, "bench.handlers", {}))
        alone = stack.enter_context(working(_ALONE, PEERS, "bcrypt_alone", {}))
        peers = [
            stack.enter_context(working(name, PEERS, module, _peer_variables(folder, name, kind)))
            for name, module, kind in (
                (_PEER, "fastapi_users_app", "jwt"),
                ("FastAPI Users, JWT by RS256", "fastapi_users_app", "jwt-rs256"),
                ("FastAPI Users, tokens in the database", "fastapi_users_app", "database"),
                ("Flask-Security, token", "flask_security_app", ""),
            )
        ]
        systems = [ours, *peers]
        for system in systems:
            system.do("register")
            if system.session:
                system.do("logout")
        logins = _measure(
            "login", [alone, *systems], random, _LOGINS * times, _LOGIN_WARM_UP, "logout"
        )
        for system in systems:
            system.do("login")
        gets = _measure("me", systems, random, _REQUESTS * times)
        refreshing = [system for system in systems if "refresh" in system.session]
        refreshes = _measure("refresh", refreshing, random, _REQUESTS * times)
    return _report(logins, gets, refreshes)


def _peer_variables(folder: Path, name: str, strategy: str) -> dict[str, str]:
    return {"DATABASE": str(folder / f"{name}.sqlite"), "STRATEGY": strategy}


@contextmanager
def working(name: str, folder: Path, module: str, variables: Mapping[str, str]) -> Iterator[Worker]:
    """Run a module's operations in a process, by our interpreter or by the peers'.

    Raises:
        BenchError: it cannot be spoken to.
    """
    interpreter = INTERPRETER if folder == PEERS else Path(sys.executable)
    with subprocess.Popen(
        [str(interpreter), str(CHECKOUT / "bench" / "worker.py"), str(folder), module],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise BenchError(f"{name} has no pipes")
            yield Worker(name, process.stdin, process.stdout)
        finally:
            process.kill()


def _measure(
    operation: str,
    workers: Sequence[Worker],
    random: Random,
    turns: int,
    warm_up: int = _WARM_UP,
    undone_by: str = "",
) -> dict[str, list[Spent]]:
    """Do one request each in turns, in another order every time.

    What `undone_by` names follows each, and is not measured: so all turns begin with the same.
    """
    spent: dict[str, list[Spent]] = {worker.name: [] for worker in workers}
    order = list(workers)
    for turn in range(-warm_up, turns):
        random.shuffle(order)
        for worker in order:
            seen = worker.do(operation)
            if undone_by and worker.name != _ALONE:
                worker.do(undone_by)
            if turn >= 0:
                spent[worker.name].append(seen)
    return spent


def _report(
    logins: Mapping[str, Sequence[Spent]],
    gets: Mapping[str, Sequence[Spent]],
    refreshes: Mapping[str, Sequence[Spent]],
) -> bool:
    alone = Row(_ALONE, [spent.whole for spent in logins[_ALONE]])
    hundredth = Row(_ALONE, [figure / 100 for figure in alone.figures])
    print_table(
        f"Login, bcrypt at cost {COST}: CPU time",
        "ms",
        [_row(*each) for each in logins.items()],
        alone,
    )
    above = {
        name: [spent.whole - spent.bcrypt for spent in samples]
        for name, samples in logins.items()
        if name != _ALONE
    }
    peer = Row(_PEER, above[_PEER])
    return all(
        [
            print_table(
                "Login but for bcrypt: CPU time, in hundredths of bcrypt alone",
                "ms",
                [
                    Row(name, spent, LOGIN_TARGET if name == _OURS else None)
                    for name, spent in above.items()
                ],
                hundredth,
            ),
            print_table(
                f"Login but for bcrypt: CPU time, against {_PEER}",
                "ms",
                [
                    Row(name, spent, PEER_TARGET if name == _OURS else None)
                    for name, spent in above.items()
                ],
                peer,
            ),
            print_table(
                f"Authorized GET: CPU time, against {_PEER}",
                "ms",
                [
                    _row(name, spent, PEER_TARGET if name == _OURS else None)
                    for name, spent in gets.items()
                ],
                _row(_PEER, gets[_PEER]),
            ),
            print_table(
                f"Refresh: CPU time, against {_OURS}",
                "ms",
                [_row(name, spent) for name, spent in refreshes.items()],
                _row(_OURS, refreshes[_OURS]),
            ),
        ]
    )


def _row(name: str, spent: Sequence[Spent], target: float | None = None) -> Row:
    return Row(name, [one.whole for one in spent], target)
