"""What each function may do is what it does: .chalice/policy-*.json, held to every operation.

Every operation of the API is visited, the keys are rotated once, and every errand is done. Each
call to AWS on the way is put down to the function that made it. A call without a grant would be
refused on AWS; a grant without a call is too much.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest

from app import app
from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.couriers import REDELIVERY_MINUTES, deliver_mail, redeliver_mail
from chalicelib.domain.activity import Act, Event
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.domain.names import EmailAddress
from chalicelib.domain.outbox import Errand
from chalicelib.domain.trails import Trail
from chalicelib.keys.parameters import Parameter
from chalicelib.schedules import rotate_keys
from chalicelib.services.key_rotation import KEPT, NOTICE
from chalicelib.settings import Settings
from infra.deployment.policies import fill_in, policy_file
from infra.deployment.trimming import BOTOCORE_OPERATIONS
from tests.api.client import Client, a_registration
from tests.api.gateway import Gateway
from tests.api.test_couriers import keep
from tests.aws import STAGE, Call, Cloud, Wire, wire
from tests.fakes import FakeClock
from tests.samples import (
    AN_HOUR_PASSED,
    CLIENT,
    PASSWORD,
    LambdaContext,
    a_message,
    claims_of,
    inserted,
)

_CHALICE = Path(__file__).parents[2] / ".chalice"
_FUNCTIONS = ("api_handler", "authorize", "rotate_keys", "deliver_mail", "redeliver_mail")
_COURIERS = ("deliver_mail", "redeliver_mail")
_PLACE = "us-east-1:123456789012"
_NAMES = {"Partition": "aws", "Region": "us-east-1", "Account": "123456789012", "Stage": STAGE}
_BY_LAMBDA_ITSELF = {
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}
"""Lambda writes what a function prints, and reads its stream, with the function's role."""
_SENDER = "accounts@localhost.localdomain"

Grant = tuple[str, str]
"""An action, and the resource that it is for."""


def _granted(function: str) -> Iterator[Grant]:
    policy = fill_in((_CHALICE / policy_file(function)).read_text("utf-8"), _NAMES)
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield action, resource


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _covers(grant: Grant, needed: Grant) -> bool:
    """As IAM matches: an action in full, a resource with its wildcards."""
    pattern = re.escape(grant[1]).replace(r"\*", ".*").replace(r"\?", ".")
    return grant[0] == needed[0] and re.fullmatch(pattern, needed[1]) is not None


def _needed(call: Call) -> Iterator[Grant]:
    """What a call needs: IAM asks for the parts of a transaction, and for each table of a batch."""
    service, _, operation = call.operation.partition(".")
    if service == "ssm":
        name = call.body.get("Path") or call.body["Name"]
        yield f"ssm:{operation}", f"arn:aws:ssm:{_PLACE}:parameter{name}"
        return
    if service == "sesv2":
        yield f"ses:{operation}", f"arn:aws:ses:{_PLACE}:identity/{_SENDER}"
        return
    assert service == "dynamodb", call.operation
    match operation:
        case "BatchGetItem" | "BatchWriteItem":
            for table in call.body["RequestItems"]:
                yield f"dynamodb:{operation}", _table(table)
        case "TransactWriteItems" | "TransactGetItems":
            for item in call.body["TransactItems"]:
                ((part, fields),) = item.items()
                yield f"dynamodb:{part}Item", _table(fields["TableName"])
        case _:
            index = call.body.get("IndexName")
            table = _table(call.body["TableName"])
            yield f"dynamodb:{operation}", f"{table}/index/{index}" if index else table


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{_PLACE}:table/{name}"


