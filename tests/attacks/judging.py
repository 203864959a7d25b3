"""What the service makes of an attack: the authorizer, logging out, and what is behind both."""

import json
import time
from collections.abc import Iterable
from typing import Any

from chalicelib.authorizer import authorize
from tests.api.client import Client
from tests.api.gateway import LambdaContext
from tests.api.lines import Lines
from tests.attacks.access_tokens import EXPIRED, INVALID, MISSING, REVOKED, Attack, Work
from tests.aws import Wire

ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/api/GET/user/me"
MESSAGES = {
    INVALID: "Invalid token. Please log in again.",
    EXPIRED: "Signature expired. Please log in again.",
    REVOKED: "Token blacklisted. Please log in again.",
    MISSING: "Provide a valid auth token.",
}
"""What the contract has logging out say."""
_CPU_SECONDS = 5.0
"""Generous: refusing takes milliseconds. What multiplies with what is sent takes minutes."""
_A_PART = 16
"""In characters. What is shorter may well be in a line by chance."""


class Judge:
    """Sends attacks, and tells what was not as it must be."""

    def __init__(self, client: Client, wire: Wire, lines: Lines) -> None:
        self._client = client
        self._wire = wire
        self._lines = lines

    def faults(self, attacks: Iterable[Attack]) -> list[str]:
        """What is wrong with how each is answered; nothing, if all is well."""
        return [f"{attack.name}: {fault}" for attack in attacks for fault in self._faults(attack)]

    def _faults(self, attack: Attack) -> list[str]:
        self._lines.text = ""
        found = []
        for judge in (self._authorizer, self._logout, self._gateway):
            self._wire.calls.clear()
            began = time.process_time()
            fault = judge(attack)
            if time.process_time() - began > _CPU_SECONDS:
                found.append("takes long")
            if fault:
                found.append(fault)
            if not self._is_bounded(attack.work):
                found.append(f"{judge.__name__} made {self._wire.operations}")
        if any(part in self._lines.text for part in _parts(attack.text)):
            found.append("is in the log")
        return found

    def _authorizer(self, attack: Attack) -> str:
        decision = decide(attack.text)
        logged = self._lines.of("authorization")[-1]["outcome"]
        if not is_denial(decision):
            return f"the authorizer answered {decision}"
        return "" if logged == attack.code else f"the authorizer called it {logged}"

    def _logout(self, attack: Attack) -> str:
        answer = self._client.post("/auth/logout", headers={"Authorization": attack.text})
        expected = {"status": "fail", "code": attack.code, "message": MESSAGES[attack.code]}
        if (answer.status, answer.json()) == (401, expected):
            return ""
        return f"logging out was answered {answer.status} {answer.text}"

    def _gateway(self, attack: Attack) -> str:
        answer = self._client.get("/user/me", headers={"Authorization": attack.text})
        expected = {"status": "fail", "code": INVALID, "message": MESSAGES[INVALID]}
        if (answer.status, answer.json()) == (401, expected):
            return ""
        return f"/user/me was answered {answer.status} {answer.text}"

    def _is_bounded(self, work: Work) -> bool:
        asked = self._wire.operations
        if work is Work.NOTHING:
            return asked == []
        if work is Work.KEYS:
            return asked in ([], ["ssm.GetParametersByPath"])
        return asked == ["dynamodb.BatchGetItem"]


def decide(authorization: object) -> Any:
    """What the authorizer answers, called as Lambda calls it."""
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN}
    context = LambdaContext.of("authorize")
    return json.loads(json.dumps(authorize(json.loads(json.dumps(event)), context)))


def is_denial(decision: Any) -> bool:
    """Whether nobody is let in, and API Gateway answers 401."""
    policy = decision.get("policyDocument", {"Statement": [{"Resource": ["?"]}]})
    (statement,) = policy["Statement"]
    return bool(statement["Resource"] == [] and decision["principalId"] == "nobody")


def _parts(text: str) -> list[str]:
    return [part for part in text[:20_000].split(".") if len(part) >= _A_PART]
