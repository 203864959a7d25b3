"""The authorizer as Lambda calls it."""

import json
import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

import app
from chalicelib.authorizer import authorize
from chalicelib.container import Container, use
from chalicelib.domain.times import system_clock
from chalicelib.keys.parameters import Parameter
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenIssuer
from chalicelib.settings import Settings
from chalicelib.telemetry import JsonFormatter
from tests.api.client import Client
from tests.api.gateway import Gateway
from tests.aws import STAGE, Cloud, Wire
from tests.fakes import FakeClock, FakeIds, FakeKeySource
from tests.samples import LambdaContext, a_session, a_user, claims_of

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/api/GET/user/me"


_TELL = """
import json
from app import app
from chalice.deploy.swagger import CFNSwaggerGenerator
swagger = CFNSwaggerGenerator().generate_swagger(app)
print(json.dumps(swagger["securityDefinitions"]))
"""


def _decide(authorization: object) -> Any:
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN}
    return json.loads(json.dumps(authorize(event, LambdaContext())))


def test_no_decision_is_kept() -> None:
    assert authorize.config.ttl_seconds == 0
    assert app.app.routes["/user"]["GET"].authorizer is authorize


@pytest.mark.parametrize("seconds", [0, 60])
def test_api_gateway_is_told_for_how_long_a_decision_may_be_kept(seconds: int) -> None:
    """As Chalice tells it: from the app, imported anew in the stage's environment."""
    told = subprocess.run(
        [sys.executable, "-c", _TELL],
        cwd=ROOT,
        env={
            "ACCOUNTS_AUTHORIZER_CACHE_SECONDS": str(seconds),
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        check=True,
        text=True,
    )
    (definition,) = json.loads(told.stdout).values()
    assert definition["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"] == seconds


def test_a_good_token_is_let_in_everywhere_with_the_callers_facts(client: Client) -> None:
    token = client.register(username="Zoë")
    decision = _decide(f"Bearer {token}")
    assert decision["principalId"] == claims_of(token)["sub"]
    (statement,) = decision["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == [
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/api/*/*"
    ]
    context = decision["context"]
    assert all(type(value) is str and value.isascii() for value in context.values())
    assert json.loads(context["username"]) == "Zoë"
    assert token not in json.dumps(decision)


GARBAGE = [
    "",
    " ",
    "Bearer",
    "nonsense",
    "Bearer a.b.c",
    "é",
    "\ud800",
    "\x00",
    "." * 9_000,
    "[" * 9_000,
]


@pytest.mark.parametrize("authorization", GARBAGE)
def test_whatever_else_is_sent_is_denied(client: Client, authorization: str) -> None:
    decision = _decide(authorization)
    (statement,) = decision["policyDocument"]["Statement"]
    assert statement["Resource"] == []
    assert decision["context"] == {}
    del client


@pytest.mark.parametrize("authorization", [None, 5, ["x"], {"a": "b"}, True])
def test_what_is_not_even_text_lets_nobody_in(client: Client, authorization: object) -> None:
    assert "policyDocument" not in _decide(authorization)
    del client


@pytest.mark.parametrize("change", [{"disabled": {"BOOL": True}}, {"token_version": {"N": "2"}}])
def test_a_user_who_may_no_longer_is_denied(
    client: Client, cloud: Cloud, change: dict[str, Any]
) -> None:
    token = client.register()
    cloud.change(claims_of(token)["sub"], **change)
    assert _decide(token)["policyDocument"]["Statement"][0]["Resource"] == []


def test_a_store_that_is_down_lets_nobody_in_and_blames_no_token(
    client: Client, wire: Wire
) -> None:
    token = client.register()
    wire.raise_for("dynamodb.", ReadTimeoutError(endpoint_url="https://example.com"))
    assert _decide(token) == {"principalId": "nobody"}


def test_a_row_that_cannot_be_read_lets_nobody_in(client: Client, cloud: Cloud) -> None:
    token = client.register()
    cloud.change(claims_of(token)["sub"], registered_on={"S": "yesterday"})
    assert _decide(token) == {"principalId": "nobody"}


@pytest.mark.parametrize(
    "broken",
    [{"admin": "perhaps"}, {"registered_on": "5"}, {"registered_on": '"yesterday"'}, {}],
    ids=["no JSON", "no text", "no moment", "nothing"],
)
def test_a_caller_who_cannot_be_read_is_nobody(
    client: Client, monkeypatch: pytest.MonkeyPatch, broken: dict[str, str]
) -> None:
    token = client.register()
    context = _decide(f"Bearer {token}")["context"]
    caller = context | broken if broken else {"principalId": "somebody"}
    monkeypatch.setattr(Gateway, "_ask", lambda *_: caller)
    answer = client.get("/user/me", token=token)
    assert (answer.status, answer.refused_by_gateway) == (503, False)


def test_keys_that_are_down_let_nobody_in(
    client: Client, stage: Settings, clock: FakeClock, wire: Wire
) -> None:
    token = client.register()
    use(Container(stage, clock))
    wire.refuse("ssm.", "ThrottlingException")
    assert _decide(token) == {"principalId": "nobody"}


def test_a_stage_that_may_not_start_lets_nobody_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = client.register()
    monkeypatch.setattr("chalicelib.container._current", None)
    monkeypatch.setenv("ACCOUNTS_STAGE", "prod")
    assert _decide(token) == {"principalId": "nobody"}


def test_no_token_is_ever_logged(
    client: Client, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = client.register()
    client.post("/auth/login", {"email": "user-1@example.com", "password": "s3cret-s3cret"})
    _decide(token)
    for authorization in GARBAGE:
        _decide(authorization)
    client.get("/user/me", token=token)
    client.post("/auth/logout", token=token)
    client.post("/auth/logout", token=token + "A")
    wire.raise_for("dynamodb.", ReadTimeoutError(endpoint_url="https://example.com"))
    _decide(token)
    client.post("/auth/logout", token=token)
    formatter = JsonFormatter()
    ours = [entry for entry in caplog.records if entry.name.startswith(("chalicelib", "accounts"))]
    assert len(ours) > len(GARBAGE)
    logged = caplog.text + "\n".join(map(formatter.format, caplog.records))
    for part in token.split("."):
        assert part not in logged
    assert "s3cret" not in logged
    assert "user-1@example.com" not in "\n".join(map(formatter.format, ours))


# Run by an interpreter of its own: stands in for Lambda, Parameter Store and DynamoDB.
_COLD_START = """
import json, os, sys

given = json.load(sys.stdin)
sys.path[:0] = given["path"]
os.environ.update(given["environment"])
told = {}


def loaded():
    return [name for name in given["watched"] if name in sys.modules]


from chalicelib.authorizer import authorize

told["by_import"] = loaded()

import botocore.handlers


class Status:
    status_code = 200


class Context:
    def get_remaining_time_in_millis(self):
        return 20_000


botocore.handlers.BUILTIN_HANDLERS += [
    ("before-call.ssm", lambda **_: (Status, {"Parameters": given["keys"]})),
    ("before-call.dynamodb", lambda **_: (Status, {"Responses": {}, "UnprocessedKeys": {}})),
]
event = {"type": "TOKEN", "authorizationToken": given["token"], "methodArn": given["arn"]}
told["decision"] = authorize(event, Context())
told["by_first_request"] = loaded()
print(json.dumps(told))
"""
_WATCHED = (
    "app",
    "boto3",
    "chalicelib.api",
    "chalicelib.breaches",
    "chalicelib.domain.passwords",
    "chalicelib.domain.sessions",
    "chalicelib.mail",
    "chalicelib.services.accounts",
    "chalicelib.services.courier",
    "chalicelib.services.password_policy",
    "chalicelib.services.passwords",
    "chalicelib.services.sessions",
    "msgspec",
    "pydantic",
)


def test_a_cold_start_of_the_authorizer_loads_only_what_it_needs(
    key_parameters: tuple[Parameter, Parameter], stage: Settings
) -> None:
    _, public = key_parameters
    source = FakeKeySource()
    for parameter in key_parameters:
        source.put(parameter)
    session = a_session(expires_at=system_clock() + timedelta(hours=1))
    issuer = TokenIssuer(
        issuer=stage.issuer,
        audience=stage.audience,
        client_id=stage.client_id,
        lifetime_seconds=900,
        clock=system_clock,  # as in the process below
        new_id=FakeIds(),
    )
    key = KeyRing(source, system_clock).signing_key()
    token = issuer.issue(a_user(), session.session_id, session.expires_at, key).text
    given = {
        "path": [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))],
        "environment": {
            "ACCOUNTS_STAGE": STAGE,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        },
        "watched": _WATCHED,
        "keys": [{"Name": public.name, "Value": public.value}],
        "token": token,
        "arn": ARN,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", _COLD_START],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told = json.loads(done.stdout)
    assert told["by_import"] == []
    assert told["by_first_request"] == []
    # It was a good token, of a user whom the store does not know.
    assert told["decision"]["principalId"] == "nobody"
    assert told["decision"]["policyDocument"]["Statement"][0]["Resource"] == []