class _Account:
    """The functions, each in a process of its own, and what each asked of AWS."""

    def __init__(self, stage: Settings, clock: FakeClock, wire: Wire) -> None:
        self._clock = clock
        self._wire = wire
        self._asks = Gateway._ask  # noqa: SLF001 - between the two functions
        self.calls: dict[str, list[Call]] = {function: [] for function in _FUNCTIONS}
        self.start_anew(stage)

    def start_anew(self, stage: Settings) -> None:
        """New processes, which have read nothing yet."""
        self._processes = {function: Container(stage, self._clock) for function in _FUNCTIONS}
        use(self._processes["api_handler"])

    def ask(self, gateway: Gateway, *request: Any) -> dict[str, str]:
        """The authorizer's turn."""
        self._put_down("api_handler")
        use(self._processes["authorize"])
        try:
            return self._asks(gateway, *request)
        finally:
            self._put_down("authorize")
            use(self._processes["api_handler"])

    def rotate_keys(self) -> None:
        """The scheduled function's turn, as often as a rotation has steps."""
        self._put_down("api_handler")
        use(self._processes["rotate_keys"])
        for wait in (timedelta(days=1), NOTICE, KEPT):
            self._clock.now += wait
            rotate_keys(AN_HOUR_PASSED, LambdaContext())
        self._put_down("rotate_keys")

    def deliver(self, courier: str, trail: Trail) -> None:
        """The turn of a function that delivers, with messages of its own."""
        keep(use(self._processes["api_handler"]), trail)
        self._put_down("api_handler")
        use(self._processes[courier])
        if courier == "deliver_mail":
            found = inserted(*(message.message_id for message in trail.messages))
            deliver_mail(found, LambdaContext())
        else:
            self._clock.step(minutes=REDELIVERY_MINUTES)
            redeliver_mail(AN_HOUR_PASSED, LambdaContext())
        self._put_down(courier)

    def finish(self) -> dict[str, list[Call]]:
        self._put_down("api_handler")
        return self.calls

    def _put_down(self, function: str) -> None:
        self.calls[function] += self._wire.calls
        self._wire.calls.clear()


def _log_in(client: Client) -> str:
    answer = client.post("/auth/login", {"email": "user-1@example.com", "password": PASSWORD})
    return str(answer.json()["Authorization"])


def _another(client: Client, number: int) -> str:
    return str(claims_of(client.register(number))["sub"])


def _mailed(client: Client, number: int, purpose: Purpose) -> str:
    """A token that was mailed to a new user, who is as it asks for."""
    access = client.register(number)
    email, wanted = f"user-{number}@example.com", f"new-{number}@example.com"
    if purpose in (Purpose.CONFIRM, Purpose.UNDO):
        wish = {"email": wanted, "current_password": PASSWORD}
        client.patch("/user/me", wish, token=access)
    if purpose is Purpose.UNDO:
        confirm = client.mailed(access, Purpose.CONFIRM, wanted)
        client.post("/auth/email/verify", {"token": confirm})
    return client.mailed(access, purpose, wanted if purpose is Purpose.CONFIRM else email)


def _submit(client: Client, page: str, **fields: str) -> object:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.post(page, body=urlencode(fields), headers=kind)


