"""A client of the API, who holds every answer to what the contract says of all of them."""

import json
from collections.abc import Mapping
from typing import Any

from app import app
from tests.api.gateway import Answer, Gateway
from tests.aws import Cloud
from tests.samples import PASSWORD

PAGES = ("/email/", "/password/")
"""Below these, people read what failed, and not programs."""

# Parts of what clients send that no answer may ever repeat.
SECRETS = (PASSWORD, "s3cret")


class Client:
    """Sends requests, and asserts of each answer what is true of all."""

    def __init__(self, cloud: Cloud) -> None:
        self.gateway = Gateway(app)
        self._cloud = cloud

    def send(
        self,
        method: str,
        target: str,
        *,
        data: object = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        token: str | None = None,
        base64_body: bool = False,
        faulty: bool = False,
        source_ip: str = "192.0.2.1",
    ) -> Answer:
        """Send `data` as JSON, or a body as it is; with a token, if there is one.

        `faulty`: something is broken that ought to be whole, so that a 500 is right.
        """
        sent = list(headers.items() if isinstance(headers, Mapping) else headers or [])
        if data is not None:
            body = json.dumps(data)
            sent.append(("Content-Type", "application/json"))
        if token is not None:
            sent.append(("Authorization", f"Bearer {token}"))
        octets = body.encode() if isinstance(body, str) else body
        answer = self.gateway.send(
            method,
            target,
            headers=sent,
            body=octets,
            base64_body=base64_body,
            source_ip=source_ip,
        )
        assert faulty == (answer.status == 500)
        _assert_contract(answer, method, target)
        return answer

    def get(self, target: str, **how: Any) -> Answer:
        return self.send("GET", target, **how)

    def post(self, target: str, data: object = None, **how: Any) -> Answer:
        return self.send("POST", target, data=data, **how)

    def patch(self, target: str, data: object = None, **how: Any) -> Answer:
        return self.send("PATCH", target, data=data, **how)

    def delete(self, target: str, data: object = None, **how: Any) -> Answer:
        return self.send("DELETE", target, data=data, **how)

    def register(self, number: int = 1, **changes: object) -> str:
        """Register a user and answer their token."""
        return str(self.post("/user", a_registration(number, **changes)).json()["Authorization"])

    def log_in(self, number: int = 1, password: str = PASSWORD) -> dict[str, Any]:
        """Log in a user, registered now if need be, and answer the token set."""
        self.post("/user", a_registration(number, password=password))
        login = {"email": f"user-{number}@example.com", "password": password}
        answer = self.post("/auth/login", login)
        assert answer.status == 200
        token_set: dict[str, Any] = answer.json()
        return token_set

    def make_admin(self, token: str) -> None:
        """Behind the API's back, as an operator does."""
        public_id = self.get("/user/me", token=token).json()["public_id"]
        self._cloud.change(public_id, admin={"BOOL": True})

    def register_admin(self, number: int = 99) -> str:
        token = self.register(number)
        self.make_admin(token)
        return token


def a_registration(number: int = 1, **changes: object) -> dict[str, object]:
    return {
        "email": f"user-{number}@example.com",
        "username": f"User {number}",
        "password": PASSWORD,
        **changes,
    }


def _assert_contract(answer: Answer, method: str, target: str) -> None:
    headers = answer.headers
    assert headers["x-request-id"] == answer.request_id
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "traceback" not in answer.text.lower()
    assert not any(secret in answer.text for secret in SECRETS)
    assert answer.status in (200, 201, 202, 204, 400, 401, 403, 404, 409, 413, 415, 429, 500, 503)
    if answer.status >= 400:
        assert headers["cache-control"] == "no-store"
        is_page = target.startswith(PAGES) and not answer.refused_by_gateway
        assert headers["content-type"] == (
            "text/html; charset=utf-8" if is_page else "application/json"
        )
        assert ("www-authenticate" in headers) == (answer.status == 401)
        assert ("retry-after" in headers) == (answer.status in (429, 503))
        if method != "HEAD" and not is_page:
            _assert_failure(answer)
    elif headers.get("content-type") == "application/json" and answer.text:
        assert isinstance(answer.json(), dict)


def _assert_failure(answer: Answer) -> None:
    failure = answer.json()
    errors = failure.pop("errors", None)
    assert failure.keys() == {"status", "code", "message"}
    assert failure["status"] == "fail"
    link_is_bad = answer.status == 400 and failure["code"] == "token_invalid"
    assert (errors is not None) == (answer.status == 400 and not link_is_bad)
    assert errors is None or failure["message"] == "Input payload validation failed"
