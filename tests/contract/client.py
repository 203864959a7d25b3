"""A client of the API that knows its contract, and nothing of what is behind it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

_ANSWER_SECONDS = 60
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Client:
    """One API. Sends what it is told, and follows nothing."""

    url: str
    host: str | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> requests.Response:
        sent = dict(headers or {})
        if self.host is not None:
            sent["Host"] = self.host
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return requests.request(
            method,
            self.url + path,
            json=json,
            data=body,
            headers=sent,
            allow_redirects=False,
            timeout=_ANSWER_SECONDS,
        )

    def get(self, path: str, **given: Any) -> requests.Response:
        return self.send("GET", path, **given)

    def post(self, path: str, **given: Any) -> requests.Response:
        return self.send("POST", path, **given)

    def patch(self, path: str, **given: Any) -> requests.Response:
        return self.send("PATCH", path, **given)

    def delete(self, path: str, **given: Any) -> requests.Response:
        return self.send("DELETE", path, **given)

    def refresh(self, refresh_token: str) -> requests.Response:
        return self.post("/auth/refresh", json={"refresh_token": refresh_token})

    def register(self, **changes: Any) -> "Person":
        name = f"person-{secrets.token_hex(8)}"
        given = {"email": f"{name}@example.com", "username": name, "password": PASSWORD} | changes
        answer = self.post("/user", json=given)
        assert answer.status_code == 201, answer.text
        return Person(answer.json()["Authorization"], answer, **given)

    def log_in(self, person: "Person") -> str:
        token: str = self.open_session(person)["Authorization"]
        return token

    def open_session(self, person: "Person", password: str | None = None) -> dict[str, Any]:
        credentials = {"email": person.email, "password": password or person.password}
        answer = self.post("/auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        token_set: dict[str, Any] = answer.json()
        return token_set


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    token: str
    registration: requests.Response = field(repr=False)
    email: str
    username: str
    password: str