# Each operation, with what makes it do all that it ever asks of AWS.
VISITS: dict[tuple[str, str], Callable[[Client, str], object]] = {
    ("POST", "/user"): lambda client, _: client.post("/user", a_registration(2)),
    ("GET", "/user"): lambda client, token: [
        client.get(f"/user{query}", token=token)
        for query in ("?limit=1", "?email=user-1@example.com", "?username=User%201")
    ],
    ("GET", "/user/{public_id}"): lambda client, token: [
        client.get(f"/user/{public_id}", token=token)
        for public_id in ("me", "00000000-0000-4000-8000-000000000000")
    ],
    ("POST", "/auth/login"): lambda client, _: (
        [
            client.post("/auth/login", {**name, "password": PASSWORD})
            for name in ({"email": "user-1@example.com"}, {"username": "User 1"})
        ]
        + [
            client.register(11),
            client.post(
                "/auth/login",
                {
                    "email": "user-11@example.com",
                    "password": PASSWORD,
                    "new_password": "another horse",
                },
            ),
        ]
    ),
    ("PATCH", "/user/{public_id}"): lambda client, token: [
        client.patch(f"/user/{public_id}", rights, token=token)
        for public_id, rights in (
            (_another(client, 3), {"admin": True}),
            (_another(client, 4), {"disabled": True}),
            (_another(client, 10), {"username": "Zoë", "metadata": {"a": 1}}),
            ("me", {"admin": False}),
        )
    ],
    ("GET", "/user/{public_id}/activity"): lambda client, token: [
        client.get(f"/user/{public_id}/activity", token=token)
        for public_id in ("me", "00000000-0000-4000-8000-000000000000")
    ],
    ("GET", "/user/{public_id}/export"): lambda client, token: client.get(
        "/user/me/export", token=token
    ),
    ("DELETE", "/user/{public_id}"): lambda client, token: [
        client.delete(f"/user/{_another(client, 5)}", token=token),
        client.delete("/user/me", {"current_password": PASSWORD}, token=client.register(6)),
    ],
    ("DELETE", "/user/{public_id}/sessions"): lambda client, token: client.delete(
        f"/user/{_another(client, 7)}/sessions", token=token
    ),
    ("POST", "/auth/refresh"): lambda client, _: client.post(
        "/auth/refresh", {"refresh_token": client.log_in()["refresh_token"]}
    ),
    ("GET", "/auth/sessions"): lambda client, token: client.get("/auth/sessions", token=token),
    ("DELETE", "/auth/sessions"): lambda client, _: client.delete(
        "/auth/sessions", token=client.register(8)
    ),
    ("DELETE", "/auth/sessions/{session_id}"): lambda client, token: client.delete(
        f"/auth/sessions/{client.log_in()['session_id']}", token=token
    ),
    ("POST", "/auth/password/change"): lambda client, _: client.post(
        "/auth/password/change",
        {"current_password": PASSWORD, "new_password": "another horse"},
        token=client.register(9),
    ),
    ("POST", "/auth/password/forgot"): lambda client, _: client.post(
        "/auth/password/forgot", {"email": "user-1@example.com"}
    ),
    ("POST", "/auth/password/reset"): lambda client, _: client.post(
        "/auth/password/reset",
        {"token": _mailed(client, 110, Purpose.RESET), "new_password": "another horse"},
    ),
    ("POST", "/auth/email/resend"): lambda client, _: client.post(
        "/auth/email/resend", {"email": "user-1@example.com"}
    ),
    ("POST", "/auth/email/verify"): lambda client, _: [
        client.post("/auth/email/verify", {"token": _mailed(client, 111, Purpose.VERIFY)}),
        client.post("/auth/email/verify", {"token": _mailed(client, 112, Purpose.CONFIRM)}),
        client.post("/auth/email/verify", {"token": "nonsense"}),
    ],
    ("POST", "/auth/email/undo"): lambda client, _: client.post(
        "/auth/email/undo", {"token": _mailed(client, 113, Purpose.UNDO)}
    ),
    ("GET", "/email/verify"): lambda client, _: client.get("/email/verify"),
    ("POST", "/email/verify"): lambda client, _: _submit(
        client, "/email/verify", token=_mailed(client, 114, Purpose.VERIFY)
    ),
    ("GET", "/email/confirm"): lambda client, _: client.get("/email/confirm"),
    ("POST", "/email/confirm"): lambda client, _: _submit(
        client, "/email/confirm", token=_mailed(client, 115, Purpose.CONFIRM)
    ),
    ("GET", "/email/undo"): lambda client, _: client.get("/email/undo"),
    ("POST", "/email/undo"): lambda client, _: _submit(
        client, "/email/undo", token=_mailed(client, 116, Purpose.UNDO)
    ),
    ("GET", "/password/reset"): lambda client, _: client.get("/password/reset"),
    ("POST", "/password/reset"): lambda client, _: _submit(
        client,
        "/password/reset",
        token=_mailed(client, 117, Purpose.RESET),
        new_password="another horse",
    ),
    ("POST", "/auth/logout"): lambda client, _: client.post("/auth/logout", token=_log_in(client)),
    ("GET", "/"): lambda client, _: client.get("/"),
    ("GET", "/docs/{name}"): lambda client, _: client.get("/docs/page.js"),
    ("GET", "/openapi.json"): lambda client, _: client.get("/openapi.json"),
    ("GET", "/.well-known/jwks.json"): lambda client, _: client.get("/.well-known/jwks.json"),
    ("GET", "/.well-known/openid-configuration"): lambda client, _: client.get(
        "/.well-known/openid-configuration"
    ),
    ("GET", "/health"): lambda client, _: client.get("/health"),
}


