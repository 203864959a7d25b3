"""What a function's first answer costs: `make bench ONLY=cold`.

See docs/benchmarks.md for what is compared, and how.
"""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bench.events import proxy_event, token_event
from bench.packages import INTERPRETER, compiled, our_package, package_of_chalice, peer_package
from bench.processes import tree_cpu_seconds
from bench.results import keep
from bench.runtime_api import RuntimeApi
from bench.stages import BenchError, api, local_stage
from bench.tables import Row, print_table
from chalicelib import settings
from infra.local.loopback import HOST

AUTHORIZER_TARGET = 5.0
API_TARGET = 6.0

VARIABLES = {"ACCOUNTS_BCRYPT_COST": "4", "ACCOUNTS_ACCESS_TOKEN_SECONDS": "3600"}
"""Of the stage. No password is hashed in what is measured."""

_TURNS = 7
_WARM_UP = 1
_ANSWER_SECONDS = 60.0
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_PASSWORD = "correct horse battery staple"  # noqa: S105 - of an account that is gone in minutes
_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks for the first answers."""

    public_id: str
    access_token: str
    refresh_tokens: list[str]
    """The last is good. Each refresh adds one."""
    context: dict[str, str] = field(default_factory=dict)
    """What our authorizer has said of them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A function, and its first request."""

    name: str
    contents: Path
    handler: str
    event: Callable[[Person], Mapping[str, Any]]
    accept: Callable[[Any, Person], bool]
    """Whether an answer is the one to that request."""
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What a first answer has cost, in milliseconds."""

    cpu: float
    wall: float


def run(times: int) -> bool:
    """Measure so many times as often as usual, and print the tables; whether the targets are met.

    Raises:
        BenchError: a function did not answer, or answered something else.
        DeploymentError: our package cannot be built.
        LocalError: the local cloud does not start.
    """
    random = Random()  # noqa: S311 - it orders samples
    with tempfile.TemporaryDirectory(prefix="accounts-bench-") as name:
        folder = Path(name)
        runtime, subjects = _prepare(folder)
        with local_stage(folder / "cloud", VARIABLES), RuntimeApi[Sample]() as lambda_side:
            with api(courier=False) as port:
                person, public_key = _register(port)
            environment = _environment(lambda_side, public_key)
            samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
            order = list(subjects)
            for turn in range(-_WARM_UP, _TURNS * times):
                if turn >= 0:  # at first in order: the authorizer's answer is what the API needs
                    random.shuffle(order)
                for subject in order:
                    sample = _start(subject, runtime, environment, lambda_side, person)
                    if turn >= 0:
                        samples[subject.name].append(sample)
    return _report(subjects, samples)


def _prepare(folder: Path) -> tuple[Path, list[Subject]]:
    """Gather the runtime client, and all subjects; the floor is the first of them."""
    with ThreadPoolExecutor(1) as executor:
        made = executor.submit(package_of_chalice, folder)
        ours = our_package(folder)
        runtime = compiled(peer_package(folder, "runtime", "awslambdaric"))
        null = compiled(peer_package(folder, "null_function"))
        aws = ("boto3", "pyjwt[crypto]")
        powertools = peer_package(folder, "powertools_function", "aws-lambda-powertools", *aws)
        fastapi = peer_package(folder, "fastapi_function", "fastapi", "mangum", *aws)
        chalice = made.result()
    return runtime, [
        Subject("null function", null, "null_function.handler", _nothing, _is_nothing),
        *_our_subjects("", ours, AUTHORIZER_TARGET, API_TARGET),
        *_our_subjects(", as Chalice packages it", chalice),
        *_peer_subjects("Powertools", powertools),
        *_peer_subjects("FastAPI and Mangum", fastapi),
    ]


def _our_subjects(
    suffix: str, contents: Path, authorizer: float | None = None, api: float | None = None
) -> list[Subject]:
    return [
        Subject(
            f"authorizer{suffix}",
            contents,
            "chalicelib.authorizer.authorize",
            lambda person: token_event(person.access_token),
            _is_allow,
            authorizer,
        ),
        Subject(f"API, GET /user/me{suffix}", contents, "app.app", _own_get, _is_person, api),
        Subject(f"API, refresh{suffix}", contents, "app.app", _refresh, _is_token_set),
    ]


def _peer_subjects(name: str, contents: Path) -> list[Subject]:
    handler = f"{contents.name}.handler"
    return [
        Subject(f"{name}, GET /user/me", contents, handler, _peer_get, _is_person),
        Subject(f"{name}, compiled", compiled(contents), handler, _peer_get, _is_person),
    ]


