"""What the functions take of memory, from the package that is deployed, beside a null function."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from subprocess import PIPE
from typing import Any

from bench.events import proxy_event, token_event
from bench.packages import our_package
from bench.results import keep
from bench.stages import BenchError, api, local_stage
from bench.tables import Row
from infra.local.loopback import HOST

MOST_MB = 50.0

_TURNS = 5
_SECONDS = 60.0
_KILOBYTES_IN_MB = 1_024
_NULL = "def handler(event, context):\n    return {}\n"
_PERSON = {
    "email": "somebody@example.com",
    "username": "Somebody",
    "password": "correct horse battery staple",
}


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    task: Path
    handler: str
    event: Mapping[str, Any]
    answered: str
    """What is in its answer, as JSON, if it did what it should."""


def run(times: int) -> bool:
    """Measure and print; whether both functions are within the target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task, null = our_package(folder), folder / "null"
        null.mkdir()
        (null / "null_function.py").write_text(_NULL, encoding="ascii")
        (folder / "cloud").mkdir()
        with local_stage(folder / "cloud", {}):
            functions = _functions(task, null)
            turns = [
                {function.name: _measure(function) for function in functions}
                for _ in range(_TURNS * times)
            ]
    return judge(turns)


def _functions(task: Path, null: Path) -> list[_Function]:
    """What is asked: the authorizer by its token; the API function for a user and for a login."""
    token, context = _register(task)
    login = json.dumps({name: _PERSON[name] for name in ("email", "password")})
    return [
        _Function("a null function", null, "null_function.handler", {}, "{}"),
        _Function(
            "the authorizer", task, "chalicelib.authorizer.authorize", token_event(token), "Allow"
        ),
        _Function(
            "the API function, GET /user/{public_id}",
            task,
            "app.app",
            proxy_event(
                "GET",
                "/user/me",
                resource="/user/{public_id}",
                parameters={"public_id": "me"},
                context=context,
            ),
            '"statusCode": 200',
        ),
        _Function(
            "the API function, POST /auth/login",
            task,
            "app.app",
            proxy_event("POST", "/auth/login", body=login),
            '"statusCode": 200',
        ),
    ]


def _register(task: Path) -> tuple[str, dict[str, str]]:
    """Have somebody register; their token, and what the authorizer says of them."""
    with api(courier=False) as port:
        connection = http.client.HTTPConnection(HOST, port, timeout=_SECONDS)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/user", json.dumps(_PERSON), headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.CREATED:
                raise BenchError(f"nobody could register: {answer.status}")
            token: str = json.load(answer)["Authorization"]
        finally:
            connection.close()
    asking = _Function(
        "the authorizer", task, "chalicelib.authorizer.authorize", token_event(token), "Allow"
    )
    context: dict[str, str] = _call(asking)["answer"]["context"]
    return token, context


def _measure(function: _Function) -> tuple[float, float]:
    """Start it and have it answer; the megabytes after that, and the most."""
    called = _call(function)
    return called["now"] / _KILOBYTES_IN_MB, called["most"] / _KILOBYTES_IN_MB


def _call(function: _Function) -> dict[str, Any]:
    script = Path(__file__).with_name("remembering.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(script), str(function.task), function.handler],
        input=json.dumps(function.event),
        cwd=function.task,
        env=os.environ,
        stdout=PIPE,
        timeout=_SECONDS,
        check=False,
        text=True,
    )
    if done.returncode:
        raise BenchError(f"{function.name} could not be measured")
    called: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if function.answered not in json.dumps(called["answer"]):
        raise BenchError(f"{function.name} did not answer as it should")
    return called


def judge(turns: list[dict[str, tuple[float, float]]]) -> bool:
    """Print the medians of megabytes, and keep them; whether all are within the target."""
    print(f"\nMemory of a process after its first request\n{'':44}{'MB':>8}{'at most':>10}")
    good, rows = True, []
    for name in turns[0]:
        after = [turn[name][0] for turn in turns]
        most = median(turn[name][1] for turn in turns)
        line = f"{name:44}{median(after):8.1f}{most:10.1f}"
        if "null" not in name:
            within = median(after) <= MOST_MB
            good &= within
            line += f"   target {MOST_MB:.0f}  {'met' if within else 'MISSED'}"
        print(line)
        rows.append(Row(name, after))
    keep("memory", "Memory after the first request, MB", rows)
    return good