def _every_errand(now: datetime, client: Client, number: int) -> Trail:
    """An errand of every kind, for somebody of whom there is something to forget."""
    public_id = claims_of(client.register(number))["sub"]
    key = EmailAddress.parse(f"user-{number}@example.com").key
    lasts: dict[str, Any] = {"created_at": now, "expires_at": now + timedelta(days=1)}
    errands = (
        a_message(number * 100 + place, errand, public_id=public_id, **lasts)
        for place, errand in enumerate(Errand)
    )
    by_key = a_message(number, Errand.RESET_PASSWORD, email_key=key, **lasts)
    event = Event(
        public_id=public_id,
        event_id=str(number),
        act=Act.REGISTERED,
        at=now,
        expires_at=now + timedelta(days=1),
        client=CLIENT,
    )
    return Trail(events=(event,), messages=(by_key, *errands))


@pytest.fixture(scope="module")
def _sender(_aws: Cloud) -> Iterator[None]:
    mails: Any = boto3.client("sesv2")
    mails.create_email_identity(EmailIdentity=_SENDER)
    yield
    mails.delete_email_identity(EmailIdentity=_SENDER)


@pytest.fixture(scope="module")
def _same_keys_afterwards(
    _aws: Cloud, key_parameters: tuple[Parameter, Parameter]
) -> Iterator[None]:
    yield
    root = f"/accounts/{STAGE}"
    for found in _aws.ssm.get_parameters_by_path(Path=root, Recursive=True)["Parameters"]:
        _aws.ssm.delete_parameter(Name=found["Name"])
    for parameter in key_parameters:
        _aws.put(parameter)


@pytest.fixture(scope="module")
def called(
    _same_keys_afterwards: None, _sender: None, _aws: Cloud, stage: Settings
) -> dict[str, list[Call]]:
    """What each function calls, all operations visited and the keys rotated once.

    Looked at once for all tests: it is some seconds' work, and they change nothing.
    """
    clock = FakeClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition, "_current", None)
        _aws.clear()
        account = _Account(stage, clock, wire)
        client = Client(_aws)
        token = client.register_admin(1)
        wire.reset()

        def ask(gateway: Gateway, *request: Any) -> dict[str, str]:
            return account.ask(gateway, *request)

        patch.setattr(Gateway, "_ask", ask)
        for visit in VISITS.values():
            # A first visit, by processes that have read no keys yet.
            account.start_anew(stage)
            visit(client, token)
        # A stronger hash, and every login writes it anew; few slots, and every login ends a
        # session.
        cost, most = stage.bcrypt_cost + 1, 1
        account.start_anew(dataclasses.replace(stage, bcrypt_cost=cost, sessions_per_user=most))
        _log_in(client)
        account.start_anew(dataclasses.replace(stage, key_rotation_days=1))
        account.rotate_keys()
        account.start_anew(stage)
        for number, courier in enumerate(_COURIERS, start=20):
            account.deliver(courier, _every_errand(clock(), client, number))
        found = account.finish()
    _aws.clear()
    wire.reset()
    return found


@pytest.fixture(scope="module")
def needed(called: dict[str, list[Call]]) -> dict[str, set[Grant]]:
    """The rights that this takes."""
    return {
        function: {grant for call in calls for grant in _needed(call)}
        for function, calls in called.items()
    }