def _register(port: int) -> tuple[Person, str]:
    """Open an account; its owner, and the key that its tokens are signed with."""
    account = {"email": "zoe@example.com", "username": "zoe", "password": _PASSWORD}
    given = _fetch(port, "POST", "/user", json.dumps(account))
    token = given["Authorization"]
    (key,) = _fetch(port, "GET", "/.well-known/jwks.json")["keys"]
    owner = _fetch(port, "GET", "/user/me", token=token)["public_id"]
    return Person(owner, token, [given["refresh_token"]]), json.dumps(key)


def _fetch(port: int, method: str, path: str, body: str = "", token: str = "") -> Any:
    headers = {"Content-Type": "application/json"} if body else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        return json.loads(connection.getresponse().read())


def _environment(lambda_side: RuntimeApi[Sample], public_key: str) -> dict[str, str]:
    """What Lambda and a stage's configuration have in a function's environment."""
    stage = settings.load()
    kept = ("ACCOUNTS_", "AWS_", "NO_PROXY", "no_proxy", "PATH")
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(kept)},
        "AWS_LAMBDA_RUNTIME_API": lambda_side.address,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_REGION": "us-east-1",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # The peers'
        "AUDIENCE": stage.audience,
        "ISSUER": stage.issuer,
        "PUBLIC_KEY": public_key,
        "USERS_TABLE": stage.users_table,
    }


def _start(
    subject: Subject,
    runtime: Path,
    environment: Mapping[str, str],
    lambda_side: RuntimeApi[Sample],
    person: Person,
) -> Sample:
    """Start a process, have it answer once, and end it before it does anything more."""
    event = subject.event(person)
    command = [str(INTERPRETER), "-I", "-S", "-B", str(_BOOTSTRAP)]
    begin = time.perf_counter()
    with subprocess.Popen(
        [*command, str(subject.contents), str(runtime), subject.handler],
        cwd=subject.contents,
        env={**environment, "LAMBDA_TASK_ROOT": str(subject.contents)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:

            def observe() -> Sample:
                seen = Sample(
                    tree_cpu_seconds(process.pid) * _MILLISECONDS,
                    (time.perf_counter() - begin) * _MILLISECONDS,
                )
                process.kill()
                return seen

            lambda_side.offer(event, observe)
            outcome = lambda_side.outcome(_ANSWER_SECONDS)
        finally:
            process.kill()
    if outcome.fault or not subject.accept(outcome.content, person):
        raise BenchError(f"{subject.name}: not the answer that was expected: {outcome.content}")
    return outcome.seen


def _nothing(_person: Person) -> dict[str, Any]:
    return {}


def _own_get(person: Person) -> dict[str, Any]:
    parameters = {"public_id": "me"}
    return proxy_event(
        "GET",
        "/user/me",
        resource="/user/{public_id}",
        parameters=parameters,
        context=person.context,
    )


def _peer_get(person: Person) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    return proxy_event("GET", "/user/me", headers=headers)


def _refresh(person: Person) -> dict[str, Any]:
    body = json.dumps({"refresh_token": person.refresh_tokens[-1]})
    return proxy_event("POST", "/auth/refresh", body=body)


def _is_nothing(content: Any, _person: Person) -> bool:
    return bool(content == {})


def _is_allow(content: Any, person: Person) -> bool:
    person.context.update(content.get("context", {}))
    return bool(content["principalId"] == person.public_id)


def _is_person(content: Any, person: Person) -> bool:
    return bool(
        content["statusCode"] == 200  # noqa: PLR2004 - OK
        and json.loads(content["body"])["public_id"] == person.public_id
    )


def _is_token_set(content: Any, person: Person) -> bool:
    token = json.loads(content["body"]).get("refresh_token")
    person.refresh_tokens.append(token)
    return bool(token)


def _report(subjects: Sequence[Subject], samples: Mapping[str, Sequence[Sample]]) -> bool:
    cpu = [
        Row(subject.name, [sample.cpu for sample in samples[subject.name]], subject.target)
        for subject in subjects
    ]
    wall = [
        Row(subject.name, [sample.wall for sample in samples[subject.name]]) for subject in subjects
    ]
    title = "Cold, from start to first answer: CPU time"
    fine = print_table(title, "ms", cpu, cpu[0])
    keep("cold", title, cpu)
    print_table("Cold, from start to first answer: time on the wall", "ms", wall, wall[0])
    return fine
