"""What the authorizer answers and logs, whatever finding out who asks comes to."""

import json
import logging
from typing import Any

import pytest

from chalicelib import container as composition
from chalicelib.authorizer import authorize
from chalicelib.container import Container, use
from chalicelib.deadlines import require_time
from chalicelib.domain.errors import TokenRevokedError, UnavailableError
from chalicelib.domain.principals import Principal
from chalicelib.settings import load
from tests.fakes import public_id
from tests.samples import LambdaContext, a_caller

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/api/GET/user/me"
SECONDS = 10.0


class _Authenticator:
    """Answers what it was told to, if it still has the time, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.takes = 0.0

    def authenticate(self, authorization: str) -> Principal:
        self.asked.append(authorization)
        require_time(self.takes)
        if self.fault:
            raise self.fault
        return a_caller()


@pytest.fixture
def authenticator(monkeypatch: pytest.MonkeyPatch) -> _Authenticator:
    monkeypatch.setattr(composition, "_current", None)
    replaced = use(Container(load({"ACCOUNTS_STAGE": "test"})))
    authenticator = _Authenticator()
    vars(replaced)["authenticator"] = authenticator
    return authenticator


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def _decide(token: str = "a token") -> Any:
    event = {"type": "TOKEN", "authorizationToken": token, "methodArn": ARN}
    return json.loads(json.dumps(authorize(event, LambdaContext(SECONDS))))


def _line(logged: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = [vars(record)["line"] for record in logged.records if "line" in vars(record)]
    return {name: line.get(name) for name in ("event", "stage", "outcome", "user", "Failures")}


def test_who_is_known_is_let_in_everywhere_and_told_of(
    authenticator: _Authenticator, logged: pytest.LogCaptureFixture
) -> None:
    decision = _decide("a token")
    assert authenticator.asked == ["a token"]
    assert decision["principalId"] == public_id(1)
    assert decision["context"] == a_caller().to_context()
    (statement,) = decision["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == [ARN.removesuffix("GET/user/me") + "*/*"]
    assert _line(logged) == {
        "event": "authorization",
        "stage": "test",
        "outcome": "ok",
        "user": public_id(1),
        "Failures": None,
    }


def test_a_refusal_is_nobodys_failure(
    authenticator: _Authenticator, logged: pytest.LogCaptureFixture
) -> None:
    authenticator.fault = TokenRevokedError()
    decision = _decide()
    assert decision["principalId"] == "nobody"
    assert decision["context"] == {}
    assert decision["policyDocument"]["Statement"][0]["Resource"] == []
    assert _line(logged) == {
        "event": "authorization",
        "stage": "test",
        "outcome": "token_revoked",
        "user": None,
        "Failures": None,
    }


@pytest.mark.parametrize("fault", [UnavailableError(), ValueError("a secret"), MemoryError()])
def test_a_fault_lets_nobody_in_and_is_told_by_its_type_alone(
    authenticator: _Authenticator, logged: pytest.LogCaptureFixture, fault: Exception
) -> None:
    authenticator.fault = fault
    assert _decide("another secret") == {"principalId": "nobody"}
    assert f"no decision: {type(fault).__name__}" in logged.messages
    assert "secret" not in logged.text
    assert _line(logged) == {
        "event": "authorization",
        "stage": "test",
        "outcome": "unavailable",
        "user": None,
        "Failures": 1,
    }


def test_a_decision_is_made_in_the_functions_own_time(authenticator: _Authenticator) -> None:
    authenticator.takes = SECONDS - 3
    assert _decide()["principalId"] == public_id(1)
    authenticator.takes = SECONDS
    assert _decide() == {"principalId": "nobody"}