def test_every_operation_is_visited() -> None:
    operations = {
        (method, path)
        for path, methods in app.routes.items()
        for method in methods
        if method not in {"HEAD", "OPTIONS"}  # the first does as GET does, the second asks nobody
    }
    assert operations == VISITS.keys()


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_a_function_may_do_all_that_it_does(needed: dict[str, set[Grant]], function: str) -> None:
    granted = list(_granted(function))
    refused = {call for call in needed[function] if not any(_covers(g, call) for g in granted)}
    assert not refused


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_a_function_may_do_nothing_that_it_does_not(
    needed: dict[str, set[Grant]], function: str
) -> None:
    unused = {
        grant
        for grant in _granted(function)
        if grant[0] not in _BY_LAMBDA_ITSELF
        and not any(_covers(grant, call) for call in needed[function])
    }
    assert not unused


def test_the_authorizer_reads_two_tables_and_the_public_keys_and_nothing_else() -> None:
    users, revoked = _table(f"accounts-{STAGE}-users"), _table(f"accounts-{STAGE}-revoked-tokens")
    assert {grant for grant in _granted("authorize") if grant[0] not in _BY_LAMBDA_ITSELF} == {
        ("dynamodb:BatchGetItem", users),
        ("dynamodb:BatchGetItem", revoked),
        (
            "ssm:GetParametersByPath",
            f"arn:aws:ssm:{_PLACE}:parameter/accounts/{STAGE}/public-keys*",
        ),
    }


def test_what_rotates_keys_can_neither_read_a_private_key_nor_touch_a_table() -> None:
    actions = {action for action, _ in _granted("rotate_keys")} - _BY_LAMBDA_ITSELF
    assert actions == {"ssm:DeleteParameter", "ssm:GetParametersByPath", "ssm:PutParameter"}
    readable = {res for action, res in _granted("rotate_keys") if "Get" in action}
    assert not any("private-keys" in resource for resource in readable)


def test_every_function_has_a_policy_that_is_held_to_this() -> None:
    configuration = json.loads((_CHALICE / "config.json").read_bytes())
    assert configuration["autogen_policy"] is False
    assert {
        function: configured["iam_policy_file"]
        for function, configured in configuration["lambda_functions"].items()
    } == {function: policy_file(function) for function in _FUNCTIONS}


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_lambda_itself_is_let_into_the_functions_own_log_and_stream_alone(function: str) -> None:
    name = f"accounts-{STAGE}" if function == "api_handler" else f"accounts-{STAGE}-{function}"
    log = f"arn:aws:logs:{_PLACE}:log-group:/aws/lambda/{name}:log-stream:*"
    stream = f"{_table(f'accounts-{STAGE}-outbox')}/stream/*"
    actions = sorted(_BY_LAMBDA_ITSELF)
    own = {(action, log) for action in actions if action.startswith("logs:")}
    if function == "deliver_mail":
        own |= {(action, stream) for action in actions if action.startswith("dynamodb:")}
    assert {grant for grant in _granted(function) if grant[0] in _BY_LAMBDA_ITSELF} == own


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_nobody_may_scan_or_do_anything_to_everything(function: str) -> None:
    for action, resource in _granted(function):
        assert "*" not in action
        # What is left in the outbox is found by looking through it.
        if resource != _table(f"accounts-{STAGE}-outbox") or function != "redeliver_mail":
            assert action not in {"dynamodb:Scan", "dynamodb:PartiQLSelect"}
        assert resource.startswith("arn:")
        # A sender, in a domain of any name, is shared by the stages of an account.
        assert STAGE in resource or action == "ses:SendEmail"
        # A wildcard stands at the end, for the keys and log streams that are yet to be made.
        assert "*" not in resource[:-1]
        known = (
            *("/private-keys/*", "/public-keys*", "/public-keys/*", ":log-stream:*"),
            *(":identity/*", f"-{STAGE}-outbox/stream/*"),
        )
        assert _is_of(known, resource)


def _is_of(wildcards: Iterable[str], resource: str) -> bool:
    return not resource.endswith("*") or resource.endswith(tuple(wildcards))


def test_the_package_describes_what_is_called_and_nothing_else(
    called: dict[str, list[Call]],
) -> None:
    described = {
        f"{service}.{operation}"
        for service, operations in BOTOCORE_OPERATIONS.items()
        for operation in operations
    }
    assert {call.operation for calls in called.values() for call in calls} == described
