"""Two speeds of verification: `python -m infra.verification` measures what docs/verify.md says.

Runs what `make run` runs, with data of its own and access tokens that live for seconds, and logs
out again and again. Who decides about the tokens is, on the one hand, our authorizer, and on the
other hand the verifier of examples/verify/lambda_python.py, which has the published keys alone.
Figures are proportions within one run, on this machine: no network is between the two.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import requests

from examples.verify.lambda_python import Verifier
from infra.local.cloud import LocalError, running_endpoint
from infra.local.stages import enter_stage
from infra.rehearsal.errors import RehearsalError
from infra.rehearsal.local_runs import running_locally

_ANSWER_SECONDS = 30
_ROUNDS = 11
_DECISIONS = 50
"""In each round, one after the other."""
_ACCOUNT = {
    "email": "zoe@example.com",
    "username": "Zoë",
    "password": "correct horse battery staple",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was seen of some logouts."""

    logouts: int
    taken_by_authorizer: int
    """How many tokens our API took at the very next request after their logout."""
    taken_by_verifier: int
    good_for_seconds: float
    """For how long after its logout the last token was taken by the verifier."""
    left_seconds: float
    """How long it had still to live when it was logged out."""
    cpu_ratio: float
    """The CPU time of a decision of the authorizer, in those of the verifier."""
    time_ratio: float

    def table(self) -> str:
        """The table of docs/verify.md, in Markdown."""
        late = self.good_for_seconds - self.left_seconds
        return f"""\
| | our authorizer | a JWT verifier |
|---|---|---|
| tokens taken at the next request after their logout \
| {self.taken_by_authorizer} of {self.logouts} | {self.taken_by_verifier} of {self.logouts} |
| the last of them was taken for | 0 s \
| {self.good_for_seconds:.1f} s, until {late:.1f} s after its `exp` |
| CPU time of a decision | {self.cpu_ratio:.0f} | 1 |
| time until a decision | {self.time_ratio:.0f} | 1 |
"""


class _Api:
    """A user of the API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = requests.Session()

    def log_in(self) -> str:
        credentials = {name: _ACCOUNT[name] for name in ("email", "password")}
        token: str = self.ask("POST", "/auth/login", json=credentials).json()["Authorization"]
        return token

    def ask(self, method: str, path: str, token: str = "", **more: Any) -> requests.Response:
        answer = self.try_to(method, path, token, **more)
        if not answer.ok:
            raise RehearsalError(f"{method} {path} is answered with {answer.status_code}")
        return answer

    def try_to(self, method: str, path: str, token: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._connection.request(
            method, self.url + path, headers=headers, timeout=_ANSWER_SECONDS, **more
        )


def measure(folder: Path, logouts: int) -> Findings:
    """Run an API with its data in a folder, and measure both.

    In the end this process is a client of the folder's local cloud, which is gone by then.

    Raises:
        RehearsalError: the API does not start, or does not do what it is asked.
    """
    with running_locally(folder) as target:
        api = _Api(target.url)
        verifier = Verifier(target.url)
        api.ask("POST", "/user", json=_ACCOUNT)
        taken_by_authorizer = taken_by_verifier = 0
        for _ in range(logouts):
            token = api.log_in()
            expires_at = verifier.verify(token)["exp"]
            api.ask("GET", "/user/me", token)
            api.ask("POST", "/auth/logout", token)
            logged_out_at = time.time()
            answer = api.try_to("GET", "/user/me", token)
            taken_by_authorizer += answer.status_code != HTTPStatus.UNAUTHORIZED
            taken_by_verifier += _takes(verifier, token)
        while _takes(verifier, token):
            time.sleep(0.01)
        good_for_seconds = time.time() - logged_out_at
        _become_the_function(api.url, folder)
        cpu_ratio, time_ratio = _ratios(api, verifier)
    return Findings(
        logouts=logouts,
        taken_by_authorizer=taken_by_authorizer,
        taken_by_verifier=taken_by_verifier,
        good_for_seconds=good_for_seconds,
        left_seconds=expires_at - logged_out_at,
        cpu_ratio=cpu_ratio,
        time_ratio=time_ratio,
    )


def _takes(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except jwt.InvalidTokenError:
        return False
    return True


_CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
"""What the authorizer asks Lambda: how long there still is."""


def _become_the_function(url: str, folder: Path) -> None:
    """Make this process one where the authorizer can be called as Lambda calls it."""
    endpoint = running_endpoint(folder)
    if endpoint is None:
        raise RehearsalError("the local cloud has stopped")
    enter_stage(endpoint)
    os.environ["ACCOUNTS_ISSUER"] = url
    # What a printed line costs depends on the terminal, and on Lambda there is none.
    logging.getLogger("chalicelib.telemetry").setLevel(logging.WARNING)


def _ratios(api: _Api, verifier: Verifier) -> tuple[float, float]:
    """How much more CPU time, and time, the authorizer takes: the medians of some rounds."""
    from chalicelib.authorizer import authorize

    event = {"type": "TOKEN", "methodArn": "arn:aws:execute-api:us-east-1:1:a/api/GET/user/me"}
    cpu, clock = [], []
    for _ in range(_ROUNDS):
        token = api.log_in()
        call = {**event, "authorizationToken": f"Bearer {token}"}
        if not authorize(call, _CONTEXT).get("context"):
            raise RehearsalError("the authorizer refuses a good token")
        ours = _cost(partial(authorize, call, _CONTEXT))
        theirs = _cost(partial(verifier.verify, token))
        cpu.append(ours[0] / theirs[0])
        clock.append(ours[1] / theirs[1])
    return statistics.median(cpu), statistics.median(clock)


def _cost(decide: Callable[[], object]) -> tuple[float, float]:
    """The CPU time and the time of some decisions, in seconds."""
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(_DECISIONS):
        decide()
    return time.process_time() - cpu, time.perf_counter() - clock


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.verification")
    parser.add_argument("--seconds", default="20", help="how long an access token lives")
    parser.add_argument("--logouts", default=50, type=int)
    options = parser.parse_args(arguments)
    if options.logouts < 1:
        parser.error("--logouts: at least one")
    os.environ["ACCOUNTS_ACCESS_TOKEN_SECONDS"] = options.seconds
    try:
        with tempfile.TemporaryDirectory(prefix="accounts-verification-") as folder:
            print(measure(Path(folder), options.logouts).table(), end="")
    except (RehearsalError, LocalError) as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
